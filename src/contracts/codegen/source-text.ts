/**
 * The one way in which a string of the registry gets into generated code: as a literal, as a property key, or as the words
 * of a comment. What comes out holds printable ASCII only (comments: letters of any script), so that nothing can end a
 * literal or a comment early, break a line, or look like something else than it is.
 */

/** Words of a comment, UTF-16 units. The rest is cut off. */
const COMMENT_LENGTH_MAX = 300;
/** Characters of a field's name as code. One that is longer is not worth a line. */
const KEY_LENGTH_MAX = 90;

const PLAIN_KEY = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

/** A literal of exactly this string, in the quotes that need fewer escapes. */
export function stringLiteral(text: string): string {
  const quote = count(text, "'") > count(text, '"') ? '"' : "'";
  return quote + text.replace(/[^ !#-&(-[\]-~]/g, (char) => escaped(char, quote)) + quote;
}

/** The same for JSON, whose strings have one kind of quotes. */
export function jsonLiteral(text: string): string {
  return `"${text.replace(/[^ !#-[\]-~]/g, (char) => escaped(char, '"'))}"`;
}

function escaped(char: string, quote: string): string {
  switch (char) {
    case '\\':
      return '\\\\';
    case "'":
    case '"':
      return char === quote ? `\\${char}` : char;
    case '\n':
      return '\\n';
    case '\r':
      return '\\r';
    case '\t':
      return '\\t';
    default:
      // Without the flag u the pattern finds UTF-16 units, so that halves of a pair are escaped one by one.
      return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  }
}

function count(text: string, char: string): number {
  return text.split(char).length - 1;
}

/** How a field is declared: its plain name where that can be one, else in quotes. */
export function propertyKey(name: string): string {
  return PLAIN_KEY.test(name) ? name : stringLiteral(name);
}

/** Whether a field's name is short enough to be declared. */
export function isDeclarable(name: string): boolean {
  return name.length <= KEY_LENGTH_MAX && propertyKey(name).length <= KEY_LENGTH_MAX;
}

/** How a field is read: `.name` or `['na me']`. */
export function memberAccess(name: string): string {
  return PLAIN_KEY.test(name) ? `.${name}` : `[${stringLiteral(name)}]`;
}

/**
 * Words for inside a comment, on one line. Characters that cannot be seen become spaces, and what could be taken for a
 * command to a tool (`@ts-ignore`, `eslint-disable`) is put in quotes. Undefined when nothing is left.
 */
export function commentWords(text: string): string | undefined {
  const words = text
    .slice(0, COMMENT_LENGTH_MAX * 4)
    .replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S}]+/gu, ' ')
    .replaceAll('*/', '* /')
    .replaceAll('/*', '/ *')
    .trim();
  if (words === '') return undefined;
  const cut = Array.from(words).slice(0, COMMENT_LENGTH_MAX).join('').trim();
  const shown = cut.length < words.length ? `${cut}…` : cut;
  return /^\p{L}[\p{L}\p{M}\p{N}']*[,.;!?]?( |$)/u.test(shown) ? shown : `"${shown}"`;
}
