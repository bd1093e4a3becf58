/**
 * How values that JSON does not have stand in the text of a state: as an object whose only key is one of these. A user's
 * own object that looks like that is wrapped in `$object`, so nothing that a user stores is ever taken for a tag.
 *
 * Owns: the tags, and the way from a parsed text back to values (`revive`). `state-encoding.ts` is the way there.
 */

export const TAGS = {
  map: '$map',
  set: '$set',
  date: '$date',
  bigint: '$bigint',
  undefined: '$undefined',
  /** `-0`; JSON writes it as 0. */
  number: '$number',
  /** A Uint8Array, as base64. */
  bytes: '$bytes',
  /** A Buffer, as base64. */
  buffer: '$buffer',
  /** An object without a prototype. */
  dictionary: '$dictionary',
  /** A user's object with one key that begins with `$`. */
  object: '$object',
  /** A field that the constructor makes and a handler deleted. Stands for a field of the state itself only. */
  deleted: '$deleted',
} as const;

/** Stands for a field that is to be deleted. */
export const DELETED = Symbol('deleted');

/** Whether the text of an object would be taken for a tag. */
export function looksLikeTag(keys: readonly string[]): boolean {
  return keys.length === 1 && (keys[0] as string).startsWith('$');
}

/** Texts without this have no tags and need no walk. */
export function mayHaveTags(text: string): boolean {
  return text.includes('"$');
}

/**
 * A parsed value with its tags put back into values. Changes `value` in place where it can.
 * @throws Error that says which tag is wrong.
 */
export function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) value[index] = revive(value[index]);
    return value;
  }
  const keys = Object.keys(value);
  if (looksLikeTag(keys)) {
    const key = keys[0] as string;
    return untag(key, (value as Record<string, unknown>)[key]);
  }
  return reviveFields(value as Record<string, unknown>, keys);
}

function reviveFields(value: Record<string, unknown>, keys = Object.keys(value)): Record<string, unknown> {
  // Every key is an own property already, so that not even `__proto__` reaches a prototype.
  for (const key of keys) {
    const field = value[key];
    if (typeof field === 'object' && field !== null) value[key] = revive(field);
  }
  return value;
}

function untag(tag: string, content: unknown): unknown {
  switch (tag) {
    case TAGS.map:
      return new Map(arrayOf(tag, content).map((entry) => pair(tag, entry)));
    case TAGS.set:
      return new Set(arrayOf(tag, content).map(revive));
    case TAGS.date: {
      const date = new Date(textOf(tag, content));
      return Number.isNaN(date.getTime()) ? wrong(tag) : date;
    }
    case TAGS.bigint:
      return /^-?\d+$/.test(textOf(tag, content)) ? BigInt(textOf(tag, content)) : wrong(tag);
    case TAGS.undefined:
      return undefined;
    case TAGS.number:
      return content === '-0' ? -0 : wrong(tag);
    case TAGS.bytes:
      return new Uint8Array(Buffer.from(textOf(tag, content), 'base64'));
    case TAGS.buffer:
      return Buffer.from(textOf(tag, content), 'base64');
    case TAGS.dictionary:
      return dictionary(fieldsOf(tag, content));
    case TAGS.object:
      return reviveFields(fieldsOf(tag, content));
    case TAGS.deleted:
      return DELETED;
    default:
      throw new Error(`it has the unknown tag "${tag.slice(0, 40)}"`);
  }
}

function dictionary(fields: Record<string, unknown>): object {
  const target = Object.create(null) as Record<string, unknown>;
  for (const key of Object.keys(fields)) target[key] = revive(fields[key]);
  return target;
}

function pair(tag: string, entry: unknown): [unknown, unknown] {
  if (!Array.isArray(entry) || entry.length !== 2) return wrong(tag);
  return [revive(entry[0]), revive(entry[1])];
}

function arrayOf(tag: string, content: unknown): unknown[] {
  return Array.isArray(content) ? content : wrong(tag);
}

function textOf(tag: string, content: unknown): string {
  return typeof content === 'string' ? content : wrong(tag);
}

function fieldsOf(tag: string, content: unknown): Record<string, unknown> {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return wrong(tag);
  return content as Record<string, unknown>;
}

function wrong(tag: string): never {
  throw new Error(`its tag "${tag}" has a content that it cannot have`);
}
