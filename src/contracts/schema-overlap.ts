/**
 * Whether a value can fit two of the schemas in a `oneOf`, which then refuses it. It errs on the side of "it can": told apart
 * are only types, fixed values, and objects with a field that tells which is which.
 */
import type { JsonSchema } from './contract-snapshot.js';
import { followed, isOneOf, type NormalSchema, normalSchema, type TypeName } from './schema-normal.js';

/** Longer lists are not looked through, pair by pair. */
const LIST_MAX = 100;
const DEPTH_MAX = 3;

export function mayOverlap(list: readonly JsonSchema[], root: JsonSchema): boolean {
  if (list.length > LIST_MAX) return true;
  return list.some((one, index) => list.slice(index + 1).some((other) => !areApart(one, other, root, 0)));
}

function areApart(one: JsonSchema, other: JsonSchema, root: JsonSchema, depth: number): boolean {
  const [left, right] = [normalSchema(followed(one, root), root), normalSchema(followed(other, root), root)];
  if (left === false || right === false) return true;
  if (left.types !== undefined && right.types !== undefined && !haveCommon(left.types, right.types)) return true;
  const { values } = right;
  if (left.values !== undefined && values !== undefined) return !left.values.some((value) => isOneOf(value, values));
  return depth < DEPTH_MAX && isOnlyObject(left) && isOnlyObject(right) && haveApartField(left, right, root, depth);
}

function haveApartField(left: NormalSchema, right: NormalSchema, root: JsonSchema, depth: number): boolean {
  return [...left.required].some((name) => {
    const [one, other] = [left.fields.get(name), right.fields.get(name)];
    if (one === undefined || other === undefined || !right.required.has(name)) return false;
    return areApart(one, other, root, depth + 1);
  });
}

function isOnlyObject({ types }: NormalSchema): boolean {
  return types?.size === 1 && types.has('object');
}

function haveCommon(left: ReadonlySet<TypeName>, right: ReadonlySet<TypeName>): boolean {
  const numbers = (types: ReadonlySet<TypeName>): boolean => types.has('number') || types.has('integer');
  return [...left].some((type) => right.has(type)) || (numbers(left) && numbers(right));
}
