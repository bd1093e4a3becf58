/**
 * What each transition means: which moves are legal, and what they change. Deterministic; time is `change.now`.
 * The prose beside each type in `transition.ts` is the same in words.
 */
import { entityKey } from '../message/entity-key.js';
import { append, promote, replay } from './shard-arrivals.js';
import {
  deleteEntry,
  removeDelayed,
  removeFromLine,
  removeLetter,
  replaceInLine,
  type ShardChange,
  setActorState,
  setEntry,
} from './shard-change.js';
import {
  APPLIED,
  atWork,
  blocked,
  bury,
  end,
  expired,
  firstWaiting,
  hasExpired,
  illegal,
  inLine,
  isDelay,
  isPaused,
  letterOf,
  NOT_FOUND,
  type Of,
  pauseKey,
  waiting,
} from './shard-messages.js';
import { relayed, send } from './shard-outbox.js';
import { copyError, withRecord } from './shard-records.js';
import type { Outcome, StoredMessage, Transition } from './transition.js';
import { IllegalTransitionError } from './wal.js';

const PAUSED: Outcome = { type: 'paused' };
const ALREADY_STARTED: Outcome = { type: 'already-started' };

/** Applies one transition, or throws `IllegalTransitionError`; what it did until then is in `change.undo`. */
export function applyTransition(change: ShardChange, transition: Transition): Outcome {
  switch (transition.type) {
    case 'append':
      return completedAtOnce(change, transition, append(change, transition));
    case 'promote':
      return promote(change, transition);
    case 'dispatch':
      return dispatch(change, transition.seq);
    case 'complete':
      return complete(change, transition);
    case 'retry':
      return retry(change, transition);
    case 'fail': {
      const message = atWork(change, transition);
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
      const message = atWork(change, transition);
      const recorded = withRecord(message, change.now, 'blocked', copyError(transition.error));
      replaceInLine(change, message, { ...recorded, state: 'blocked' });
      return APPLIED;
    }
    case 'unblock': {
      const message = blocked(change, transition.id);
      if (message === undefined) return NOT_FOUND;
      const unblocked: StoredMessage = { ...message, state: 'enqueued', notBefore: 0 };
      replaceInLine(change, message, unblocked);
      return { type: 'unblocked', message: unblocked };
    }
    case 'skip': {
      const message = blocked(change, transition.id);
      if (message === undefined) return NOT_FOUND;
      const last = message.history.at(-1);
      const reason = last?.outcome === 'interrupted' ? 'interrupted' : 'failed';
      removeFromLine(change, message);
      bury(
        change,
        message,
        { state: reason, error: last?.error },
        transition.keepVerdict ?? message.replyTo !== undefined,
      );
      return { type: 'skipped', message, reason };
    }
    case 'expire':
      return expire(change, transition);
    case 'cancel':
      return cancel(change, transition);
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
    case 'relayed':
      return relayed(change, transition);
    default:
      throw new IllegalTransitionError(`There is no transition '${String((transition as { type: unknown }).type)}'.`);
  }
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
  const message = atWork(change, transition);
  removeFromLine(change, message);
  const { reply, outgoing } = transition;
  end(change, message, { state: 'completed', ...(reply !== undefined && { reply }) }, transition.keepVerdict);
  const key = entityKey(message.entityType, message.entityId);
  if (transition.state !== undefined) {
    const { stateTtlMs } = transition;
    const expiresAt = stateTtlMs === undefined ? undefined : change.now + stateTtlMs;
    setActorState(change, key, transition.state, expiresAt);
  }
  if (outgoing === undefined || outgoing.length === 0) return APPLIED;
  return { type: 'sent', sent: outgoing.map((message) => send(change, state.shard, message)) };
}

/** What ran before it came completes where it was marked as started. */
function completedAtOnce(change: ShardChange, { completes }: Of<'append'>, outcome: Outcome): Outcome {
  if (completes === undefined || outcome.type !== 'appended' || !outcome.dispatched) return outcome;
  const done = complete(change, { type: 'complete', seq: outcome.seq, ...completes });
  return { ...outcome, completed: done.type === 'sent' ? done.sent : [] };
}

function retry(change: ShardChange, transition: Of<'retry'>): Outcome {
  const message = atWork(change, transition);
  const notBefore = isDelay(transition.delayMs) ? change.now + transition.delayMs : 0;
  const kept = transition.unstarted
    ? { ...message, attempt: message.attempt - 1 }
    : withRecord(message, change.now, 'retried', copyError(transition.error));
  replaceInLine(change, message, { ...kept, state: 'enqueued', notBefore });
  return { type: 'retried', notBefore };
}

function interrupt(change: ShardChange, transition: Of<'interrupt'>): Outcome {
  if (transition.retry && transition.block) throw illegal(transition, ': retry and block exclude each other');
  const message = inLine(change, transition, 'dispatched');
  const error = transition.error === undefined ? undefined : copyError(transition.error);
  const counted = { ...message, interruptions: message.interruptions + 1 };
  const recorded = withRecord(counted, change.now, 'interrupted', error);
  if (transition.retry) {
    replaceInLine(change, message, { ...recorded, state: 'enqueued', notBefore: 0 });
    return { type: 'retried', notBefore: 0 };
  }
  if (transition.block) {
    replaceInLine(change, message, { ...recorded, state: 'blocked' });
    return APPLIED;
  }
  removeFromLine(change, message);
  bury(change, recorded, { state: 'interrupted', error }, transition.keepVerdict);
  return APPLIED;
}

function expire(change: ShardChange, transition: Of<'expire'>): Outcome {
  const message = waiting(change, transition);
  if (message === undefined) return NOT_FOUND;
  if (message.expiresAt === 0) throw illegal(transition, ': it has no deadline');
  if (message.attempt > 0 || change.runsUnmarked?.(message.seq, message.id)) return ALREADY_STARTED;
  if (message.expiresAt > change.now) return { type: 'not-due', dueAt: message.expiresAt };
  removeFromLine(change, message);
  return expired(change, message);
}

function cancel(change: ShardChange, { id, keepVerdict }: Of<'cancel'>): Outcome {
  const { state } = change;
  const seq = state.places.get(id);
  const message = seq === 0 ? state.delayed.get(id)?.message : state.line.entries.get(seq ?? 0);
  if (message === undefined) return NOT_FOUND;
  if (message.state !== 'enqueued' || message.attempt > 0) return ALREADY_STARTED;
  if (seq !== 0 && change.runsUnmarked?.(message.seq, message.id)) return ALREADY_STARTED;
  if (seq === 0) removeDelayed(change, id);
  else removeFromLine(change, message);
  end(change, message, { state: 'cancelled' }, keepVerdict || message.replyTo !== undefined);
  return { type: 'cancelled', message };
}
