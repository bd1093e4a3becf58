/**
 * Copies of what callers hand in, so that nothing the caller changes later reaches the state; and the growing history of
 * a message.
 */
import type { Envelope, ErrorDescription } from '../message/envelope.js';
import { type AttemptRecord, HISTORY_LENGTH_MAX, type StoredMessage } from './transition.js';

/** Only the fields of an envelope, absent ones left out. */
export function copyEnvelope(envelope: Envelope): Envelope {
  const { id, kind, entityType, entityId, name, payload, headers, messageId, replyTo, recurrence } = envelope;
  return {
    id,
    kind,
    entityType,
    entityId,
    name,
    payload,
    ...(headers !== undefined && { headers: { ...headers } }),
    ...(messageId !== undefined && { messageId }),
    ...(replyTo !== undefined && { replyTo }),
    ...(recurrence !== undefined && { recurrence }),
  };
}

export function copyError(error: ErrorDescription): ErrorDescription {
  const { name, message, stack, data } = error;
  return {
    name,
    message,
    ...(stack !== undefined && { stack }),
    ...(data !== undefined && { data: structuredClone(data) }),
  };
}

/** The message with one more record of how an attempt ended. */
export function withRecord(
  message: StoredMessage,
  at: number,
  outcome: AttemptRecord['outcome'],
  error: ErrorDescription | undefined,
): StoredMessage {
  const record: AttemptRecord = { attempt: message.attempt, at, outcome, ...(error !== undefined && { error }) };
  return { ...message, history: [...message.history, record].slice(-HISTORY_LENGTH_MAX) };
}
