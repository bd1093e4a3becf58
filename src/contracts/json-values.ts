/** JSON values as JSON Schema sees them: their types, when two are equal, how long a text is. */

/** Longer lists of objects are not searched for equal items. */
const UNIQUE_MAX = 64;
const SHOWN_MAX = 80;

export function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type;
    case 'integer':
      return Number.isInteger(value);
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    default:
      return typeof value === 'object' && value !== null && !Array.isArray(value);
  }
}

export function typeName(type: string): string {
  if (type === 'null') return 'null';
  if (type === 'integer') return 'a whole number';
  return `${type === 'array' || type === 'object' ? 'an' : 'a'} ${type}`;
}

/** Both are JSON data, and one of them no deeper than a schema may be. */
export function isEqual(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one) || Array.isArray(other)) {
    if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
    return one.every((item, index) => isEqual(item, other[index]));
  }
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  const [left, right] = [one, other] as [Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>];
  return keys.every((key) => Object.hasOwn(right, key) && isEqual(left[key], right[key]));
}

/** Among many objects nothing is found: comparing each with each takes too long. */
export function hasEqualItems(value: readonly unknown[]): boolean {
  const plain = value.filter((item) => typeof item !== 'object' || item === null);
  if (new Set(plain).size < plain.length) return true;
  const rest = value.filter((item) => typeof item === 'object' && item !== null);
  if (rest.length > UNIQUE_MAX) return false;
  return rest.some((item, index) => rest.slice(index + 1).some((other) => isEqual(item, other)));
}

/** With room for what decimal fractions lose as binary ones: 0.3 is a multiple of 0.1. */
export function isMultiple(value: number, step: number): boolean {
  const ratio = value / step;
  return !Number.isFinite(ratio) || Math.abs(ratio - Math.round(ratio)) <= Math.abs(ratio) * 1e-14 + 1e-12;
}

/** Characters in the first `unitsMax` UTF-16 units of the text. */
export function codePoints(text: string, unitsMax: number): number {
  let count = 0;
  for (const _ of text.length > unitsMax ? text.slice(0, unitsMax) : text) count += 1;
  return count;
}

export function inShort(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}
