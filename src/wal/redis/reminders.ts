/** Delayed messages that give way to another one, or send a copy of themselves and wait for their next time. */
import type { Outcome, StoredMessage, Transition } from '../transition.js';
import {
  addDelayed,
  appendToLine,
  end,
  findDuplicate,
  findPending,
  forgetVerdict,
  removeDelayed,
} from './line-moves.js';
import type { Work } from './work.js';

type Again = NonNullable<Extract<Transition, { readonly type: 'promote' }>['again']>;

/** A delayed message of this id gives way to a new one. */
export function makeRoom(work: Work, id: string): void {
  const place = findPending(work, id);
  const message = typeof place === 'number' ? work.delayed.get(place) : undefined;
  if (message === undefined || typeof place !== 'number') return;
  removeDelayed(work, place, message);
  end(work, message, { state: 'cancelled' }, message.replyTo !== undefined);
  // A verdict kept for the former one would make the new one its duplicate.
  const kept = work.pointers.get(id)?.verdict;
  if (kept !== undefined) forgetVerdict(work, kept);
}

/** A copy of a recurring message takes its place in line; the message itself, taken out before, waits for its next time. */
export function runAgain(work: Work, message: StoredMessage, { newId, notBefore, overlap }: Again): Outcome {
  const { numbers, now } = work;
  const { recurrence: _schedule, messageId: _key, replyTo: _waiter, lastRunId, ...copied } = message;
  if (lastRunId !== undefined && overlap !== true && findPending(work, lastRunId) !== undefined) {
    addDelayed(work, { ...message, notBefore });
    return { type: 'skipped-run' };
  }
  addDelayed(work, { ...message, notBefore, lastRunId: newId });
  const known = findDuplicate(work, { ...copied, id: newId });
  if (known !== undefined) return known;
  numbers.accepted += 1;
  const run: StoredMessage = {
    ...copied,
    id: newId,
    seq: numbers.nextSeq,
    enqueuedAt: now,
    notBefore: 0,
    expiresAt: 0,
  };
  appendToLine(work, run);
  return { type: 'queued', message: run };
}
