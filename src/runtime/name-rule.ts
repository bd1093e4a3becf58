/**
 * What entity types and wire names may look like. Both become parts of keys, file names and commands in other
 * languages, so they keep to a small alphabet; ids of entities are free (`message/message-class.ts`).
 */
const NAME_LENGTH_MAX = 128;
const TYPE_PATTERN = /^[A-Za-z0-9_.-]+$/;
const WIRE_NAME_PATTERN = /^[A-Za-z0-9_.$-]+$/;

/** Names that a plain object could not hold as an ordinary key. They are refused as types, names and payload keys. */
export function isPoisonedKey(key: string): boolean {
  switch (key.length) {
    case 9:
      return key === '__proto__' || key === 'prototype';
    case 11:
      return key === 'constructor';
    default:
      return false;
  }
}

/** Undefined when `type` may be an entity type; otherwise what is expected, to follow the words "expected ". */
export function entityTypeFault(type: unknown): string | undefined {
  return nameFault(type, TYPE_PATTERN, '_ . -');
}

/** Undefined when `name` may be the wire name of a message; otherwise what is expected. */
export function wireNameFault(name: unknown): string | undefined {
  return nameFault(name, WIRE_NAME_PATTERN, '_ . $ -');
}

function nameFault(name: unknown, pattern: RegExp, extra: string): string | undefined {
  if (typeof name === 'string' && name.length <= NAME_LENGTH_MAX && pattern.test(name) && !isPoisonedKey(name)) {
    return undefined;
  }
  return `1 to ${NAME_LENGTH_MAX} characters out of A-Z a-z 0-9 ${extra} (and not __proto__, constructor or prototype)`;
}
