/**
 * A JSON Schema in a form that can be compared: references followed, `allOf` folded in, each kind of rule in a place of its
 * own. Nothing is evaluated.
 */
import type { JsonSchema } from './contract-snapshot.js';
import { resolveRef } from './json-schema-check.js';

export type TypeName = 'null' | 'boolean' | 'object' | 'array' | 'number' | 'integer' | 'string';

export interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

export interface NormalSchema {
  /** Undefined: every type. */
  types: ReadonlySet<TypeName> | undefined;
  /** From `enum` and `const`; undefined: every value. */
  values: readonly unknown[] | undefined;
  readonly required: Set<string>;
  readonly fields: Map<string, JsonSchema>;
  /** Fields without a name of their own. */
  others: JsonSchema | undefined;
  positions: readonly JsonSchema[] | undefined;
  items: JsonSchema | undefined;
  lower: Bound | undefined;
  upper: Bound | undefined;
  /** `minLength` and its like: the largest counts. `maxLength` and its like: the smallest. */
  readonly least: Map<string, number>;
  readonly most: Map<string, number>;
  /** `anyOf` and `oneOf`: one of each list must fit. */
  readonly alternatives: (readonly JsonSchema[])[];
  /** Every other rule, by its keyword. */
  readonly rest: Map<string, unknown>;
}

const LEAST = ['minLength', 'minItems', 'minProperties'] as const;
const MOST = ['maxLength', 'maxItems', 'maxProperties'] as const;
/** What is read into a place of its own, or says nothing of values. */
const KNOWN = new Set<string>([
  ...LEAST,
  ...MOST,
  ...['type', 'nullable', 'enum', 'const', 'required', 'properties', 'additionalProperties', 'prefixItems', 'items'],
  ...['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum', 'anyOf', 'oneOf', 'allOf', '$ref'],
  ...['$schema', '$id', '$anchor', '$comment', '$defs', 'definitions', '$vocabulary', 'title', 'description'],
  ...['default', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'contentSchema'],
]);
/** References that lead to references, and `allOf` within `allOf`. */
const STEPS_MAX = 200;

/** What says nothing more beside a reference. */
const BESIDE_REF = new Set(['$ref', '$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description']);

type SchemaObject = Readonly<Record<string, unknown>>;

/** What a schema that is nothing but a reference points to; else the schema itself. */
export function followed(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let at = schema;
  for (let step = 0; step < STEPS_MAX && isObject(at); step++) {
    const { $ref } = at;
    if (typeof $ref !== 'string' || Object.keys(at).some((keyword) => !BESIDE_REF.has(keyword))) return at;
    at = (resolveRef(root, $ref) ?? true) as JsonSchema;
  }
  return at;
}

/** `false` where no value fits. */
export function normalSchema(schema: JsonSchema, root: JsonSchema): NormalSchema | false {
  const normal: NormalSchema = {
    types: undefined,
    values: undefined,
    required: new Set(),
    fields: new Map(),
    others: undefined,
    positions: undefined,
    items: undefined,
    lower: undefined,
    upper: undefined,
    least: new Map(),
    most: new Map(),
    alternatives: [],
    rest: new Map(),
  };
  const seen = new Set<unknown>();
  const waiting: unknown[] = [schema];
  for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
    if (each === false) return false;
    if (!isObject(each) || seen.has(each)) continue;
    if (seen.size >= STEPS_MAX) {
      normal.rest.set('allOf', 'too many parts');
      break;
    }
    seen.add(each);
    addRules(normal, each);
    if (typeof each['$ref'] === 'string') waiting.push(resolveRef(root, each['$ref']) ?? true);
    if (Array.isArray(each['allOf'])) waiting.push(...each['allOf']);
  }
  return normal;
}

function addRules(normal: NormalSchema, schema: SchemaObject): void {
  const types = typesOf(schema);
  if (types !== undefined) normal.types = normal.types === undefined ? types : common(normal.types, types);
  const values = valuesOf(schema);
  if (values !== undefined)
    normal.values = normal.values === undefined ? values : normal.values.filter((value) => isOneOf(value, values));
  for (const name of Array.isArray(schema['required']) ? schema['required'] : []) normal.required.add(String(name));
  for (const [name, field] of isObject(schema['properties']) ? Object.entries(schema['properties']) : []) {
    const before = normal.fields.get(name);
    normal.fields.set(name, both(before, field as JsonSchema));
  }
  if (Object.hasOwn(schema, 'additionalProperties'))
    normal.others = both(normal.others, schema['additionalProperties'] as JsonSchema);
  if (Array.isArray(schema['prefixItems'])) normal.positions = schema['prefixItems'] as JsonSchema[];
  if (Object.hasOwn(schema, 'items')) normal.items = both(normal.items, schema['items'] as JsonSchema);
  addBounds(normal, schema);
  for (const keyword of ['anyOf', 'oneOf']) {
    const list = schema[keyword];
    if (Array.isArray(list)) normal.alternatives.push(list as JsonSchema[]);
  }
  for (const [keyword, rule] of Object.entries(schema)) {
    if (KNOWN.has(keyword)) continue;
    const before = normal.rest.get(keyword);
    normal.rest.set(keyword, before === undefined || isSame(before, rule) ? rule : [before, rule]);
  }
}

function addBounds(normal: NormalSchema, schema: SchemaObject): void {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = schema;
  for (const [value, exclusive] of [[minimum, false] as const, [exclusiveMinimum, true] as const]) {
    if (typeof value === 'number' && isTighter({ value, exclusive }, normal.lower, 1))
      normal.lower = { value, exclusive };
  }
  for (const [value, exclusive] of [[maximum, false] as const, [exclusiveMaximum, true] as const]) {
    if (typeof value === 'number' && isTighter({ value, exclusive }, normal.upper, -1))
      normal.upper = { value, exclusive };
  }
  for (const keyword of LEAST) {
    const value = schema[keyword];
    if (typeof value === 'number') normal.least.set(keyword, Math.max(value, normal.least.get(keyword) ?? 0));
  }
  for (const keyword of MOST) {
    const value = schema[keyword];
    if (typeof value === 'number') normal.most.set(keyword, Math.min(value, normal.most.get(keyword) ?? value));
  }
}

/** Whether `bound` shuts out more than `other`. `side`: 1 for a lower bound, -1 for an upper one. */
export function isTighter(bound: Bound, other: Bound | undefined, side: 1 | -1): boolean {
  if (other === undefined) return true;
  if (bound.value !== other.value) return (bound.value - other.value) * side > 0;
  return bound.exclusive && !other.exclusive;
}

/** Whether two pieces of JSON are the same, whatever the order of their fields. */
export function isSame(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((item, index) => isSame(item, right[index]));
  if (!isObject(left) || !isObject(right)) return left === right;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && isSame(left[name], right[name]))
  );
}

export function isOneOf(value: unknown, values: readonly unknown[]): boolean {
  return values.some((each) => isSame(each, value));
}

function typesOf({ type, nullable }: SchemaObject): ReadonlySet<TypeName> | undefined {
  if (type === undefined) return undefined;
  const names = new Set((Array.isArray(type) ? type : [type]) as TypeName[]);
  if (nullable === true) names.add('null');
  return names;
}

function valuesOf(schema: SchemaObject): readonly unknown[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [schema['const']];
  return Array.isArray(schema['enum']) ? schema['enum'] : undefined;
}

function common(left: ReadonlySet<TypeName>, right: ReadonlySet<TypeName>): ReadonlySet<TypeName> {
  const kept = [...left].filter((type) => right.has(type));
  if (left.has('integer') && right.has('number')) kept.push('integer');
  if (left.has('number') && right.has('integer')) kept.push('integer');
  return new Set(kept);
}

function both(left: JsonSchema | undefined, right: JsonSchema): JsonSchema {
  if (left === undefined || left === true) return right;
  if (right === true || left === right) return left;
  return left === false || right === false ? false : { allOf: [left, right] };
}

function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
