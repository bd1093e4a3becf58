/**
 * Each transition as changes to what is stored: the same moves, outcomes and refusals as the pure model in
 * `../shard-transitions.ts`, which decides in doubt. The contract suite compares the two.
 *
 * One thing that is not known by default: which other messages of an entity wait ahead of one. The owner knows (it holds
 * every entity's line), so the store trusts it, except for what the owner cannot know yet: messages that the same commit
 * put in line. With a complete memory every start is checked as the model does.
 */
import { type EntityKey, entityKey } from '../../message/entity-key.js';
import { checkAppend } from '../shard-arrivals.js';
import { copyEnvelope, copyError, withRecord } from '../shard-records.js';
import type { Completion, Outcome, Sent, StoredMessage, Transition } from '../transition.js';
import { IllegalTransitionError } from '../wal.js';
import { standsInHead } from './line-format.js';
import {
  addDelayed,
  appendToLine,
  atWork,
  bury,
  type Ending,
  end,
  expired,
  findDuplicate,
  findPending,
  illegal,
  inLine,
  letterOf,
  putBack,
  rememberMessageId,
  removeDelayed,
  removeLetter,
} from './line-moves.js';
import { relayed, send } from './outgoing.js';
import { bodyOfEnvelope, type Held, numberInId } from './records.js';
import { makeRoom, runAgain } from './reminders.js';
import type { Work } from './work.js';

type Of<T extends Transition['type']> = Extract<Transition, { readonly type: T }>;

const APPLIED: Outcome = { type: 'applied' };
const NOT_FOUND: Outcome = { type: 'not-found' };
const PAUSED: Outcome = { type: 'paused' };
const ALREADY_STARTED: Outcome = { type: 'already-started' };

export function applyTransition(work: Work, transition: Transition): Outcome {
  switch (transition.type) {
    case 'append':
      return append(work, transition);
    case 'dispatch':
      return dispatch(work, transition);
    case 'complete':
      return complete(work, transition);
    case 'promote':
      return promote(work, transition);
    case 'retry':
      return retry(work, transition);
    case 'fail': {
      const held = atWork(work, transition);
      const message = work.message(held);
      const error = copyError(transition.error);
      work.remove(held);
      bury(work, withRecord(message, work.now, 'failed', error), { state: 'failed', error }, transition.keepVerdict);
      return APPLIED;
    }
    case 'interrupt':
      return interrupt(work, transition);
    case 'block': {
      const held = atWork(work, transition);
      const { history } = withRecord(pastOf(work, held), work.now, 'blocked', copyError(transition.error));
      putBack(work, { ...held, state: 'blocked' }, history);
      return APPLIED;
    }
    case 'unblock': {
      const held = blocked(work, transition.id);
      if (held === undefined) return NOT_FOUND;
      const freed: Held = { ...held, state: 'enqueued', notBefore: 0 };
      const message = work.message(freed);
      putBack(work, freed);
      return { type: 'unblocked', message };
    }
    case 'skip':
      return skip(work, transition);
    case 'expire':
      return expire(work, transition);
    case 'cancel':
      return cancel(work, transition);
    case 'replay':
      return replay(work, transition);
    case 'purge': {
      const letter = letterOf(work, transition.id);
      if (letter === undefined) return NOT_FOUND;
      removeLetter(work, letter);
      return { type: 'purged', entityType: letter.message.entityType };
    }
    case 'pause': {
      const { entityType, entityId } = transition;
      work.paused.set(pauseKey(transition), entityId === undefined ? { entityType } : { entityType, entityId });
      return APPLIED;
    }
    case 'resume':
      work.paused.set(pauseKey(transition), undefined);
      return APPLIED;
    case 'relayed':
      return relayed(work, transition);
    default:
      throw new IllegalTransitionError(`There is no transition '${String((transition as { type: unknown }).type)}'.`);
  }
}

export function append(work: Work, transition: Of<'append'>): Outcome {
  const { message: envelope, delayMs, runAt, expiresInMs } = transition;
  const { completes } = transition;
  if (delayMs !== undefined || runAt !== undefined || completes !== undefined) checkAppend(transition);
  if (transition.replace) makeRoom(work, envelope.id);
  const known = findDuplicate(work, envelope);
  if (known !== undefined) return known;
  const { numbers, now } = work;
  const dueAt = isDelay(delayMs) ? now + delayMs : (runAt ?? 0);
  const expiresAt = expiresInMs === undefined ? 0 : Math.max(1, now + expiresInMs);
  numbers.accepted += 1;
  const ended = transition.dispatch === true && expiresAt !== 0 && expiresAt <= now;
  const delayed = dueAt > now || envelope.recurrence !== undefined;
  if (delayed || ended) {
    const fresh = { state: 'enqueued', attempt: 0, interruptions: 0, enqueuedAt: now, expiresAt, history: [] } as const;
    if (!delayed) {
      const message: StoredMessage = { ...copyEnvelope(envelope), ...fresh, seq: numbers.nextSeq, notBefore: 0 };
      numbers.nextSeq += 1;
      rememberMessageId(work, message);
      return expired(work, message);
    }
    // What recurs never takes a place itself, also when it comes after its first time: its copies do.
    const notBefore = dueAt > 0 ? dueAt : now;
    addDelayed(work, { ...copyEnvelope(envelope), ...fresh, seq: 0, notBefore });
    return { type: 'delayed', notBefore };
  }
  const { id, entityType, entityId, messageId } = envelope;
  const dispatched =
    transition.dispatch === true &&
    !work.isPaused(entityType, entityId) &&
    work.firstWaiting(entityType, entityId) === undefined;
  const seq = numbers.nextSeq;
  numbers.nextSeq = seq + 1;
  if (dispatched && completes !== undefined) {
    // It never stands in line, so nothing of the message itself is written.
    if (messageId !== undefined) rememberMessageId(work, envelope);
    const completed = completeWith(work, envelope, completes) ?? [];
    return { type: 'appended', seq, dispatched, ...(expiresAt !== 0 && { expiresAt }), completed };
  }
  const indexed = numberInId(id) !== seq;
  numbers.inLine += 1;
  const body = bodyOfEnvelope(envelope, now);
  work.bodies.set(seq, body);
  work.put({
    seq,
    id,
    entityType,
    entityId,
    name: envelope.name,
    state: dispatched ? 'dispatched' : 'enqueued',
    attempt: dispatched ? 1 : 0,
    interruptions: 0,
    notBefore: 0,
    expiresAt,
    messageId,
    replyTo: envelope.replyTo,
    hasPast: false,
    indexed,
    bodyInHead: standsInHead(body, work.lineFormat),
  });
  if (indexed) work.pointers.set(id, { seq });
  if (messageId !== undefined) rememberMessageId(work, envelope);
  return expiresAt === 0 ? { type: 'appended', seq, dispatched } : { type: 'appended', seq, dispatched, expiresAt };
}

function dispatch(work: Work, transition: Of<'dispatch'>): Outcome {
  const { now } = work;
  const { seq } = transition;
  checkPlace(work, transition);
  const held = work.held(seq);
  if (held === undefined) return NOT_FOUND;
  if (held.state !== 'enqueued') throw illegal(transition, `: it must be enqueued and is ${held.state}`);
  if (held.expiresAt !== 0 && held.attempt === 0 && held.expiresAt <= now) return removeExpired(work, held);
  if (work.isPaused(held.entityType, held.entityId)) return PAUSED;
  if (work.memory.isComplete) {
    const first = work.firstWaiting(held.entityType, held.entityId);
    if (first !== undefined && first !== 'someone' && first.seq !== seq) {
      if (first.state === 'enqueued' && first.notBefore > now) return { type: 'not-due', dueAt: first.notBefore };
      throw illegal(transition, `: message ${first.seq} of the same entity is ahead of it and is ${first.state}`);
    }
  }
  if (held.notBefore > now) return { type: 'not-due', dueAt: held.notBefore };
  const attempt = held.attempt + 1;
  work.put({ ...held, state: 'dispatched', attempt });
  return { type: 'dispatched', attempt };
}

function complete(work: Work, transition: Of<'complete'>): Outcome {
  const held = atWork(work, transition);
  work.remove(held);
  const sent = completeWith(work, held, transition);
  return sent === undefined ? APPLIED : { type: 'sent', sent };
}

/** What follows when a message that is in line no more has completed; what became of what it sent, if it did. */
function completeWith(work: Work, message: Ending, completion: Completion): readonly Sent[] | undefined {
  const { keepVerdict, state, stateTtlMs, outgoing, reply, untold } = completion;
  if (keepVerdict || message.messageId !== undefined)
    end(work, message, { state: 'completed', ...(reply !== undefined && { reply }) }, true, untold);
  else work.numbers.completed += 1;
  if (state !== undefined) setState(work, entityKey(message.entityType, message.entityId), state, stateTtlMs);
  if (outgoing === undefined || outgoing.length === 0) return undefined;
  return outgoing.map((each) => send(work, each, append));
}

function retry(work: Work, transition: Of<'retry'>): Outcome {
  const held = atWork(work, transition);
  const notBefore = isDelay(transition.delayMs) ? work.now + transition.delayMs : 0;
  if (transition.unstarted) {
    putBack(work, { ...held, state: 'enqueued', attempt: held.attempt - 1, notBefore });
  } else {
    const { history } = withRecord(pastOf(work, held), work.now, 'retried', copyError(transition.error));
    putBack(work, { ...held, state: 'enqueued', notBefore }, history);
  }
  return { type: 'retried', notBefore };
}

function interrupt(work: Work, transition: Of<'interrupt'>): Outcome {
  if (transition.retry && transition.block) throw illegal(transition, ': retry and block exclude each other');
  const held = inLine(work, transition, 'dispatched');
  const error = transition.error === undefined ? undefined : copyError(transition.error);
  const counted: Held = { ...held, interruptions: held.interruptions + 1 };
  if (transition.retry) {
    const { history } = withRecord(pastOf(work, held), work.now, 'interrupted', error);
    putBack(work, { ...counted, state: 'enqueued', notBefore: 0 }, history);
    return { type: 'retried', notBefore: 0 };
  }
  if (transition.block) {
    const { history } = withRecord(pastOf(work, held), work.now, 'interrupted', error);
    putBack(work, { ...counted, state: 'blocked' }, history);
    return APPLIED;
  }
  const message = withRecord(work.message(counted), work.now, 'interrupted', error);
  work.remove(held);
  bury(work, message, { state: 'interrupted', error }, transition.keepVerdict);
  return APPLIED;
}

function skip(work: Work, { id, keepVerdict }: Of<'skip'>): Outcome {
  const held = blocked(work, id);
  if (held === undefined) return NOT_FOUND;
  const message = work.message(held);
  const last = message.history.at(-1);
  const reason = last?.outcome === 'interrupted' ? 'interrupted' : 'failed';
  work.remove(held);
  bury(work, message, { state: reason, error: last?.error }, keepVerdict ?? message.replyTo !== undefined);
  return { type: 'skipped', message, reason };
}

/** A message that is blocked, or undefined. */
function blocked(work: Work, id: string): Held | undefined {
  const place = findPending(work, id);
  return typeof place === 'object' && place.state === 'blocked' ? place : undefined;
}

/** Another state of an entity. When it has no end, an end of a former one may stay in the index until it is looked at. */
function setState(work: Work, key: EntityKey, text: string | null, ttlMs: number | undefined): void {
  const until = text === null || ttlMs === undefined ? undefined : work.now + ttlMs;
  work.states.set(key, text === null ? null : { text, until });
  if (until === undefined) work.stateTimes.delete(key);
  else work.stateTimes.set(key, until);
}

function expire(work: Work, transition: Of<'expire'>): Outcome {
  checkPlace(work, transition);
  const held = work.held(transition.seq);
  if (held === undefined) return NOT_FOUND;
  if (held.state !== 'enqueued') throw illegal(transition, `: it must be enqueued and is ${held.state}`);
  if (held.expiresAt === 0) throw illegal(transition, ': it has no deadline');
  if (held.attempt > 0 || work.runsUnmarked?.(held.seq, held.id)) return ALREADY_STARTED;
  if (held.expiresAt > work.now) return { type: 'not-due', dueAt: held.expiresAt };
  return removeExpired(work, held);
}

function promote(work: Work, { id, again }: Of<'promote'>): Outcome {
  const { numbers, now } = work;
  const place = findPending(work, id);
  const message = typeof place === 'number' ? work.delayed.get(place) : undefined;
  if (message === undefined || typeof place !== 'number') return NOT_FOUND;
  if (message.notBefore > now) return { type: 'not-due', dueAt: message.notBefore };
  removeDelayed(work, place, message);
  if (again !== undefined) return runAgain(work, message, again);
  if (message.expiresAt !== 0 && message.expiresAt <= now) return expired(work, message);
  const queued: StoredMessage = { ...message, seq: numbers.nextSeq, notBefore: 0 };
  appendToLine(work, queued);
  return { type: 'queued', message: queued };
}

function cancel(work: Work, { id, keepVerdict }: Of<'cancel'>): Outcome {
  const place = findPending(work, id);
  if (place === undefined) return NOT_FOUND;
  if (typeof place === 'number') {
    const message = work.delayed.get(place);
    if (message === undefined) return NOT_FOUND;
    removeDelayed(work, place, message);
    end(work, message, { state: 'cancelled' }, keepVerdict || message.replyTo !== undefined);
    return { type: 'cancelled', message };
  }
  if (place.state !== 'enqueued' || place.attempt > 0 || work.runsUnmarked?.(place.seq, place.id))
    return ALREADY_STARTED;
  const message = work.message(place);
  work.remove(place);
  end(work, place, { state: 'cancelled' }, keepVerdict || place.replyTo !== undefined);
  return { type: 'cancelled', message };
}

function replay(work: Work, { id, newId }: Of<'replay'>): Outcome {
  const { numbers, now } = work;
  const letter = letterOf(work, id);
  if (letter === undefined) return NOT_FOUND;
  const known = findDuplicate(work, { ...letter.message, id: newId, messageId: undefined });
  if (known !== undefined) return known;
  removeLetter(work, letter);
  numbers.accepted += 1;
  // Whoever waited for the first one has its verdict.
  const { replyTo: _answered, ...kept } = letter.message;
  const message: StoredMessage = {
    ...kept,
    id: newId,
    seq: numbers.nextSeq,
    state: 'enqueued',
    attempt: 0,
    interruptions: 0,
    enqueuedAt: now,
    notBefore: 0,
    expiresAt: 0,
    history: [],
    replayOf: letter.id,
  };
  appendToLine(work, message);
  return { type: 'queued', message };
}

function removeExpired(work: Work, held: Held): Outcome {
  const message = work.message(held);
  work.remove(held);
  return expired(work, message);
}

function checkPlace(work: Work, transition: Of<'dispatch' | 'expire'>): void {
  const { seq } = transition;
  if (Number.isInteger(seq) && seq >= 1 && seq < work.numbers.nextSeq) return;
  throw illegal(transition, ': no message ever had this place');
}

/** The message with its past alone: what a new record of the past is added to. */
function pastOf(work: Work, held: Held): StoredMessage {
  const history = held.hasPast ? (work.pasts.get(held.seq) ?? []) : [];
  return { ...held, kind: 'command', payload: '', enqueuedAt: 0, history };
}

export function pauseKey(line: { readonly entityType: string; readonly entityId?: string | undefined }): string {
  return line.entityId === undefined ? line.entityType : entityKey(line.entityType, line.entityId);
}

function isDelay(delayMs: number | undefined): delayMs is number {
  return delayMs !== undefined && delayMs > 0;
}
