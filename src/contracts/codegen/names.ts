/**
 * Names for what generated code declares and for its files, made out of names that may be any string. A name depends on
 * the set of names it stands among and never on their order.
 */
import { createHash } from 'node:crypto';

/** UTF-16 units of an identifier and of a file name before its ending. */
const IDENTIFIER_LENGTH_MAX = 80;
const FILE_NAME_LENGTH_MAX = 60;

/** Identifiers of this kind begin with a capital, so that no reserved word can be one. */
const IDENTIFIER = /^[A-Z][A-Za-z0-9_$]*$/;

/** What generated code or the code that a compiler makes of it refers to, and what it would be unkind to hide. */
const TAKEN_IDENTIFIERS = new Set(
  (
    'EntityType JobCommand JobQuery QueueEntityId Reply DispatchMap Dispatch DispatchType DispatchName ' +
    'AggregateError Array ArrayBuffer Atomics BigInt Boolean Buffer DataView Date Error EvalError Function Infinity Intl ' +
    'Iterator JSON Map Math NaN Number Object Promise Proxy RangeError Readonly ReadonlyArray Record Reflect RegExp Set ' +
    'String Symbol SyntaxError TypeError URIError WeakMap WeakRef WeakSet Partial Required Pick Omit Exclude Extract ' +
    'Uint8Array Int8Array Float64Array Awaited PropertyKey Iterable AsyncIterable PropertyDescriptor TypedPropertyDescriptor'
  ).split(' '),
);

/** Names that Windows keeps for devices, and the one of the barrel. */
const TAKEN_FILE_NAMES = /^(index|con|prn|aux|nul|com\d|lpt\d|conin|conout|clock)$/;

/** `text` as an identifier with a capital; the same when it is one already. `instead` is used where nothing is left. */
export function identifierOf(text: string, instead: string): string {
  if (IDENTIFIER.test(text)) return bounded(TAKEN_IDENTIFIERS.has(text) ? `${text}${instead}` : text, text);
  const words = text.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const joined = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  const named = /^[A-Z]/.test(joined) ? joined : `${instead}${joined}`;
  return bounded(TAKEN_IDENTIFIERS.has(named) ? `${named}${instead}` : named, text);
}

/** `text` as a file name without its ending: lower case, so that names differ on every file system. */
export function fileNameOf(text: string): string {
  const words = text
    .slice(0, 4 * FILE_NAME_LENGTH_MAX)
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  const slug = words.join('-').slice(0, FILE_NAME_LENGTH_MAX).replace(/-$/, '');
  if (slug === '') return 'entity';
  return TAKEN_FILE_NAMES.test(slug) ? `${slug}-entity` : slug;
}

/**
 * A name of its own for each text. Where several make the same name, the text that is that name keeps it, and each other
 * one gets an ending made from the text itself.
 */
export function namesFor(
  texts: readonly string[],
  nameOf: (text: string) => string,
  separator: string,
): ReadonlyMap<string, string> {
  const wanting = new Map<string, string[]>();
  for (const text of new Set(texts)) {
    const name = nameOf(text);
    const others = wanting.get(name.toLowerCase());
    if (others === undefined) wanting.set(name.toLowerCase(), [text]);
    else others.push(text);
  }
  const named = new Map<string, string>();
  const taken = new Set<string>();
  const give = (text: string, name: string): void => {
    named.set(text, name);
    taken.add(name.toLowerCase());
  };
  const later: string[] = [];
  for (const [, group] of [...wanting].sort(byKey)) {
    const [first, ...rest] = group.sort();
    if (first === undefined) continue;
    const owner = rest.length === 0 ? first : group.find((text) => nameOf(text) === text);
    if (owner !== undefined) give(owner, nameOf(owner));
    later.push(...group.filter((text) => text !== owner));
  }
  for (const text of later) {
    let name = `${nameOf(text)}${separator}${digest(text)}`;
    while (taken.has(name.toLowerCase())) name = `${name}${separator}2`;
    give(text, name);
  }
  return named;
}

/** The identifiers of one file or namespace. */
export class Identifiers {
  /** In lower case: two names that differ only so are too easily taken for each other. */
  readonly #taken: Set<string>;

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set([...taken].map((name) => name.toLowerCase()));
  }

  /** `wanted`, or with a number behind it if that is taken. Takes it. */
  take(wanted: string): string {
    const base = bounded(wanted, wanted);
    let name = base;
    for (let n = 2; this.#taken.has(name.toLowerCase()) || TAKEN_IDENTIFIERS.has(name); n++) name = `${base}${n}`;
    this.#taken.add(name.toLowerCase());
    return name;
  }
}

function bounded(name: string, text: string): string {
  return name.length <= IDENTIFIER_LENGTH_MAX
    ? name
    : `${name.slice(0, IDENTIFIER_LENGTH_MAX - 9)}_${digest(text === name ? name : text)}`;
}

/** Eight characters that tell texts apart. */
function digest(text: string): string {
  // As UTF-16, because half of a surrogate pair has no UTF-8 of its own.
  return createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('hex').slice(0, 8);
}

function byKey([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
