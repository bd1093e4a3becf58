/** How messages come into a shard: appended, due after a delay, recurring, or replayed from the dead letters. */
import { entityKey } from '../message/entity-key.js';
import type { Envelope } from '../message/envelope.js';
import {
  addDelayed,
  appendToLine,
  forgetVerdict,
  removeDelayed,
  removeFromLine,
  removeLetter,
  replaceInLine,
  type ShardChange,
} from './shard-change.js';
import { messageKey } from './shard-data.js';
import {
  end,
  expired,
  firstWaiting,
  hasExpired,
  illegal,
  isDelay,
  isPaused,
  letterOf,
  NOT_FOUND,
  type Of,
} from './shard-messages.js';
import { copyEnvelope } from './shard-records.js';
import type { Outcome, StoredMessage } from './transition.js';

/** The checks that need no state. An offer passes them before it is taken into the inbox. */
export function checkAppend(transition: Of<'append'>): void {
  const named: string[] = [];
  if (transition.dispatch === true) named.push('dispatch');
  if (isDelay(transition.delayMs)) named.push('delayMs');
  if (transition.runAt !== undefined) named.push('runAt');
  if (named.length > 1) {
    throw illegal(transition, `for message ${transition.message.id}: ${named.join(' and ')} exclude each other`);
  }
  if (transition.completes !== undefined && transition.dispatch !== true) {
    throw illegal(transition, `for message ${transition.message.id}: it completes without dispatch`);
  }
}

export function append(change: ShardChange, transition: Of<'append'>): Outcome {
  checkAppend(transition);
  const { state, now } = change;
  const envelope = copyEnvelope(transition.message);
  if (transition.replace) makeRoom(change, envelope.id);
  const known = findDuplicate(change, envelope);
  if (known !== undefined) return known;
  const { delayMs, runAt, expiresInMs } = transition;
  const dueAt = isDelay(delayMs) ? now + delayMs : (runAt ?? 0);
  const expiresAt = expiresInMs === undefined ? 0 : Math.max(1, now + expiresInMs);
  const fresh = { state: 'enqueued', attempt: 0, interruptions: 0, enqueuedAt: now, expiresAt, history: [] } as const;
  state.numbers.accepted += 1;
  // What recurs never takes a place itself, also when it comes after its first time: its copies do.
  if (dueAt > now || envelope.recurrence !== undefined) {
    const notBefore = dueAt > 0 ? dueAt : now;
    addDelayed(change, { ...envelope, ...fresh, seq: 0, notBefore });
    return { type: 'delayed', notBefore };
  }
  const seq = state.numbers.nextSeq;
  const message: StoredMessage = { ...envelope, ...fresh, seq, notBefore: 0 };
  const free =
    transition.dispatch === true && firstWaiting(change, entityKey(message.entityType, message.entityId)) === undefined;
  appendToLine(change, message);
  if (transition.dispatch === true && hasExpired(message, now)) {
    removeFromLine(change, message);
    return expired(change, message);
  }
  const dispatched = free && !isPaused(change, message);
  if (dispatched) replaceInLine(change, message, { ...message, state: 'dispatched', attempt: 1 });
  return { type: 'appended', seq, dispatched, ...(expiresAt !== 0 && { expiresAt }) };
}

/** A delayed message of this id gives way to a new one. */
function makeRoom(change: ShardChange, id: string): void {
  const delayed = change.state.delayed.get(id);
  if (delayed === undefined) return;
  removeDelayed(change, id);
  end(change, delayed.message, { state: 'cancelled' }, delayed.message.replyTo !== undefined);
  // A verdict kept for the former one would make the new one its duplicate.
  const kept = change.state.verdicts.get(id);
  if (kept !== undefined) forgetVerdict(change, kept);
}

/** The outcome for a message that the shard knows already, by its `messageId` first, then by its id. */
function findDuplicate(change: ShardChange, envelope: Envelope): Outcome | undefined {
  const { state } = change;
  const { id, messageId } = envelope;
  if (messageId !== undefined) {
    const first = state.messageIds.get(messageKey(envelope.entityType, envelope.entityId, messageId));
    const known = first === undefined ? undefined : findKnown(change, first);
    if (known !== undefined) return known;
  }
  const byId = findKnown(change, id);
  if (byId !== undefined) return byId;
  const letter = letterOf(change, id);
  if (letter === undefined) return undefined;
  return {
    type: 'duplicate',
    id,
    verdict: { state: letter.reason, ...(letter.error !== undefined && { error: letter.error }) },
  };
}

function findKnown(change: ShardChange, id: string): Outcome | undefined {
  const { state, now } = change;
  if (state.places.has(id)) return { type: 'duplicate', id };
  const kept = state.verdicts.get(id);
  if (kept === undefined) return undefined;
  if (kept.time.at > now) return { type: 'duplicate', id, verdict: kept.verdict };
  forgetVerdict(change, kept);
  return undefined;
}

export function promote(change: ShardChange, { id, again }: Of<'promote'>): Outcome {
  const { state, now } = change;
  const delayed = state.delayed.get(id);
  if (delayed === undefined) return NOT_FOUND;
  const { message } = delayed;
  if (message.notBefore > now) return { type: 'not-due', dueAt: message.notBefore };
  removeDelayed(change, id);
  if (again !== undefined) return runAgain(change, message, again);
  if (hasExpired(message, now)) return expired(change, message);
  const queued: StoredMessage = { ...message, seq: state.numbers.nextSeq, notBefore: 0 };
  appendToLine(change, queued);
  return { type: 'queued', message: queued };
}

/** A copy of a recurring message takes its place in line; the message itself, taken out before, waits for its next time. */
function runAgain(change: ShardChange, message: StoredMessage, again: NonNullable<Of<'promote'>['again']>): Outcome {
  const { state, now } = change;
  const { newId, notBefore } = again;
  const { recurrence: _schedule, messageId: _key, replyTo: _waiter, lastRunId, ...copied } = message;
  if (lastRunId !== undefined && again.overlap !== true && state.places.has(lastRunId)) {
    addDelayed(change, { ...message, notBefore });
    return { type: 'skipped-run' };
  }
  addDelayed(change, { ...message, notBefore, lastRunId: newId });
  const known = findDuplicate(change, { ...copied, id: newId });
  if (known !== undefined) return known;
  state.numbers.accepted += 1;
  const run: StoredMessage = {
    ...copied,
    id: newId,
    seq: state.numbers.nextSeq,
    enqueuedAt: now,
    notBefore: 0,
    expiresAt: 0,
  };
  appendToLine(change, run);
  return { type: 'queued', message: run };
}

export function replay(change: ShardChange, transition: Of<'replay'>): Outcome {
  const { state } = change;
  const letter = letterOf(change, transition.id);
  if (letter === undefined) return NOT_FOUND;
  const known = findDuplicate(change, { ...letter.message, id: transition.newId, messageId: undefined });
  if (known !== undefined) return known;
  removeLetter(change, letter.number, letter.message);
  state.numbers.accepted += 1;
  // Whoever waited for the first one has its verdict.
  const { replyTo: _answered, ...kept } = letter.message;
  const message: StoredMessage = {
    ...kept,
    id: transition.newId,
    seq: state.numbers.nextSeq,
    state: 'enqueued',
    attempt: 0,
    interruptions: 0,
    enqueuedAt: change.now,
    notBefore: 0,
    expiresAt: 0,
    history: [],
    replayOf: letter.id,
  };
  appendToLine(change, message);
  return { type: 'queued', message };
}
