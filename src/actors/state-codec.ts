/**
 * The state of one actor as JSON text: `{"version":1,"state":{…}}`, fields by name. What comes back is what was there:
 * plain data, Map, Set, Date, BigInt, Uint8Array, Buffer, undefined and nested ones of these. The rest is refused with the
 * path to it; NaN and the infinities too, which in a balance are a mistake. What is reachable in two ways is stored twice.
 */
import type { CodecLimits } from '../message/codec.js';
import { beginField, isStorablePlain, taggedCopy } from './state-encoding.js';
import { fieldPath, type StateOwner, unreadable, unstorable } from './state-fault.js';
import { mayHaveTags, revive, TAGS } from './state-tags.js';

export type StateFields = Record<string, unknown>;

export interface StoredState {
  readonly version: number;
  /** `DELETED` stands for a field that the constructor makes and that is not there any more. */
  readonly state: StateFields;
}

/** Stands in a field's place for `undefined`, which is common and would else cost a copy. */
export const UNDEFINED_FIELD: unknown = Object.freeze({ [TAGS.undefined]: true });
export const DELETED_FIELD: unknown = Object.freeze({ [TAGS.deleted]: true });

/** Sets a field as an own one, whatever it is called and whatever the prototype has under that name. */
export function setOwn(target: StateFields, key: string, value: unknown): void {
  if (key in target && !Object.hasOwn(target, key)) {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else target[key] = value;
}

/** One field, ready for `stateText`. @throws AtomicQueuesError `STATE_INVALID`. */
export function storableField(value: unknown, key: string, owner: StateOwner): unknown {
  if (value === undefined) return UNDEFINED_FIELD;
  return isPlain(value) ? value : taggedCopy(value, fieldPath('', key), owner);
}

/** A getter or a proxy may throw; the copy says where. */
function isPlain(value: unknown): boolean {
  try {
    beginField();
    return isStorablePlain(value);
  } catch {
    return false;
  }
}

/**
 * The text of a state whose fields have gone through `storableField`.
 * @throws AtomicQueuesError `STATE_INVALID` when it takes more than `payloadBytesMax` bytes.
 */
export function stateText(version: number, fields: StateFields, owner: StateOwner, limits: CodecLimits): string {
  const text = JSON.stringify({ version, state: fields });
  // A UTF-16 unit takes at most three bytes, so a short text needs no counting.
  if (text.length * 3 > limits.payloadBytesMax) {
    const bytes = Buffer.byteLength(text);
    if (bytes > limits.payloadBytesMax) {
      const sizes = Object.entries(fields).map(([key, value]) => ({ key, size: JSON.stringify(value).length }));
      const largest = sizes.reduce((most, each) => (each.size > most.size ? each : most));
      throw unstorable(
        owner,
        'it',
        `takes ${bytes} bytes as JSON text, most of them (${largest.size} characters) in ${fieldPath('', largest.key)}; at most ${limits.payloadBytesMax} are allowed (payloadBytesMax)`,
      );
    }
  }
  return text;
}

/** @throws AtomicQueuesError `STATE_INVALID` for a text that no version of this library wrote. */
export function readState(text: string, owner: StateOwner): StoredState {
  let stored: Partial<StoredState> | null;
  try {
    stored = JSON.parse(text) as Partial<StoredState> | null;
  } catch (cause) {
    throw unreadable(owner, 'it is not JSON text', cause);
  }
  const { version, state } = stored ?? {};
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) {
    throw unreadable(owner, 'it has no version, a whole number from 1 on');
  }
  if (typeof state !== 'object' || state === null || Array.isArray(state)) {
    throw unreadable(owner, 'it has no object with the fields');
  }
  if (!mayHaveTags(text)) return { version, state };
  try {
    for (const key of Object.keys(state)) state[key] = revive(state[key]);
  } catch (cause) {
    throw unreadable(owner, cause instanceof Error ? cause.message : 'a tag in it is wrong', cause);
  }
  return { version, state };
}
