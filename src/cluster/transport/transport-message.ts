/**
 * Reads what arrived over a wire. Anyone may have sent it: what is not a message gives undefined and is dropped. A node of
 * another version may send fields that this one does not know: they are left out.
 */
import type { MessageHeaders } from '../../message/envelope.js';
import { errorCodes } from '../../runtime/error.js';
import type { FinalState, Verdict } from '../../wal/transition.js';
import type { OperationResult, ShardOperation, TransportMessage } from './transport.js';

type Fields = Readonly<Record<string, unknown>>;
type Reader<M> = (value: Fields) => M | undefined;

/** One for each type of message: the compiler misses one that is not here. */
const READERS: { readonly [T in TransportMessage['type']]: Reader<Extract<TransportMessage, { readonly type: T }>> } = {
  wake: ({ shard, offers }) => {
    if (!isShard(shard)) return undefined;
    return Array.isArray(offers) && offers.every(isText) ? { type: 'wake', shard, offers } : { type: 'wake', shard };
  },
  released: ({ shard }) => (isShard(shard) ? { type: 'released', shard } : undefined),
  changed: () => ({ type: 'changed' }),
  verdict: ({ id, verdict }) => {
    const read = verdictOf(verdict);
    return isText(id) && read !== undefined ? { type: 'verdict', id, verdict: read } : undefined;
  },
  ask: ({ id, replyTo, shard, entityType, entityId, name, payload, headers }) => {
    if (!isText(id) || !isText(replyTo) || !isShard(shard) || !isText(entityType) || !isText(entityId))
      return undefined;
    if (!isText(name) || !isText(payload) || (headers !== undefined && !isHeaders(headers))) return undefined;
    const ask = { type: 'ask', id, replyTo, shard, entityType, entityId, name, payload } as const;
    return headers === undefined ? ask : { ...ask, headers };
  },
  operate: ({ id, replyTo, shard, operation }) => {
    const read = operationOf(operation);
    if (!isText(id) || !isText(replyTo) || !isShard(shard) || read === undefined) return undefined;
    return { type: 'operate', id, replyTo, shard, operation: read };
  },
  operated: ({ id, result }) => (isText(id) && isResult(result) ? { type: 'operated', id, result } : undefined),
  refused: ({ id, code, retryable, text }) => {
    const known = errorCodes.find((each) => each === code);
    if (!isText(id) || known === undefined || typeof retryable !== 'boolean' || !isText(text)) return undefined;
    return { type: 'refused', id, code: known, retryable, text };
  },
  'not-here': ({ id }) => (isText(id) ? { type: 'not-here', id } : undefined),
};

/** The message, without fields that it does not have. */
export function transportMessageOf(value: unknown): TransportMessage | undefined {
  if (!isObject(value)) return undefined;
  const { type } = value;
  return isMessageType(type) ? READERS[type](value) : undefined;
}

function isMessageType(type: unknown): type is TransportMessage['type'] {
  return isText(type) && Object.hasOwn(READERS, type);
}

const FINAL_STATES: readonly FinalState[] = ['completed', 'failed', 'interrupted', 'expired', 'cancelled'];

function verdictOf(value: unknown): Verdict | undefined {
  if (!isObject(value)) return undefined;
  const state = FINAL_STATES.find((each) => each === value['state']);
  const { reply, error } = value;
  if (state === undefined || !isTextOrNothing(reply)) return undefined;
  if (error === undefined) return reply === undefined ? { state } : { state, reply };
  if (!isObject(error)) return undefined;
  const { name, message, stack, data } = error;
  if (!isText(name) || !isText(message) || !isTextOrNothing(stack)) return undefined;
  if (data !== undefined && !isObject(data)) return undefined;
  return {
    state,
    ...(reply === undefined ? {} : { reply }),
    error: { name, message, ...(stack === undefined ? {} : { stack }), ...(data === undefined ? {} : { data }) },
  };
}

function operationOf(value: unknown): ShardOperation | undefined {
  if (!isObject(value)) return undefined;
  const { type, messageId, entityType, entityId } = value;
  switch (type) {
    case 'cancel':
    case 'release':
    case 'replay':
    case 'purge-letter':
    case 'unblock':
    case 'skip':
      return isText(messageId) ? { type, messageId } : undefined;
    case 'purge':
    case 'pause':
    case 'resume':
      // What is meant for one entity must not become one for the whole type.
      if (!isText(entityType) || !isTextOrNothing(entityId)) return undefined;
      return entityId === undefined ? { type, entityType } : { type, entityType, entityId };
    default:
      return undefined;
  }
}

function isResult(value: unknown): value is OperationResult {
  return value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string';
}

function isHeaders(value: unknown): value is MessageHeaders {
  return isObject(value) && Object.values(value).every(isText);
}

function isShard(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTextOrNothing(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
