/** What happens to delayed messages: they take their place in line, once or again and again, or give way to another. */
import type { Outcome, StoredMessage, Transition } from '../transition.js';
import { splitId } from './ids.js';
import { addToLine, end, expired, flagsOf, rememberMessageId } from './line-moves.js';
import { find, findDuplicate } from './lookup.js';
import { rowOfMessage } from './rows.js';
import type { Work } from './work.js';

type Promote = Extract<Transition, { readonly type: 'promote' }>;

const NOT_FOUND: Outcome = { type: 'not-found' };

export function promote(work: Work, { id, again }: Promote): Outcome {
  const { numbers, records, now } = work;
  const place = find(work, id).delayed;
  const message = place === null ? undefined : records.delayed(place);
  if (message === undefined || place === null) return NOT_FOUND;
  if (message.notBefore > now) return { type: 'not-due', dueAt: message.notBefore };
  records.removeDelayed(id, place);
  if (again !== undefined) return runAgain(work, message, again);
  if (message.expiresAt !== 0 && message.expiresAt <= now) return expired(work, message);
  const queued: StoredMessage = { ...message, seq: numbers.next_seq++, notBefore: 0 };
  addToLine(work, rowOfMessage(queued, flagsOf(splitId(id), queued.seq, queued.messageId)));
  return { type: 'queued', message: queued };
}

/** A copy of a recurring message takes its place in line; the message itself, taken out before, waits for its next time. */
function runAgain(work: Work, message: StoredMessage, again: NonNullable<Promote['again']>): Outcome {
  const { numbers, now } = work;
  const { newId, notBefore, overlap } = again;
  const { recurrence: _schedule, messageId: _key, replyTo: _waiter, lastRunId, ...copied } = message;
  if (lastRunId !== undefined && overlap !== true && isPending(work, lastRunId)) {
    waitAgain(work, { ...message, notBefore });
    return { type: 'skipped-run' };
  }
  waitAgain(work, { ...message, notBefore, lastRunId: newId });
  const split = splitId(newId);
  const known = findDuplicate(work, { ...copied, id: newId }, split);
  if (known !== undefined) return known;
  numbers.accepted += 1;
  const run: StoredMessage = {
    ...copied,
    id: newId,
    seq: numbers.next_seq++,
    enqueuedAt: now,
    notBefore: 0,
    expiresAt: 0,
  };
  addToLine(work, rowOfMessage(run, flagsOf(split, run.seq, undefined)));
  return { type: 'queued', message: run };
}

function waitAgain(work: Work, message: StoredMessage): void {
  work.records.addDelayed(work.numbers, message);
  rememberMessageId(work, message);
}

function isPending(work: Work, id: string): boolean {
  const { seq, delayed } = find(work, id);
  return seq !== null || delayed !== null;
}

/** A delayed message of this id gives way to a new one. No verdict is kept: it would make the new one its duplicate. */
export function makeRoom(work: Work, id: string): void {
  const { records } = work;
  const place = find(work, id).delayed;
  const message = place === null ? undefined : records.delayed(place);
  if (message === undefined || place === null) return;
  records.removeDelayed(id, place);
  records.forgetMessageId(message);
  work.numbers.cancelled += 1;
}

/** Withdraws a delayed message. */
export function cancelDelayed(work: Work, id: string, place: number, keepVerdict?: boolean): Outcome {
  const message = work.records.delayed(place);
  if (message === undefined) return NOT_FOUND;
  work.records.removeDelayed(id, place);
  end(work, message, { state: 'cancelled' }, keepVerdict);
  return { type: 'cancelled', message };
}
