/**
 * Each transition on the tables: the same moves, outcomes and refusals as the pure model in `../shard-transitions.ts`,
 * which decides in doubt. The contract suite compares the two.
 *
 * One thing the tables do not know by default: which other messages of an entity wait ahead of one. That would take an
 * index that costs a third of the throughput. The owner knows (it holds every entity's line), so the store trusts it,
 * except for what the owner cannot know yet: messages that the same commit put in line. With `verifyLineOrder` the
 * index is there and every start is checked as the model does.
 */
import { type EntityKey, entityKey } from '../../message/entity-key.js';
import type { Envelope } from '../../message/envelope.js';
import { checkAppend } from '../shard-arrivals.js';
import { copyEnvelope, copyError, withRecord } from '../shard-records.js';
import type { Completion, Outcome, OutgoingMessage, Sent, StoredMessage, Transition } from '../transition.js';
import { IllegalTransitionError, type PausedLine } from '../wal.js';
import { cancelDelayed, makeRoom, promote } from './delayed-moves.js';
import { splitId } from './ids.js';
import {
  addToLine,
  atWork,
  blocked,
  bury,
  end,
  expired,
  flagsOf,
  illegal,
  inLine,
  putBack,
  rememberMessageId,
  removeFromLine,
} from './line-moves.js';
import { find, findDuplicate, findLetter } from './lookup.js';
import { type MessageRow, messageOfRow, rowOfMessage, stateOf } from './rows.js';
import { STATE_DISPATCHED, STATE_ENQUEUED } from './schema.js';
import { fromText, toText } from './text.js';
import type { Work } from './work.js';

type Of<T extends Transition['type']> = Extract<Transition, { readonly type: T }>;

/** The store has one. */
const SHARD = 0;

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
    case 'retry': {
      const { message, row } = atWork(work, transition);
      const notBefore = isDelay(transition.delayMs) ? work.now + transition.delayMs : 0;
      const kept = transition.unstarted
        ? { ...message, attempt: message.attempt - 1 }
        : withRecord(message, work.now, 'retried', copyError(transition.error));
      putBack(work, row, { ...kept, state: 'enqueued', notBefore });
      return { type: 'retried', notBefore };
    }
    case 'fail': {
      const { message, row } = atWork(work, transition);
      const error = copyError(transition.error);
      removeFromLine(work, row);
      bury(work, withRecord(message, work.now, 'failed', error), { state: 'failed', error }, transition.keepVerdict);
      return APPLIED;
    }
    case 'interrupt':
      return interrupt(work, transition);
    case 'block': {
      const { message, row } = atWork(work, transition);
      const recorded = withRecord(message, work.now, 'blocked', copyError(transition.error));
      putBack(work, row, { ...recorded, state: 'blocked' });
      return APPLIED;
    }
    case 'unblock': {
      const found = blocked(work, transition.id);
      if (found === undefined) return NOT_FOUND;
      const message: StoredMessage = { ...found.message, state: 'enqueued', notBefore: 0 };
      putBack(work, found.row, message);
      return { type: 'unblocked', message };
    }
    case 'skip': {
      const found = blocked(work, transition.id);
      if (found === undefined) return NOT_FOUND;
      const { message, row } = found;
      const last = message.history.at(-1);
      const reason = last?.outcome === 'interrupted' ? 'interrupted' : 'failed';
      removeFromLine(work, row);
      bury(work, message, { state: reason, error: last?.error }, transition.keepVerdict);
      return { type: 'skipped', message, reason };
    }
    case 'expire':
      return expire(work, transition);
    case 'cancel':
      return cancel(work, transition);
    case 'replay':
      return replay(work, transition);
    case 'purge': {
      const letter = findLetter(work, transition.id);
      if (letter === undefined) return NOT_FOUND;
      work.records.removeLetter(work.numbers, letter);
      return { type: 'purged', entityType: letter.message.entityType };
    }
    case 'pause': {
      const { entityType, entityId } = transition;
      work.paused.set(pauseKey(transition), entityId === undefined ? { entityType } : { entityType, entityId });
      work.records.setPaused(entityType, entityId, true);
      return APPLIED;
    }
    case 'resume':
      if (work.paused.delete(pauseKey(transition)))
        work.records.setPaused(transition.entityType, transition.entityId, false);
      return APPLIED;
    case 'relayed':
      return relayed(work, transition);
    default:
      throw new IllegalTransitionError(`There is no transition '${String((transition as { type: unknown }).type)}'.`);
  }
}

function append(work: Work, transition: Of<'append'>): Outcome {
  checkAppend(transition);
  const { numbers, now } = work;
  const { message: envelope, delayMs, runAt, expiresInMs } = transition;
  if (transition.replace) makeRoom(work, envelope.id);
  const split = splitId(envelope.id);
  const known = findDuplicate(work, envelope, split);
  if (known !== undefined) return known;
  const dueAt = isDelay(delayMs) ? now + delayMs : (runAt ?? 0);
  const expiresAt = expiresInMs === undefined ? 0 : Math.max(1, now + expiresInMs);
  numbers.accepted += 1;
  // What recurs never takes a place itself, also when it comes after its first time: its copies do.
  const waits = dueAt > now || envelope.recurrence !== undefined;
  const ended = transition.dispatch === true && expiresAt !== 0 && expiresAt <= now;
  if (waits || ended) {
    const fresh = { state: 'enqueued', attempt: 0, interruptions: 0, enqueuedAt: now, expiresAt, history: [] } as const;
    if (!waits) {
      const message: StoredMessage = { ...copyEnvelope(envelope), ...fresh, seq: numbers.next_seq++, notBefore: 0 };
      rememberMessageId(work, message);
      return expired(work, message);
    }
    const notBefore = dueAt > 0 ? dueAt : now;
    const message: StoredMessage = { ...copyEnvelope(envelope), ...fresh, seq: 0, notBefore };
    work.records.addDelayed(numbers, message);
    rememberMessageId(work, message);
    return { type: 'delayed', notBefore };
  }
  const dispatched =
    transition.dispatch === true &&
    !isPaused(work, envelope) &&
    work.waiting.first(envelope.entityType, envelope.entityId) === undefined;
  const seq = numbers.next_seq++;
  const { headers, messageId } = envelope;
  const { completes } = transition;
  if (dispatched && completes !== undefined && !completes.keepVerdict && messageId === undefined) {
    // It never stands in line, so nothing of the message itself is written.
    const { entityType, entityId } = envelope;
    const { state } = completes;
    numbers.completed += 1;
    if (state !== undefined) work.states.note(toText(entityType), toText(entityId), state, stateEnd(work, completes));
    const completed = completes.outgoing?.map((message) => send(work, message)) ?? [];
    return { type: 'appended', seq, dispatched, ...(expiresAt !== 0 && { expiresAt }), completed };
  }
  const row: MessageRow = {
    seq,
    state: dispatched ? STATE_DISPATCHED : STATE_ENQUEUED,
    attempt: dispatched ? 1 : 0,
    flags: flagsOf(split, seq, messageId),
    not_before: null,
    expires_at: expiresAt === 0 ? null : expiresAt,
    entity_type: toText(envelope.entityType),
    entity_id: toText(envelope.entityId),
    name: toText(envelope.name),
    interruptions: null,
    id: toText(envelope.id),
    kind: envelope.kind === 'command' ? null : envelope.kind,
    enqueued_at: now,
    message_id: messageId === undefined ? null : toText(messageId),
    headers: headers === undefined ? null : JSON.stringify(headers),
    history: null,
    replay_of: null,
    payload: envelope.payload,
    reminder: null,
  };
  addToLine(work, row);
  if (dispatched && completes !== undefined) {
    const done = complete(work, { type: 'complete', seq, ...completes });
    const completed = done.type === 'sent' ? done.sent : [];
    return { type: 'appended', seq, dispatched, ...(expiresAt !== 0 && { expiresAt }), completed };
  }
  return expiresAt === 0 ? { type: 'appended', seq, dispatched } : { type: 'appended', seq, dispatched, expiresAt };
}

function dispatch(work: Work, transition: Of<'dispatch'>): Outcome {
  const { line, now, waiting } = work;
  const { seq } = transition;
  const recent = line.flagsRecent(seq);
  if (recent !== undefined && work.paused.size === 0 && !waiting.verifies) {
    line.start(seq, recent);
    waiting.left(seq);
    return { type: 'dispatched', attempt: 1 };
  }
  checkPlace(work, transition);
  const row = line.waiting(seq);
  if (row === undefined) return NOT_FOUND;
  if (row.state !== STATE_ENQUEUED) throw illegal(transition, `: it must be enqueued and is ${stateOf(row.state)}`);
  if (row.attempt === 0 && row.expires_at !== null && row.expires_at <= now) return removeExpired(work, transition);
  if (work.paused.size > 0 || waiting.verifies) {
    const { message } = inLine(work, transition, STATE_ENQUEUED);
    if (isPaused(work, message)) return PAUSED;
    const first = waiting.verifies ? waiting.first(message.entityType, message.entityId) : undefined;
    if (first !== undefined && first.seq !== seq) {
      if (first.state === STATE_ENQUEUED && first.notBefore > now) return { type: 'not-due', dueAt: first.notBefore };
      throw illegal(
        transition,
        `: message ${first.seq} of the same entity is ahead of it and is ${stateOf(first.state)}`,
      );
    }
  }
  if (row.not_before !== null && row.not_before > now) return { type: 'not-due', dueAt: row.not_before };
  line.start(seq, row.flags);
  waiting.left(seq);
  return { type: 'dispatched', attempt: row.attempt + 1 };
}

function complete(work: Work, transition: Of<'complete'>): Outcome {
  const { keepVerdict, state, outgoing, reply } = transition;
  if (keepVerdict || !completeUsual(work, transition)) {
    const { message, row } = atWork(work, transition);
    removeFromLine(work, row);
    end(work, message, { state: 'completed', ...(reply !== undefined && { reply }) }, keepVerdict);
    if (state !== undefined) work.states.note(row.entity_type, row.entity_id, state, stateEnd(work, transition));
  }
  if (outgoing === undefined || outgoing.length === 0) return APPLIED;
  return { type: 'sent', sent: outgoing.map((message) => send(work, message)) };
}

/** The usual case needs little or nothing of the message. False: it is not the usual case, and nothing was done. */
function completeUsual(work: Work, transition: Of<'complete'>): boolean {
  const { line, waiting } = work;
  const { seq, state, starts } = transition;
  if (starts && waiting.verifies) return false;
  const flags = starts ? line.flagsRecent(seq) : line.flagsInFlight(seq);
  if (flags !== undefined && flags !== 0) return false;
  if (flags === undefined || state !== undefined) {
    const row = line.settling(seq);
    if (row?.flags !== 0 || row.state !== (starts ? STATE_ENQUEUED : STATE_DISPATCHED)) return false;
    if (state !== undefined) work.states.note(row.entity_type, row.entity_id, state, stateEnd(work, transition));
  }
  line.remove(seq);
  if (starts) waiting.left(seq);
  work.numbers.completed += 1;
  return true;
}

function stateEnd(work: Work, { stateTtlMs }: Completion): number | null {
  return stateTtlMs === undefined ? null : work.now + stateTtlMs;
}

/**
 * One for this shard is taken in at once, unless offers are left that go first (I4), or earlier ones for this shard wait in
 * the outbox because there were some then: nothing overtakes those (M15).
 */
function send(work: Work, { targetShard, append: asked }: OutgoingMessage): Sent {
  const transition: Of<'append'> = { ...asked, type: 'append', message: copyEnvelope(asked.message) };
  if (targetShard === SHARD && !work.offersLeft && !work.records.hasOutgoing(SHARD)) {
    const outcome = append(work, transition);
    const row = outcome.type === 'appended' ? work.line.appended(outcome.seq) : undefined;
    return { type: 'arrived', outcome, ...(row !== undefined && { message: messageOfRow(row) }) };
  }
  checkAppend(transition);
  return { type: 'outbox', entry: work.records.addOutgoing(work.epoch, targetShard, transition) };
}

function relayed(work: Work, { count }: Of<'relayed'>): Outcome {
  const isCount = Number.isInteger(count) && count >= 0;
  if (isCount && (count === 0 || work.records.removeOutgoing(count) === count)) return APPLIED;
  throw new IllegalTransitionError(`Illegal relayed: the outbox has fewer than ${count} entries.`);
}

function interrupt(work: Work, transition: Of<'interrupt'>): Outcome {
  const { message, row } = inLine(work, transition, STATE_DISPATCHED);
  const error = transition.error === undefined ? undefined : copyError(transition.error);
  const counted = { ...message, interruptions: message.interruptions + 1 };
  const recorded = withRecord(counted, work.now, 'interrupted', error);
  if (transition.retry && transition.block) throw illegal(transition, ': retry and block exclude each other');
  if (transition.retry) {
    putBack(work, row, { ...recorded, state: 'enqueued', notBefore: 0 });
    return { type: 'retried', notBefore: 0 };
  }
  if (transition.block) {
    putBack(work, row, { ...recorded, state: 'blocked' });
    return APPLIED;
  }
  removeFromLine(work, row);
  bury(work, recorded, { state: 'interrupted', error }, transition.keepVerdict);
  return APPLIED;
}

function expire(work: Work, transition: Of<'expire'>): Outcome {
  checkPlace(work, transition);
  const row = work.line.waiting(transition.seq);
  if (row === undefined) return NOT_FOUND;
  if (row.state !== STATE_ENQUEUED) throw illegal(transition, `: it must be enqueued and is ${stateOf(row.state)}`);
  if (row.expires_at === null) throw illegal(transition, ': it has no deadline');
  if (row.attempt > 0 || runsUnmarked(work, work.line.row(row.seq))) return ALREADY_STARTED;
  if (row.expires_at > work.now) return { type: 'not-due', dueAt: row.expires_at };
  return removeExpired(work, transition);
}

function cancel(work: Work, { id, keepVerdict }: Of<'cancel'>): Outcome {
  const { seq, delayed } = find(work, id);
  if (delayed !== null) return cancelDelayed(work, id, delayed, keepVerdict);
  const row = seq === null ? undefined : work.line.row(seq);
  if (row === undefined) return NOT_FOUND;
  if (row.state !== STATE_ENQUEUED || row.attempt > 0 || runsUnmarked(work, row)) return ALREADY_STARTED;
  const message = messageOfRow(row);
  removeFromLine(work, row);
  end(work, message, { state: 'cancelled' }, keepVerdict);
  return { type: 'cancelled', message };
}

function replay(work: Work, transition: Of<'replay'>): Outcome {
  const { numbers, records, now } = work;
  const { newId } = transition;
  const letter = findLetter(work, transition.id);
  if (letter === undefined) return NOT_FOUND;
  const split = splitId(newId);
  const known = findDuplicate(work, { ...letter.message, id: newId, messageId: undefined }, split);
  if (known !== undefined) return known;
  records.removeLetter(numbers, letter);
  numbers.accepted += 1;
  const message: StoredMessage = {
    ...letter.message,
    id: newId,
    seq: numbers.next_seq++,
    state: 'enqueued',
    attempt: 0,
    interruptions: 0,
    enqueuedAt: now,
    notBefore: 0,
    expiresAt: 0,
    history: [],
    replayOf: letter.id,
  };
  addToLine(work, rowOfMessage(message, flagsOf(split, message.seq, message.messageId)));
  return { type: 'queued', message };
}

/** Whether the owner runs it, or ran it, without having marked it. */
function runsUnmarked(work: Work, row: MessageRow | undefined): boolean {
  return row !== undefined && work.runsUnmarked?.(row.seq, fromText(row.id)) === true;
}

function removeExpired(work: Work, transition: Of<'dispatch' | 'expire'>): Outcome {
  const { message, row } = inLine(work, transition, STATE_ENQUEUED);
  removeFromLine(work, row);
  return expired(work, message);
}

function checkPlace(work: Work, transition: Of<'dispatch' | 'expire'>): void {
  const { seq } = transition;
  if (Number.isInteger(seq) && seq >= 1 && seq < work.numbers.next_seq) return;
  throw illegal(transition, ': no message ever had this place');
}

function isPaused(work: Work, message: Envelope): boolean {
  const { paused } = work;
  if (paused.size === 0) return false;
  return paused.has(message.entityType) || paused.has(keyOf(message));
}

export function pauseKey(line: PausedLine): string {
  return line.entityId === undefined ? line.entityType : entityKey(line.entityType, line.entityId);
}

function keyOf(message: Envelope): EntityKey {
  return entityKey(message.entityType, message.entityId);
}

function isDelay(delayMs: number | undefined): delayMs is number {
  return delayMs !== undefined && delayMs > 0;
}
