/**
 * What each transition means: which moves are legal, and what they change. Deterministic; time is `change.now`.
 * The prose beside each type in `transition.ts` is the same in words.
 */
import { type EntityKey, entityKey } from '../message/entity-key.js';
import type { Envelope } from '../message/envelope.js';
import {
  addDelayed,
  addLetter,
  appendToLine,
  deleteEntry,
  forgetVerdict,
  keepVerdict,
  removeDelayed,
  removeFromLine,
  removeLetter,
  replaceInLine,
  type ShardChange,
  setEntry,
} from './shard-change.js';
import { messageKey } from './shard-data.js';
import { copyEnvelope, copyError, withRecord } from './shard-records.js';
import type { Outcome, PendingState, StoredMessage, Transition, Verdict } from './transition.js';
import { IllegalTransitionError } from './wal.js';

type Of<T extends Transition['type']> = Extract<Transition, { readonly type: T }>;

const APPLIED: Outcome = { type: 'applied' };
const NOT_FOUND: Outcome = { type: 'not-found' };
const PAUSED: Outcome = { type: 'paused' };
const ALREADY_STARTED: Outcome = { type: 'already-started' };

/** Applies one transition, or throws `IllegalTransitionError`; what it did until then is in `change.undo`. */
export function applyTransition(change: ShardChange, transition: Transition): Outcome {
  switch (transition.type) {
    case 'append':
      return append(change, transition);
    case 'promote':
      return promote(change, transition.id);
    case 'dispatch':
      return dispatch(change, transition.seq);
    case 'complete':
      return complete(change, transition);
    case 'retry':
      return retry(change, transition);
    case 'fail': {
      const message = inLine(change, transition, 'dispatched');
      const error = copyError(transition.error);
      removeFromLine(change, message);
      bury(
        change,
        withRecord(message, change.now, 'failed', error),
        { state: 'failed', error },
        transition.keepVerdict,
      );
      return APPLIED;
    }
    case 'interrupt':
      return interrupt(change, transition);
    case 'block': {
      const message = inLine(change, transition, 'dispatched');
      const recorded = withRecord(message, change.now, 'blocked', copyError(transition.error));
      replaceInLine(change, message, { ...recorded, state: 'blocked' });
      return APPLIED;
    }
    case 'unblock': {
      const message = inLine(change, transition, 'blocked');
      replaceInLine(change, message, { ...message, state: 'enqueued', notBefore: 0 });
      return APPLIED;
    }
    case 'skip': {
      const message = inLine(change, transition, 'blocked');
      removeFromLine(change, message);
      bury(change, message, { state: 'failed', error: message.history.at(-1)?.error });
      return APPLIED;
    }
    case 'expire':
      return expire(change, transition);
    case 'cancel':
      return cancel(change, transition.id);
    case 'replay':
      return replay(change, transition);
    case 'purge': {
      const found = letterOf(change, transition.id);
      if (found === undefined) return NOT_FOUND;
      removeLetter(change, found.number, found.message);
      return { type: 'purged', entityType: found.message.entityType };
    }
    case 'pause': {
      const { entityType, entityId } = transition;
      const line = entityId === undefined ? { entityType } : { entityType, entityId };
      setEntry(change, change.state.paused, pauseKey(transition), line);
      return APPLIED;
    }
    case 'resume':
      deleteEntry(change, change.state.paused, pauseKey(transition));
      return APPLIED;
    default:
      throw new IllegalTransitionError(`There is no transition '${String((transition as { type: unknown }).type)}'.`);
  }
}

/** The checks that need no state. An offer passes them before it is taken into the inbox. */
export function checkAppend(transition: Of<'append'>): void {
  const named: string[] = [];
  if (transition.dispatch === true) named.push('dispatch');
  if (isDelay(transition.delayMs)) named.push('delayMs');
  if (transition.runAt !== undefined) named.push('runAt');
  if (named.length > 1) {
    throw illegal(transition, `for message ${transition.message.id}: ${named.join(' and ')} exclude each other`);
  }
}

function append(change: ShardChange, transition: Of<'append'>): Outcome {
  checkAppend(transition);
  const { state, now } = change;
  const envelope = copyEnvelope(transition.message);
  const known = findDuplicate(change, envelope);
  if (known !== undefined) return known;
  const { delayMs, runAt, expiresInMs } = transition;
  const dueAt = isDelay(delayMs) ? now + delayMs : (runAt ?? 0);
  const expiresAt = expiresInMs === undefined ? 0 : Math.max(1, now + expiresInMs);
  const fresh = { state: 'enqueued', attempt: 0, interruptions: 0, enqueuedAt: now, expiresAt, history: [] } as const;
  state.numbers.accepted += 1;
  if (dueAt > now) {
    addDelayed(change, { ...envelope, ...fresh, seq: 0, notBefore: dueAt });
    return { type: 'delayed', notBefore: dueAt };
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

function promote(change: ShardChange, id: string): Outcome {
  const { state, now } = change;
  const delayed = state.delayed.get(id);
  if (delayed === undefined) return NOT_FOUND;
  const { message } = delayed;
  if (message.notBefore > now) return { type: 'not-due', dueAt: message.notBefore };
  removeDelayed(change, id);
  if (hasExpired(message, now)) return expired(change, message);
  const queued: StoredMessage = { ...message, seq: state.numbers.nextSeq, notBefore: 0 };
  appendToLine(change, queued);
  return { type: 'queued', message: queued };
}

function dispatch(change: ShardChange, seq: number): Outcome {
  const { now } = change;
  const message = waiting(change, { type: 'dispatch', seq });
  if (message === undefined) return NOT_FOUND;
  if (hasExpired(message, now)) {
    removeFromLine(change, message);
    return expired(change, message);
  }
  if (isPaused(change, message)) return PAUSED;
  // The first one that waits is this one, or one ahead of it; a blocked one ahead holds the line too.
  const first = firstWaiting(change, entityKey(message.entityType, message.entityId)) ?? message;
  if (first.state === 'enqueued' && first.notBefore > now) return { type: 'not-due', dueAt: first.notBefore };
  if (first.seq !== seq) {
    throw illegal(
      { type: 'dispatch', seq },
      `: message ${first.seq} of the same entity is ahead of it and is ${first.state}`,
    );
  }
  const attempt = message.attempt + 1;
  replaceInLine(change, message, { ...message, state: 'dispatched', attempt });
  return { type: 'dispatched', attempt };
}

function complete(change: ShardChange, transition: Of<'complete'>): Outcome {
  const { state } = change;
  const message = inLine(change, transition, 'dispatched');
  removeFromLine(change, message);
  const { reply } = transition;
  end(change, message, { state: 'completed', ...(reply !== undefined && { reply }) }, transition.keepVerdict);
  const key = entityKey(message.entityType, message.entityId);
  if (transition.state === null) deleteEntry(change, state.actorStates, key);
  else if (transition.state !== undefined) setEntry(change, state.actorStates, key, transition.state);
  for (const outgoing of transition.outgoing ?? []) {
    const { targetShard } = outgoing;
    const number = (state.outboxNumbers.get(targetShard) ?? 0) + 1;
    setEntry(change, state.outboxNumbers, targetShard, number);
    state.outbox.push({ number, targetShard, message: copyEnvelope(outgoing.message) });
    change.undo.push(() => state.outbox.pop());
  }
  return APPLIED;
}

function retry(change: ShardChange, transition: Of<'retry'>): Outcome {
  const message = inLine(change, transition, 'dispatched');
  const notBefore = isDelay(transition.delayMs) ? change.now + transition.delayMs : 0;
  const kept = transition.unstarted
    ? { ...message, attempt: message.attempt - 1 }
    : withRecord(message, change.now, 'retried', copyError(transition.error));
  replaceInLine(change, message, { ...kept, state: 'enqueued', notBefore });
  return { type: 'retried', notBefore };
}

function interrupt(change: ShardChange, transition: Of<'interrupt'>): Outcome {
  const message = inLine(change, transition, 'dispatched');
  const error = transition.error === undefined ? undefined : copyError(transition.error);
  const counted = { ...message, interruptions: message.interruptions + 1 };
  const recorded = withRecord(counted, change.now, 'interrupted', error);
  if (transition.retry) {
    replaceInLine(change, message, { ...recorded, state: 'enqueued', notBefore: 0 });
    return { type: 'retried', notBefore: 0 };
  }
  removeFromLine(change, message);
  bury(change, recorded, { state: 'interrupted', error }, transition.keepVerdict);
  return APPLIED;
}

function expire(change: ShardChange, transition: Of<'expire'>): Outcome {
  const message = waiting(change, transition);
  if (message === undefined) return NOT_FOUND;
  if (message.expiresAt === 0) throw illegal(transition, ': it has no deadline');
  if (message.attempt > 0) return ALREADY_STARTED;
  if (message.expiresAt > change.now) return { type: 'not-due', dueAt: message.expiresAt };
  removeFromLine(change, message);
  return expired(change, message);
}

function cancel(change: ShardChange, id: string): Outcome {
  const { state } = change;
  const seq = state.places.get(id);
  const message = seq === 0 ? state.delayed.get(id)?.message : state.line.entries.get(seq ?? 0);
  if (message === undefined) return NOT_FOUND;
  if (message.state !== 'enqueued' || message.attempt > 0) return ALREADY_STARTED;
  if (seq === 0) removeDelayed(change, id);
  else removeFromLine(change, message);
  end(change, message, { state: 'cancelled' }, message.replyTo !== undefined);
  return { type: 'cancelled', message };
}

function replay(change: ShardChange, transition: Of<'replay'>): Outcome {
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

/** A message that left the line or the delayed ones ends: counted, and its verdict kept if someone may ask (M12). */
function end(change: ShardChange, message: StoredMessage, verdict: Verdict, keep?: boolean): void {
  change.state.numbers[verdict.state] += 1;
  if (keep || message.messageId !== undefined) keepVerdict(change, message, verdict);
}

/** The same for one that did not complete: it also becomes a dead letter. */
function bury(
  change: ShardChange,
  message: StoredMessage,
  verdict: Verdict & { readonly state: 'failed' | 'interrupted' | 'expired' },
  keep?: boolean,
): void {
  const { state, error } = verdict;
  addLetter(change, message, state, error);
  end(change, message, { state, ...(error !== undefined && { error }) }, keep);
}

function expired(change: ShardChange, message: StoredMessage): Outcome {
  bury(change, message, { state: 'expired' }, message.replyTo !== undefined);
  return { type: 'expired', message };
}

/** A message that must be in line and in this state. */
function inLine(
  change: ShardChange,
  transition: Transition & { readonly seq: number },
  state: PendingState,
): StoredMessage {
  const message = change.state.line.entries.get(transition.seq);
  if (message?.state === state) return message;
  throw illegal(transition, `: it must be ${state} and is ${message?.state ?? 'not in line'}`);
}

/** A message that must wait in line, or undefined if it has left it. */
function waiting(change: ShardChange, transition: Of<'dispatch' | 'expire'>): StoredMessage | undefined {
  const { line, numbers } = change.state;
  const { seq } = transition;
  if (!(Number.isInteger(seq) && seq >= 1 && seq < numbers.nextSeq))
    throw illegal(transition, ': no message ever had this place');
  return line.entries.has(seq) ? inLine(change, transition, 'enqueued') : undefined;
}

/** The oldest message of an entity that is not started. The started ones ahead of it are few (`dispatchAhead`). */
function firstWaiting(change: ShardChange, key: EntityKey): StoredMessage | undefined {
  const { entities, line } = change.state;
  const places = entities.get(key);
  if (places === undefined) return undefined;
  for (let index = places.head; index < places.items.length; index++) {
    const message = line.entries.get(places.items[index] as number);
    if (message !== undefined && message.state !== 'dispatched') return message;
  }
  return undefined;
}

function isPaused(change: ShardChange, message: Envelope): boolean {
  const { paused } = change.state;
  if (paused.size === 0) return false;
  return paused.has(message.entityType) || paused.has(entityKey(message.entityType, message.entityId));
}

function pauseKey(line: Of<'pause' | 'resume'>): string {
  return line.entityId === undefined ? line.entityType : entityKey(line.entityType, line.entityId);
}

function letterOf(change: ShardChange, id: string) {
  const number = change.state.letterNumbers.get(id);
  return number === undefined ? undefined : change.state.letters.entries.get(number);
}

function hasExpired(message: StoredMessage, now: number): boolean {
  return message.attempt === 0 && message.expiresAt !== 0 && message.expiresAt <= now;
}

function isDelay(delayMs: number | undefined): delayMs is number {
  return delayMs !== undefined && delayMs > 0;
}

function illegal(transition: Transition, why: string): IllegalTransitionError {
  const place = 'seq' in transition ? ` of message ${transition.seq}` : ' ';
  return new IllegalTransitionError(`Illegal ${transition.type}${place}${why}.`);
}
