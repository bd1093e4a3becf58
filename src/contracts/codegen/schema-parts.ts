/**
 * Safe looks into a JSON Schema that someone else wrote: a keyword counts only when it is the schema's own and holds what
 * it should. Anything else is as if it were not there.
 */
import type { JsonSchema } from '../contract-snapshot.js';
import { resolveRef } from '../json-schema-check.js';

export type SchemaObject = Readonly<Record<string, unknown>>;

/** Keywords whose meaning says that the value is an object. */
const OBJECT_SHAPE = ['properties', 'required', 'additionalProperties', 'patternProperties', 'unevaluatedProperties'];
const ARRAY_SHAPE = ['items', 'prefixItems', 'additionalItems'];

export function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'boolean' || isObject(value);
}

export function own(schema: SchemaObject, keyword: string): unknown {
  return Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
}

export function schemaAt(schema: SchemaObject, keyword: string): JsonSchema | undefined {
  const value = own(schema, keyword);
  return isSchema(value) ? value : undefined;
}

export function schemasAt(schema: SchemaObject, keyword: string): readonly JsonSchema[] | undefined {
  const value = own(schema, keyword);
  return Array.isArray(value) && value.length > 0 ? value.filter(isSchema) : undefined;
}

/** The own fields of an object, by name. */
export function entriesAt(schema: SchemaObject, keyword: string): readonly (readonly [string, unknown])[] {
  const value = own(schema, keyword);
  return isObject(value) ? Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)) : [];
}

export function stringAt(schema: SchemaObject, keyword: string): string | undefined {
  const value = own(schema, keyword);
  return typeof value === 'string' ? value : undefined;
}

export function numberAt(schema: SchemaObject, keyword: string): number | undefined {
  const value = own(schema, keyword);
  return typeof value === 'number' ? value : undefined;
}

export function requiredOf(schema: SchemaObject): ReadonlySet<string> {
  const value = own(schema, 'required');
  return new Set(Array.isArray(value) ? value.filter((name) => typeof name === 'string') : []);
}

/** The names in `type`; where there is none, what the shape of the schema says; undefined: any. */
export function typeNames(schema: SchemaObject): readonly string[] | undefined {
  const type = own(schema, 'type');
  if (typeof type === 'string') return withNull(schema, [type]);
  if (Array.isArray(type)) return withNull(schema, [...new Set(type.filter((name) => typeof name === 'string'))]);
  if (OBJECT_SHAPE.some((keyword) => Object.hasOwn(schema, keyword))) return withNull(schema, ['object']);
  return ARRAY_SHAPE.some((keyword) => Object.hasOwn(schema, keyword)) ? withNull(schema, ['array']) : undefined;
}

/** An older way to say that null is fine too. */
function withNull(schema: SchemaObject, names: readonly string[]): readonly string[] {
  return own(schema, 'nullable') === true ? [...new Set([...names, 'null'])] : names;
}

/** Whether the schema says more of an object or an array than that it is one. */
export function hasShape(schema: SchemaObject): boolean {
  return [...OBJECT_SHAPE, ...ARRAY_SHAPE].some((keyword) => Object.hasOwn(schema, keyword));
}

/** The schema that a `$ref` within `root` points to, by a pointer or an anchor; undefined when it is not in there. */
export function targetOf(root: JsonSchema, ref: string): JsonSchema | undefined {
  const found = resolveRef(root, ref);
  if (isSchema(found)) return found;
  return /^#[^/]/.test(ref) && isObject(root) ? anchored(root, ref.slice(1)) : undefined;
}

function anchored(root: SchemaObject, anchor: string): JsonSchema | undefined {
  for (const keyword of ['$defs', 'definitions']) {
    for (const [, definition] of entriesAt(root, keyword)) {
      if (!isObject(definition)) continue;
      if (own(definition, '$anchor') === anchor || own(definition, '$dynamicAnchor') === anchor) return definition;
    }
  }
  return undefined;
}
