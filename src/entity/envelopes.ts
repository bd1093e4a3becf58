/** From a submission to what stands in the store: the envelope and the times of its append. */
import type { Envelope } from '../message/envelope.js';
import type { OutgoingAppend, Transition } from '../wal/transition.js';
import type { ReminderTimes } from './engine.js';
import { wholeMs } from './enqueue-options.js';
import type { EnqueueOptions, Submission } from './submission.js';

/** Headers as they are now: what the caller or a handler does to their object later changes nothing. */
export function withOwnHeaders(submission: Submission): Submission {
  const { options } = submission;
  if (typeof options.headers !== 'object' || options.headers === null) return submission;
  return { ...submission, options: { ...options, headers: Object.freeze({ ...options.headers }) } };
}

export function envelopeOf(
  id: string,
  { kind, entityType, entityId, name, payload, options }: Submission,
  replyTo?: string,
): Envelope {
  const { headers, messageId } = options;
  if (replyTo === undefined) return { id, kind, entityType, entityId, name, payload, headers, messageId };
  return { id, kind, entityType, entityId, name, payload, headers, messageId, replyTo };
}

/** The append of a reminder. What is known under its id gives way. */
export function reminderOf(submission: Submission, { id, recurrence, firstAt }: ReminderTimes): OutgoingAppend {
  return { type: 'append', message: { ...envelopeOf(id, submission), recurrence }, runAt: firstAt, replace: true };
}

/**
 * What takes the place of a reminder that is forgotten together with a completion: never due, and gone when it is looked
 * at. A withdrawal cannot go with a completion.
 */
export function forgottenOf(entityType: string, entityId: string, id: string, recurrence: string): OutgoingAppend {
  const message = {
    id,
    kind: 'command',
    entityType,
    entityId,
    name: 'forgotten',
    payload: 'null',
    recurrence,
  } as const;
  return { type: 'append', message, delayMs: 1, replace: true };
}

export function timesOf({
  delayMs,
  runAt,
  expiresInMs,
}: EnqueueOptions): Pick<Extract<Transition, { type: 'append' }>, 'delayMs' | 'runAt' | 'expiresInMs'> {
  return { delayMs: wholeMs(delayMs), runAt: wholeMs(runAt), expiresInMs: wholeMs(expiresInMs) };
}
