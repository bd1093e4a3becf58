/**
 * The exact walk of the codec: takes any value, calls `toJSON` as JSON does, and either returns a copy that JSON keeps
 * as it is or throws the error that says where and why not. Slower than the first look of `codec.ts`, and rarely needed.
 */
import { types } from 'node:util';
import { AtomicQueuesError } from '../runtime/error.js';
import { isPoisonedKey } from '../runtime/name-rule.js';

export interface CodecLimits {
  /** UTF-8 bytes of a payload's or reply's JSON text. */
  readonly payloadBytesMax: number;
  /** How deep objects and arrays may be nested; `{}` and `[1]` have depth 1. */
  readonly payloadDepthMax: number;
}

/** `INVALID_PAYLOAD` for the value at `path` (empty: the value itself). */
export function invalid(where: string, path: string, reason: string, cause?: unknown): AtomicQueuesError {
  return new AtomicQueuesError('INVALID_PAYLOAD', `${where}: ${path === '' ? 'the value' : path} ${reason}.`, {
    cause,
    details: { path },
  });
}

/** `PAYLOAD_TOO_LARGE`; `bytes` in words, because a value that is far too large is not encoded to count it. */
export function tooLarge(where: string, bytes: string, limits: CodecLimits): AtomicQueuesError {
  return new AtomicQueuesError(
    'PAYLOAD_TOO_LARGE',
    `${where}: the JSON text takes ${bytes} bytes; at most ${limits.payloadBytesMax} are allowed (payloadBytesMax).`,
    { details: { payloadBytesMax: limits.payloadBytesMax } },
  );
}

/** What is known of a prototype: whether objects with it keep their content in fields, or else why they are refused. */
const verdictByPrototype = new WeakMap<object, string>();
const FINE = '';

/** Whether an object's content is in its fields, so that JSON can keep it: not so for a Map, a Promise, a Buffer. */
export function mayHoldFields(value: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return (verdictByPrototype.get(prototype) ?? judge(value, prototype)) === FINE;
}

function judge(value: object, prototype: object): string {
  const verdict = refusal(value);
  // A proxy answers for itself only; everything else shares its verdict with all objects of its class.
  if (!types.isProxy(value)) verdictByPrototype.set(prototype, verdict);
  return verdict;
}

/**
 * Looks at the class as well as at what the object really is: everything with one prototype must get one answer, and
 * objects of another realm (a `vm` context, a test runner's) are known only by what they are.
 */
function refusal(value: object): string {
  if (types.isMap(value) || value instanceof Map) return `is a Map, ${LOSES_ENTRIES}`;
  if (types.isSet(value) || value instanceof Set) return `is a Set, ${LOSES_ENTRIES}`;
  if (isBinary(value)) return 'is binary data, which JSON cannot hold: send it as a base64 string';
  if (types.isPromise(value) || value instanceof Promise) return 'is a Promise: await it first';
  if (types.isRegExp(value) || value instanceof RegExp) return 'is a RegExp: send its source as a string';
  if (types.isNativeError(value) || value instanceof Error) {
    return 'is an Error, whose name and message JSON would lose: send the fields that matter';
  }
  if (isWeak(value)) return 'is a weak collection or reference, which cannot be sent';
  if (types.isBoxedPrimitive(value)) return 'is a boxed primitive: send the primitive itself';
  if (types.isGeneratorObject(value)) return 'is a generator: send an array of what it yields';
  return FINE;
}

const LOSES_ENTRIES = 'whose entries JSON would lose: send an array or a plain object';

function isBinary(value: object): boolean {
  return (
    types.isAnyArrayBuffer(value) ||
    ArrayBuffer.isView(value) ||
    value instanceof ArrayBuffer ||
    value instanceof DataView ||
    value instanceof Object.getPrototypeOf(Uint8Array)
  );
}

function isWeak(value: object): boolean {
  return (
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    value instanceof WeakMap ||
    value instanceof WeakSet ||
    value instanceof WeakRef
  );
}

interface Walk {
  readonly limits: CodecLimits;
  readonly where: string;
  /** Objects on the way from the top to here: meeting one again is a circle. */
  readonly ancestors: Set<object>;
  /** A lower bound of the text's bytes, so that shared references cannot make the walk endless. */
  bytes: number;
}

/** A copy of `value` that JSON keeps as it is. Throws `INVALID_PAYLOAD` or `PAYLOAD_TOO_LARGE`. */
export function exactCopy(value: unknown, limits: CodecLimits, where: string): unknown {
  return copyValue(value, '', '', { limits, where, ancestors: new Set(), bytes: 0 });
}

function copyValue(value: unknown, key: string, path: string, walk: Walk): unknown {
  if (typeof value !== 'object' || value === null) return copyScalar(value, path, walk);
  if (walk.ancestors.has(value)) throw invalid(walk.where, path, 'is circular: it contains itself');
  const prototype = read(walk, path, () => Object.getPrototypeOf(value) as object | null);
  if (prototype !== null && prototype !== Object.prototype && !Array.isArray(value)) {
    const reason = read(walk, path, () => verdictByPrototype.get(prototype) ?? judge(value, prototype));
    if (reason !== FINE) throw invalid(walk.where, path, reason);
  }
  if (types.isDate(value) && Number.isNaN(value.getTime())) throw invalid(walk.where, path, 'is an invalid Date');

  const toJson = read(walk, path, () => (value as { toJSON?: unknown }).toJSON);
  if (typeof toJson !== 'function') return copyContainer(value, path, walk);
  const replaced: unknown = read(walk, path, () => toJson.call(value, key) as unknown);
  if (typeof replaced !== 'object' || replaced === null) return copyScalar(replaced, path, walk);
  // JSON asks once only: what `toJSON` returned is taken as it is, and may be the object itself.
  const resultPrototype = read(walk, path, () => Object.getPrototypeOf(replaced) as object | null);
  if (resultPrototype !== null && resultPrototype !== Object.prototype && !Array.isArray(replaced)) {
    const reason = read(walk, path, () => refusal(replaced));
    if (reason !== FINE) throw invalid(walk.where, path, reason);
  }
  return copyContainer(replaced, path, walk);
}

function copyScalar(value: unknown, path: string, walk: Walk): unknown {
  walk.bytes += 1;
  switch (typeof value) {
    case 'string':
      walk.bytes += value.length + 1;
      checkSize(walk);
      return value;
    case 'number':
      if (Number.isFinite(value)) return value;
      throw invalid(walk.where, path, `is ${value}, which JSON cannot hold: send null or leave it out`);
    case 'bigint':
      throw invalid(walk.where, path, 'is a BigInt, which JSON cannot hold: send it as a string');
    case 'undefined':
      throw invalid(walk.where, path, 'is undefined, which JSON cannot hold here: use null');
    case 'function':
    case 'symbol':
      throw invalid(walk.where, path, `is a ${typeof value}, which cannot be sent`);
    default:
      return value;
  }
}

function copyContainer(value: object, path: string, walk: Walk): unknown {
  walk.bytes += 2;
  checkSize(walk);
  if (walk.ancestors.has(value)) throw invalid(walk.where, path, 'is circular: it contains itself');
  if (walk.ancestors.size >= walk.limits.payloadDepthMax) {
    throw invalid(walk.where, path, `is nested deeper than ${walk.limits.payloadDepthMax} levels (payloadDepthMax)`);
  }
  walk.ancestors.add(value);
  const copy = Array.isArray(value) ? copyArray(value, path, walk) : copyObject(value, path, walk);
  walk.ancestors.delete(value);
  return copy;
}

function copyArray(value: readonly unknown[], path: string, walk: Walk): unknown[] {
  const copy: unknown[] = [];
  const length = read(walk, path, () => value.length);
  for (let index = 0; index < length; index += 1) {
    const itemPath = `${path}[${index}]`;
    if (!read(walk, itemPath, () => index in value)) {
      throw invalid(walk.where, itemPath, 'is a hole in a sparse array: use null');
    }
    const item: unknown = read(walk, itemPath, () => value[index]);
    copy.push(copyValue(item, String(index), itemPath, walk));
  }
  return copy;
}

function copyObject(value: object, path: string, walk: Walk): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of read(walk, path, () => Object.keys(value))) {
    const fieldPath = pathTo(path, key);
    if (isPoisonedKey(key)) throw invalid(walk.where, fieldPath, 'is a field with a name that is not allowed');
    const field: unknown = read(walk, fieldPath, () => (value as Record<string, unknown>)[key]);
    if (field === undefined) continue;
    walk.bytes += key.length + 3;
    copy[key] = copyValue(field, key, fieldPath, walk);
  }
  return copy;
}

function pathTo(path: string, key: string): string {
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

function checkSize(walk: Walk): void {
  if (walk.bytes > walk.limits.payloadBytesMax) throw tooLarge(walk.where, `at least ${walk.bytes}`, walk.limits);
}

/** Looks at a foreign object: a getter, a `toJSON` or a proxy may throw anything. */
function read<T>(walk: Walk, path: string, look: () => T): T {
  try {
    return look();
  } catch (cause) {
    throw invalid(walk.where, path, 'threw when it was read', cause);
  }
}
