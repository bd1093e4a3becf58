/**
 * The JSON codec: what a message's payload and a handler's reply may hold, and how text becomes data again. What JSON
 * would lose or change in silence is refused with the path to it; what could touch a prototype is refused both ways.
 *
 * Two differences stay, both JSON's own: a field whose value is `undefined` is left out (absent and undefined are the
 * same on the wire), and `-0` arrives as `0`. Fields with symbol keys do not travel.
 *
 * Encoding looks first, without allocating, whether the value is plain all through, which nearly all are; only one that
 * is not takes the exact walk of `codec-exact.ts`, which honours `toJSON` and names what is wrong.
 */
import { isPoisonedKey } from '../runtime/name-rule.js';
import { type CodecLimits, exactCopy, invalid, mayHoldFields, tooLarge } from './codec-exact.js';

export type { CodecLimits } from './codec-exact.js';
export { instantiate } from './instantiate.js';

/**
 * JSON text of a payload. `where` begins the error's message, e.g. `Payload of WithdrawCommand`.
 * @throws AtomicQueuesError `INVALID_PAYLOAD` naming the path and the reason; `PAYLOAD_TOO_LARGE` with both sizes.
 */
export function encodePayload(value: unknown, limits: CodecLimits, where: string): string {
  const plain = looksPlain(value, limits) ? value : exactCopy(value, limits, where);
  let text: string | undefined;
  try {
    text = JSON.stringify(plain);
  } catch (cause) {
    // Only a value that answers differently when it is looked at twice (a getter, a proxy) gets here.
    throw invalid(where, '', 'cannot be encoded as JSON', cause);
  }
  if (text === undefined) throw invalid(where, '', 'cannot be encoded as JSON');
  // A UTF-16 unit takes at most three bytes, so a short text needs no counting.
  if (text.length * 3 > limits.payloadBytesMax) {
    const bytes = Buffer.byteLength(text);
    if (bytes > limits.payloadBytesMax) throw tooLarge(where, `${bytes}`, limits);
  }
  return text;
}

/** Like `encodePayload`; a handler that returns nothing has no reply, and no text. */
export function encodeReply(value: unknown, limits: CodecLimits, where: string): string | undefined {
  return value === undefined ? undefined : encodePayload(value, limits, where);
}

/**
 * The data in a payload's text. `where` as in `encodePayload`.
 * @throws AtomicQueuesError `INVALID_PAYLOAD` for text that is not JSON, is nested too deeply, or has a field called
 *   `__proto__`, `constructor` or `prototype` anywhere, however it is written.
 */
export function decodePayload(text: string, limits: CodecLimits, where = 'Payload'): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(where, '', 'is not JSON text', cause);
  }
  if (mayNameDangers(text) || mayBeTooDeep(text, limits.payloadDepthMax)) checkParsed(value, 1, limits, where);
  return value;
}

/** Like `decodePayload`; no text is no reply. */
export function decodeReply(text: string | undefined, limits: CodecLimits, where = 'Reply'): unknown {
  return text === undefined ? undefined : decodePayload(text, limits, where);
}

/** Texts without these cannot name a dangerous key: `\u` may spell one out. Looked for one by one, which is fastest. */
function mayNameDangers(text: string): boolean {
  return (
    text.includes('__proto__') || text.includes('constructor') || text.includes('prototype') || text.includes('\\u')
  );
}

const BRACKETS = ['{', '['];

/** Most texts have too few brackets for that, and need no walk for it. */
function mayBeTooDeep(text: string, depthMax: number): boolean {
  if (text.length <= 2 * depthMax) return false;
  let left = depthMax;
  for (const bracket of BRACKETS) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      left -= 1;
      if (left < 0) return true;
    }
  }
  return false;
}

/** A lower bound of the JSON text's bytes, counted by `isPlain`: stops early on values that are far too large. */
let sizeBound = 0;

function looksPlain(value: unknown, limits: CodecLimits): boolean {
  sizeBound = 0;
  try {
    return isPlain(value, 1, limits);
  } catch {
    // A getter or a proxy threw; the exact walk says where.
    return false;
  }
}

/** Whether JSON keeps the value as it is. False also when it would take longer to tell: the exact walk decides then. */
function isPlain(value: unknown, depth: number, limits: CodecLimits): boolean {
  switch (typeof value) {
    case 'string':
      sizeBound += value.length + 2;
      return true;
    case 'number':
      sizeBound += 1;
      return Number.isFinite(value);
    case 'boolean':
      sizeBound += 4;
      return true;
    case 'object':
      break;
    default:
      return false;
  }
  sizeBound += 2;
  if (value === null) return true;
  if (depth > limits.payloadDepthMax || sizeBound > limits.payloadBytesMax) return false;
  return Array.isArray(value)
    ? isPlainArray(value, depth, limits)
    : isPlainObject(value as Record<string, unknown>, depth, limits);
}

function isPlainArray(value: readonly unknown[], depth: number, limits: CodecLimits): boolean {
  if ((value as { toJSON?: unknown }).toJSON !== undefined) return false;
  for (let index = 0; index < value.length; index += 1) {
    if (!isPlain(value[index], depth + 1, limits) || sizeBound > limits.payloadBytesMax) return false;
  }
  return true;
}

function isPlainObject(value: Record<string, unknown>, depth: number, limits: CodecLimits): boolean {
  if (value.toJSON !== undefined || !mayHoldFields(value)) return false;
  for (const key of Object.keys(value)) {
    if (isPoisonedKey(key)) return false;
    const field = value[key];
    if (field === undefined) continue;
    sizeBound += key.length + 3;
    if (!isPlain(field, depth + 1, limits) || sizeBound > limits.payloadBytesMax) return false;
  }
  return true;
}

function checkParsed(value: unknown, depth: number, limits: CodecLimits, where: string): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > limits.payloadDepthMax) {
    throw invalid(where, '', `is nested deeper than ${limits.payloadDepthMax} levels (payloadDepthMax)`);
  }
  if (Array.isArray(value)) {
    for (const item of value) checkParsed(item, depth + 1, limits, where);
    return;
  }
  for (const key of Object.keys(value)) {
    if (isPoisonedKey(key)) throw invalid(where, '', `has a field called ${key}, which is not allowed`);
    checkParsed((value as Record<string, unknown>)[key], depth + 1, limits, where);
  }
}
