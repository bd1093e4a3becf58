/**
 * Turns whatever a handler threw into plain data that can be stored and sent, and back into an error for the waiter.
 * A handler may throw anything: nothing here ever throws, no object is kept alive, and the size is bounded (I10).
 */
import { types } from 'node:util';
import { isPoisonedKey } from '../runtime/name-rule.js';
import type { ErrorDescription } from './envelope.js';

/** UTF-8 bytes of JSON that a whole description takes at most. */
const DESCRIPTION_BYTES_MAX = 16_384;
/** The same for its message, and for its stack. */
const TEXT_BYTES_MAX = 8_192;
const NAME_BYTES_MAX = 512;
const FIELDS_MAX = 64;
const DATA_DEPTH_MAX = 8;
/** Room for the keys, quotes and braces of the description itself. */
const FRAME_BYTES = 64;
/** An error without a name of its own, and things that are not errors at all. */
const NOT_AN_ERROR = 'NonError';

/**
 * Describes a thrown value: its name, message, stack and own enumerable plain-data fields (the ones that JSON can hold;
 * a field that cannot be read, is circular, is an instance of a class, or does not fit is left out). Message and stack
 * are cut at 8 KiB each, all together stays within 16 KiB. Never throws.
 */
export function describeError(thrown: unknown): ErrorDescription {
  if ((typeof thrown !== 'object' && typeof thrown !== 'function') || thrown === null) {
    return { name: NOT_AN_ERROR, message: cut(attempt(() => String(thrown)) ?? 'unknown', TEXT_BYTES_MAX) };
  }
  const isError = types.isNativeError(thrown) || attempt(() => thrown instanceof Error) === true;
  const name = cut(text(thrown, 'name') || (isError ? 'Error' : NOT_AN_ERROR), NAME_BYTES_MAX);
  const message = cut(text(thrown, 'message') ?? (isError ? '' : summary(thrown)), TEXT_BYTES_MAX);
  let room = DESCRIPTION_BYTES_MAX - FRAME_BYTES - jsonBytes(name) - jsonBytes(message);

  const data = typeof thrown === 'function' ? undefined : ownData(thrown, room);
  if (data !== undefined) room -= jsonBytes(data);
  const stack = isError ? text(thrown, 'stack') : undefined;
  const keptStack = stack === undefined ? undefined : cut(stack, Math.min(TEXT_BYTES_MAX, room));
  return {
    name,
    message,
    ...(keptStack ? { stack: keptStack } : {}),
    ...(data === undefined ? {} : { data }),
  };
}

/**
 * An `Error` with the described name, message, stack and data fields. The fields become own properties and nothing
 * else: whatever their names are, no prototype changes.
 */
export function reviveError(description: ErrorDescription): Error {
  const error = new Error(String(description.message));
  define(error, 'name', String(description.name), false);
  define(error, 'stack', description.stack ?? `${description.name}: ${description.message}`, false);
  for (const key of Object.keys(description.data ?? {})) {
    if (isPoisonedKey(key) || key === 'name' || key === 'message' || key === 'stack' || key === 'cause') continue;
    const copy = plainCopy(description.data?.[key], 1, { bytes: Number.POSITIVE_INFINITY });
    if (copy !== undefined) define(error, key, copy.value, true);
  }
  return error;
}

function define(target: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, configurable: true, writable: true });
}

function ownData(thrown: object, bytes: number): Record<string, unknown> | undefined {
  const keys = attempt(() => Object.keys(thrown)) ?? [];
  const data: Record<string, unknown> = {};
  // The braces of `data` itself.
  const room = { bytes: bytes - 2 };
  let found = false;
  for (const key of keys.slice(0, FIELDS_MAX)) {
    if (isPoisonedKey(key) || key === 'name' || key === 'message' || key === 'stack' || key === 'cause') continue;
    const left = room.bytes;
    const copy = attempt(() => {
      room.bytes -= jsonBytes(key) + 2;
      return plainCopy((thrown as Record<string, unknown>)[key], 1, room);
    });
    if (copy === undefined) {
      room.bytes = left;
      continue;
    }
    data[key] = copy.value;
    found = true;
  }
  return found ? data : undefined;
}

/**
 * A copy of plain data, or undefined when it is not plain data, too deep, or larger than the room. Circular data ends
 * at the depth limit or when the room is used up, whichever comes first. May throw what getters and proxies throw.
 */
function plainCopy(value: unknown, depth: number, room: { bytes: number }): { readonly value: unknown } | undefined {
  room.bytes -= 1;
  if (depth > DATA_DEPTH_MAX || room.bytes < 0) return undefined;
  switch (typeof value) {
    case 'string':
      // The first look keeps a huge string from being encoded only to learn that it does not fit.
      if (value.length > room.bytes) return undefined;
      room.bytes -= room.bytes === Number.POSITIVE_INFINITY ? 0 : jsonBytes(value);
      return room.bytes < 0 ? undefined : { value };
    case 'boolean':
      room.bytes -= 5;
      return { value };
    case 'number':
      room.bytes -= 24;
      return Number.isFinite(value) ? { value } : undefined;
    case 'object':
      break;
    default:
      return undefined;
  }
  if (value === null) {
    room.bytes -= 4;
    return { value };
  }
  room.bytes -= 2;
  if (types.isDate(value)) return plainCopy(value.toJSON(), depth, room);
  if (Array.isArray(value)) {
    if (value.length > room.bytes) return undefined;
    const items: unknown[] = [];
    for (const item of value) {
      const copy = plainCopy(item, depth + 1, room);
      if (copy === undefined) return undefined;
      items.push(copy.value);
    }
    return { value: items };
  }
  return plainObjectCopy(value, depth, room);
}

function plainObjectCopy(
  value: object,
  depth: number,
  room: { bytes: number },
): { readonly value: Record<string, unknown> } | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    if (isPoisonedKey(key)) continue;
    const field: unknown = (value as Record<string, unknown>)[key];
    if (field === undefined) continue;
    room.bytes -= key.length > room.bytes ? room.bytes + 1 : jsonBytes(key) + 1;
    const fieldCopy = plainCopy(field, depth + 1, room);
    if (fieldCopy === undefined) return undefined;
    copy[key] = fieldCopy.value;
  }
  return { value: copy };
}

/** A string property, however it is defined; undefined when it is not a string or cannot be read. */
function text(holder: object, key: string): string | undefined {
  const value = attempt(() => (holder as Record<string, unknown>)[key]);
  return typeof value === 'string' ? value : undefined;
}

/** What to say of a thrown object that has no message. */
function summary(thrown: object): string {
  if (typeof thrown === 'function') return 'a function was thrown';
  const tag = attempt(() => Object.prototype.toString.call(thrown)) ?? '[object]';
  return `${tag} was thrown`;
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** The longest start of `value` whose JSON text takes at most `bytesMax` bytes. */
function cut(value: string, bytesMax: number): string {
  // Six bytes are the longest a UTF-16 unit can get (`\u0000`), one is the shortest.
  if (value.length * 6 + 2 <= bytesMax) return value;
  let low = 0;
  let high = Math.max(0, Math.min(value.length, bytesMax - 2));
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (jsonBytes(value.slice(0, middle)) <= bytesMax) low = middle;
    else high = middle - 1;
  }
  return value.slice(0, low);
}
