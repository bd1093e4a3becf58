/**
 * What may be offered, checked so that taking it in later cannot fail: an offer is durable before anyone applies it, so
 * one that no owner could apply would stop every owner of the store, also after a restart. Used by the pure model and by
 * the stores, when an offer comes in and again when it is read back.
 */
import type { Envelope } from '../message/envelope.js';
import { checkAppend } from './shard-arrivals.js';
import { copyEnvelope } from './shard-records.js';
import { IllegalTransitionError, type Offer, type OfferedTransition } from './wal.js';

/** Characters of an id, a name or a session. The bus allows less; this only keeps a row within reason. */
const TEXT_LENGTH_MAX = 4_096;
/** Longest delay and latest time, milliseconds: a sum with the time of today is still a whole number. */
const TIME_MAX = 8_640_000_000_000_000;

/** A copy of an offer that can be taken in. Throws `IllegalTransitionError`. An offered append never dispatches. */
export function copyOffer(offer: Offer): Offer {
  const { session, number, transition } = offer;
  if (!isText(session)) throw refused('offer', 'session', session);
  if (!Number.isSafeInteger(number)) throw refused('offer', 'number', number);
  return { session, number, transition: copyOffered(transition) };
}

/** A copy of a transition that can be taken in. Throws `IllegalTransitionError`. */
export function copyOffered(transition: OfferedTransition): OfferedTransition {
  const { type } = (transition ?? {}) as OfferedTransition;
  switch (type) {
    case 'append':
      return copyAppend(transition as Extract<OfferedTransition, { type: 'append' }>);
    case 'cancel': {
      const { id, keepVerdict } = transition as Extract<OfferedTransition, { type: 'cancel' }>;
      if (keepVerdict !== undefined && typeof keepVerdict !== 'boolean')
        throw refused(type, 'keepVerdict', keepVerdict);
      return { type, id: text(type, 'id', id), ...(keepVerdict !== undefined && { keepVerdict }) };
    }
    case 'purge':
    case 'unblock':
    case 'skip': {
      const { id } = transition as Extract<OfferedTransition, { type: 'purge' | 'unblock' | 'skip' }>;
      return { type, id: text(type, 'id', id) };
    }
    case 'replay': {
      const { id, newId } = transition as Extract<OfferedTransition, { type: 'replay' }>;
      return { type, id: text(type, 'id', id), newId: text(type, 'newId', newId) };
    }
    case 'pause':
    case 'resume': {
      const { entityType, entityId } = transition as Extract<OfferedTransition, { type: 'pause' | 'resume' }>;
      text(type, 'entityType', entityType);
      return entityId === undefined
        ? { type, entityType }
        : { type, entityType, entityId: text(type, 'entityId', entityId) };
    }
    default:
      throw new IllegalTransitionError(`'${String(type)}' is the owner's and cannot be offered.`);
  }
}

function copyAppend(transition: Extract<OfferedTransition, { type: 'append' }>): OfferedTransition {
  const { dispatch: _ignored, completes: _neither, ...rest } = transition;
  checkEnvelope(rest.message);
  if (rest.replace !== undefined && typeof rest.replace !== 'boolean') throw refused('append', 'replace', rest.replace);
  for (const field of ['delayMs', 'runAt', 'expiresInMs'] as const) {
    const time = rest[field];
    if (time !== undefined && !(Number.isInteger(time) && Math.abs(time) <= TIME_MAX))
      throw refused('append', field, time);
  }
  checkAppend(rest);
  return { ...rest, message: copyEnvelope(rest.message) };
}

function checkEnvelope(message: Envelope): void {
  if (typeof message !== 'object' || message === null) throw refused('append', 'message', message);
  for (const field of ['id', 'entityType', 'entityId', 'name'] as const) text('append', field, message[field]);
  const { kind, payload, headers, messageId, replyTo, recurrence } = message;
  if (recurrence !== undefined && typeof recurrence !== 'string') throw refused('append', 'recurrence', recurrence);
  if (kind !== 'command' && kind !== 'query') throw refused('append', 'kind', kind);
  if (typeof payload !== 'string') throw refused('append', 'payload', payload);
  if (messageId !== undefined && messageId !== '') text('append', 'messageId', messageId);
  if (replyTo !== undefined) text('append', 'replyTo', replyTo);
  if (headers === undefined) return;
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers))
    throw refused('append', 'headers', headers);
  for (const [name, value] of Object.entries(headers))
    if (typeof value !== 'string') throw refused('append', `headers.${name}`, value);
}

function text(type: string, field: string, value: unknown): string {
  if (isText(value)) return value;
  throw refused(type, field, value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= TEXT_LENGTH_MAX;
}

function refused(type: string, field: string, value: unknown): IllegalTransitionError {
  const got = typeof value === 'string' ? `a string of ${value.length} characters` : typeof value;
  return new IllegalTransitionError(`Illegal ${type}: '${field}' cannot be ${value === null ? 'null' : got}.`);
}
