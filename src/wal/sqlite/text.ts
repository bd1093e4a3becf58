/**
 * Names and ids as SQLite text. Text in SQLite ends at a NUL for some drivers and many tools, and a lone half of a
 * surrogate pair has no UTF-8 form; two ids that differ in such a place must not become one. So control characters, such
 * halves and the escape character itself (U+F8F0, for private use) are written as that character and four hexadecimal
 * digits. All other text is kept as it is. JSON text needs none of this: JSON escapes them itself.
 */
const ESCAPE = '\uf8f0';
const UNSAFE = /[\p{Cc}\p{Cs}\uf8f0]/u;
const EACH_UNSAFE = /[\p{Cc}\p{Cs}\uf8f0]/gu;
const EACH_ESCAPED = /\uf8f0([0-9a-f]{4})/g;

export function toText(value: string): string {
  if (!UNSAFE.test(value)) return value;
  return value.replace(EACH_UNSAFE, (unit) => ESCAPE + unit.charCodeAt(0).toString(16).padStart(4, '0'));
}

export function fromText(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replace(EACH_ESCAPED, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}
