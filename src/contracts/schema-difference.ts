/**
 * Whether two JSON Schemas ask the same of a value, told by their form: what only describes is left out, and where the
 * order of a list means nothing it is not looked at. Two forms that mean the same by chance count as different.
 */
import type { JsonSchema } from './contract-snapshot.js';
import { printable } from './printable.js';

/** Keywords that say nothing about which values are fine. */
const DESCRIBING = new Set([
  '$schema',
  '$id',
  '$comment',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
]);
/** Keywords whose list is a set. */
const SETS = new Set(['required', 'enum', 'type']);
/** Keywords that hold schemas by names which are not keywords. */
const BY_NAME = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
/** Keywords that hold a value, in which nothing is a keyword. */
const VALUES = new Set(['const', 'enum']);
/** Characters of a value that a difference shows. */
const SHOWN_MAX = 80;
/** Deeper than what `checkJsonSchema` lets in, and a bound for what did not come that way. */
const DEPTH_MAX = 100;

type Inside = 'schema' | 'names' | 'value';

/**
 * The first difference in words, with its place as a JSON Pointer: `/properties/amount/type: "number" and "string"`.
 * Undefined when they ask the same.
 */
export function schemaDifference(one: JsonSchema, other: JsonSchema): string | undefined {
  const difference = differenceAt(one, other, '', 'schema', 0);
  return difference === undefined ? undefined : printable(difference);
}

function differenceAt(one: unknown, other: unknown, at: string, inside: Inside, depth: number): string | undefined {
  if (depth > DEPTH_MAX) return `${at}: nested too deeply to compare`;
  if (Array.isArray(one) && Array.isArray(other)) return listDifference(one, other, at, inside, depth);
  if (!isObject(one) || !isObject(other))
    return one === other ? undefined : `${at || '/'}: ${shown(one)} and ${shown(other)}`;
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  for (const key of keys) {
    if (inside === 'schema' && DESCRIBING.has(key)) continue;
    const found = differenceAt(
      asSet(own(one, key), key, inside),
      asSet(own(other, key), key, inside),
      `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      insideOf(key, inside),
      depth + 1,
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

function listDifference(
  one: readonly unknown[],
  other: readonly unknown[],
  at: string,
  inside: Inside,
  depth: number,
): string | undefined {
  for (let index = 0; index < Math.max(one.length, other.length); index += 1) {
    const found = differenceAt(one[index], other[index], `${at}/${index}`, inside, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function insideOf(key: string, inside: Inside): Inside {
  if (inside !== 'schema') return inside === 'names' ? 'schema' : 'value';
  if (VALUES.has(key)) return 'value';
  return BY_NAME.has(key) ? 'names' : 'schema';
}

function asSet(value: unknown, key: string, inside: Inside): unknown {
  if (inside !== 'schema' || !SETS.has(key)) return value;
  // One type and a list of one type are the same.
  if (!Array.isArray(value)) return key === 'type' && typeof value === 'string' ? [value] : value;
  return [...value].sort((a, b) => (shown(a) < shown(b) ? -1 : 1));
}

function own(holder: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(holder, key) ? holder[key] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}
