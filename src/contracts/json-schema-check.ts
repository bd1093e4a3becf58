/**
 * Whether something that came from elsewhere is a JSON Schema (draft 2020-12) that this library can work with: of the right
 * form, not too large, all references inside itself, and none that leads back to itself without going deeper into the
 * value. A schema that describes a tree by a reference to itself is fine.
 */

import { printable } from './printable.js';

/** Schemas within one schema, and how deep they are nested. */
const SCHEMAS_MAX = 20_000;
const DEPTH_MAX = 64;
const REF_LENGTH_MAX = 1_024;

const TYPES = new Set(['null', 'boolean', 'object', 'array', 'number', 'string', 'integer']);

type Shape = (value: unknown) => boolean;

const isNumber: Shape = (value) => typeof value === 'number' && Number.isFinite(value);
const isCount: Shape = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isText: Shape = (value) => typeof value === 'string';
const isTextList: Shape = (value) => Array.isArray(value) && value.every(isText);
const isType: Shape = (value) =>
  Array.isArray(value)
    ? value.length > 0 && value.every((each) => TYPES.has(each as string))
    : TYPES.has(value as string);

const SHAPES: Readonly<Record<string, Shape>> = {
  type: isType,
  enum: Array.isArray,
  multipleOf: (value) => isNumber(value) && (value as number) > 0,
  maximum: isNumber,
  exclusiveMaximum: isNumber,
  minimum: isNumber,
  exclusiveMinimum: isNumber,
  maxLength: isCount,
  minLength: isCount,
  pattern: isText,
  maxItems: isCount,
  minItems: isCount,
  uniqueItems: (value) => typeof value === 'boolean',
  maxContains: isCount,
  minContains: isCount,
  maxProperties: isCount,
  minProperties: isCount,
  required: isTextList,
  dependentRequired: (value) => isObject(value) && Object.values(value).every(isTextList),
  $ref: (value) => typeof value === 'string' && value.length <= REF_LENGTH_MAX,
  format: isText,
};

/** Where schemas stand: alone, in a list, by name. `true`: they look at the same value as the schema around them. */
const ALONE: ReadonlyMap<string, boolean> = new Map([
  ...['not', 'if', 'then', 'else'].map((keyword) => [keyword, true] as const),
  ...['items', 'contains', 'additionalProperties', 'propertyNames'].map((keyword) => [keyword, false] as const),
  ...['unevaluatedItems', 'unevaluatedProperties'].map((keyword) => [keyword, false] as const),
]);
const LISTS: ReadonlyMap<string, boolean> = new Map([
  ...['allOf', 'anyOf', 'oneOf'].map((keyword) => [keyword, true] as const),
  ['prefixItems', false],
]);
const BY_NAME: ReadonlyMap<string, boolean> = new Map([
  ['dependentSchemas', true],
  ...['properties', 'patternProperties', '$defs', 'definitions'].map((keyword) => [keyword, false] as const),
]);

interface Child {
  readonly schema: unknown;
  readonly at: string;
  /** Looks at the same value. */
  readonly isInPlace: boolean;
}

/** Undefined when `schema` may be used; otherwise why not, to follow the words "its schema". */
export function jsonSchemaFault(schema: unknown): string | undefined {
  const fault = faultOf(schema);
  return fault === undefined ? undefined : printable(fault);
}

function faultOf(schema: unknown): string | undefined {
  const inPlace = new Map<object, object[]>();
  const waiting: { readonly schema: unknown; readonly at: string; readonly depth: number }[] = [
    { schema, at: '#', depth: 0 },
  ];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    const { schema: each, at, depth } = node;
    if (typeof each === 'boolean') continue;
    if (!isObject(each)) return `has ${kindOf(each)} at ${at}, where a schema is expected`;
    if (inPlace.has(each)) continue;
    if (depth > DEPTH_MAX) return `is nested deeper than ${DEPTH_MAX} levels`;
    if (inPlace.size >= SCHEMAS_MAX) return `holds more than ${SCHEMAS_MAX} schemas`;
    for (const [keyword, shape] of Object.entries(SHAPES)) {
      if (Object.hasOwn(each, keyword) && !shape(each[keyword]))
        return `has a ${keyword} at ${at} that JSON Schema does not allow`;
    }
    const children = childrenOf(each, at);
    if (typeof children === 'string') return children;
    const same: object[] = [];
    inPlace.set(each, same);
    for (const child of children) {
      if (child.isInPlace && isObject(child.schema)) same.push(child.schema);
      waiting.push({ schema: child.schema, at: child.at, depth: depth + 1 });
    }
    if (!Object.hasOwn(each, '$ref')) continue;
    const target = resolveRef(schema, each['$ref'] as string);
    if (target === undefined) return `has a $ref at ${at} to ${shown(each['$ref'])}, which is not in it`;
    if (isObject(target)) same.push(target);
    waiting.push({ schema: target, at: each['$ref'] as string, depth: 0 });
  }
  return hasCycle(inPlace)
    ? 'has a $ref cycle: it leads back to itself without going deeper into the value'
    : undefined;
}

/**
 * What a reference inside `root` points to: `#`, a JSON Pointer such as `#/$defs/item`. Undefined when nothing is there, or
 * when it points to another document: nothing is ever fetched.
 */
export function resolveRef(root: unknown, ref: string): unknown {
  if (ref === '#') return root;
  if (!ref.startsWith('#/')) return undefined;
  let at: unknown = root;
  for (const step of ref.slice(2).split('/')) {
    const key = decoded(step)?.replaceAll('~1', '/').replaceAll('~0', '~');
    if (key === undefined || typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[key];
  }
  return at;
}

function childrenOf(schema: Readonly<Record<string, unknown>>, at: string): readonly Child[] | string {
  const children: Child[] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    const here = `${at}/${keyword}`;
    const alone = ALONE.get(keyword);
    const isList = LISTS.get(keyword);
    const isByName = BY_NAME.get(keyword);
    if (alone !== undefined) children.push({ schema: value, at: here, isInPlace: alone });
    if (isList !== undefined) {
      if (!Array.isArray(value)) return `has ${kindOf(value)} at ${here}, where a list of schemas is expected`;
      for (const [index, each] of value.entries())
        children.push({ schema: each, at: `${here}/${index}`, isInPlace: isList });
    }
    if (isByName !== undefined) {
      if (!isObject(value)) return `has ${kindOf(value)} at ${here}, where schemas by name are expected`;
      for (const [name, each] of Object.entries(value))
        children.push({ schema: each, at: `${here}/${name.slice(0, 40)}`, isInPlace: isByName });
    }
    if (children.length > SCHEMAS_MAX) return `holds more than ${SCHEMAS_MAX} schemas`;
  }
  return children;
}

/** Whether the graph has a cycle. Without recursion: a hostile chain may be as long as the graph is large. */
function hasCycle(graph: ReadonlyMap<object, readonly object[]>): boolean {
  const state = new Map<object, 'open' | 'done'>();
  for (const start of graph.keys()) {
    const path: { readonly node: object; next: number }[] = [];
    const enter = (node: object): void => {
      state.set(node, 'open');
      path.push({ node, next: 0 });
    };
    if (!state.has(start)) enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const target = graph.get(top.node)?.[top.next];
      top.next += 1;
      if (target === undefined) {
        state.set(top.node, 'done');
        path.pop();
      } else if (state.get(target) === 'open') return true;
      else if (!state.has(target)) enter(target);
    }
  }
  return false;
}

function decoded(step: string): string | undefined {
  try {
    return decodeURIComponent(step);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}

function shown(value: unknown): string {
  const text = String(JSON.stringify(value));
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
