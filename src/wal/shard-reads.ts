/** What can be read from a shard's state. Nothing here changes it. Pages are fresh arrays of unchanging records. */
import { entityKey } from '../message/entity-key.js';
import { type DelayedMessage, messageKey, type ShardState } from './shard-data.js';
import { numberedAfter, sortedFirst } from './shard-lists.js';
import type { SignOfLife } from './shared-wal.js';
import type { DeadLetter, OutboxEntry, ShardCounts, StoredMessage } from './transition.js';
import type {
  BlockedMessage,
  DeadLetterQuery,
  DueMessages,
  EntityRef,
  MessageHead,
  OpenedShard,
  PausedLine,
  Reminder,
  ReminderQuery,
  StatusRecord,
} from './wal.js';

export function readHead(message: StoredMessage): MessageHead {
  const { seq, entityType, entityId, name, state, attempt, interruptions, notBefore, expiresAt } = message;
  return { seq, entityType, entityId, name, state, attempt, interruptions, notBefore, expiresAt };
}

export function readScan(state: ShardState, afterSeq: number, limit: number): readonly MessageHead[] {
  return take(numberedAfter(state.line, afterSeq), limit).map(readHead);
}

export function readLoad(state: ShardState, seqs: readonly number[]): readonly StoredMessage[] {
  const found: StoredMessage[] = [];
  for (const seq of new Set(seqs)) {
    const message = state.line.entries.get(seq);
    if (message !== undefined) found.push(message);
  }
  return found.sort((left, right) => left.seq - right.seq);
}

export function readDue(state: ShardState, now: number, limit: number): DueMessages {
  const { items, head } = state.delayedTimes;
  const ids: string[] = [];
  const recurring: Record<string, { recurrence: string; notBefore: number }> = {};
  let nextDueAt: number | undefined;
  for (let index = head; index < items.length; index++) {
    const time = items[index];
    if (time === undefined) break;
    if (time.at > now || ids.length >= limit) {
      nextDueAt = time.at;
      break;
    }
    ids.push(time.id);
    const { recurrence, notBefore } = (state.delayed.get(time.id) as DelayedMessage).message;
    if (recurrence !== undefined) recurring[time.id] = { recurrence, notBefore };
  }
  return {
    ids,
    ...(nextDueAt !== undefined && { nextDueAt }),
    ...(Object.keys(recurring).length > 0 && { recurring }),
  };
}

export function readReminders(state: ShardState, query: ReminderQuery): readonly Reminder[] {
  const { entityType, entityId, after = 0, limit } = query;
  const found: Reminder[] = [];
  for (const { message, time } of state.delayed.values()) {
    if (message.recurrence === undefined || time.order <= after) continue;
    if (entityType !== undefined && message.entityType !== entityType) continue;
    if (entityId !== undefined && message.entityId !== entityId) continue;
    found.push({ order: time.order, message });
  }
  return found.sort((left, right) => left.order - right.order).slice(0, Math.max(0, limit));
}

export function readBlocked(state: ShardState, afterSeq: number, limit: number): readonly BlockedMessage[] {
  const places = [...state.blocked].filter((seq) => seq > afterSeq).sort((left, right) => left - right);
  return readLoad(state, places.slice(0, Math.max(0, limit))).map((message) => {
    const last = message.history.at(-1);
    const error = last?.error === undefined ? {} : { error: last.error };
    return { ...readHead(message), id: message.id, blockedAt: last?.at ?? 0, ...error };
  });
}

export function readPaused(state: ShardState): readonly PausedLine[] {
  return [...state.paused.values()];
}

export function readStatus(state: ShardState, id: string, now: number): StatusRecord | undefined {
  return readKnownStatus(state, id, now) ?? readOffered(state, id);
}

/** Where a message is that was taken in. */
export function readKnownStatus(state: ShardState, id: string, now: number): StatusRecord | undefined {
  const seq = state.places.get(id);
  const pending = seq === 0 ? state.delayed.get(id)?.message : state.line.entries.get(seq ?? 0);
  if (pending !== undefined) {
    const { entityType, entityId, attempt } = pending;
    return { id, state: pending.state, entityType, entityId, attempt };
  }
  const letter = readDeadLetter(state, id);
  if (letter !== undefined) {
    const { entityType, entityId, attempt } = letter.message;
    const verdict = { state: letter.reason, ...(letter.error !== undefined && { error: letter.error }) };
    return { id, state: letter.reason, entityType, entityId, attempt, verdict };
  }
  const kept = state.verdicts.get(id);
  if (kept === undefined || kept.time.at <= now) return undefined;
  const { entityType, entityId, verdict } = kept;
  return { id, state: verdict.state, entityType, entityId, attempt: 0, verdict };
}

/** A message that waits in the inbox. */
function readOffered({ inbox }: ShardState, id: string): StatusRecord | undefined {
  for (const { transition } of inbox) {
    if (transition.type !== 'append' || transition.message.id !== id) continue;
    const { entityType, entityId } = transition.message;
    return { id, state: 'enqueued', entityType, entityId, attempt: 0, isOffered: true };
  }
  return undefined;
}

/** The id under which a message with this idempotency key was taken in, as long as the shard knows it. */
export function readKnownId(state: ShardState, entity: EntityRef, messageId: string, now: number): string | undefined {
  const id = state.messageIds.get(messageKey(entity.entityType, entity.entityId, messageId));
  return id === undefined || readStatus(state, id, now) === undefined ? undefined : id;
}

export function readCounts(state: ShardState): ShardCounts {
  const { accepted, completed, failed, interrupted, expired, cancelled } = state.numbers;
  const pending = state.line.entries.size + state.delayed.size;
  return {
    accepted,
    completed,
    failed,
    interrupted,
    expired,
    cancelled,
    pending,
    deadLetters: state.letters.entries.size,
    blocked: state.blocked.size,
  };
}

export function readDeadLetters(state: ShardState, query: DeadLetterQuery): readonly DeadLetter[] {
  const { after = 0, limit, entityType, entityId, name, reason, since, until } = query;
  const found: DeadLetter[] = [];
  if (limit <= 0) return found;
  for (const letter of numberedAfter(state.letters, after)) {
    const { message } = letter;
    if (entityType !== undefined && message.entityType !== entityType) continue;
    if (entityId !== undefined && message.entityId !== entityId) continue;
    if (name !== undefined && message.name !== name) continue;
    if (reason !== undefined && letter.reason !== reason) continue;
    if (since !== undefined && letter.diedAt < since) continue;
    if (until !== undefined && letter.diedAt >= until) continue;
    found.push(letter);
    if (found.length >= limit) break;
  }
  return found;
}

export function readDeadLetter(state: ShardState, id: string): DeadLetter | undefined {
  const number = state.letterNumbers.get(id);
  return number === undefined ? undefined : state.letters.entries.get(number);
}

export function readActorStates(
  state: ShardState,
  entities: readonly EntityRef[],
  now: number,
): readonly (string | undefined)[] {
  return entities.map(({ entityType, entityId }) => {
    const record = state.actorStates.get(entityKey(entityType, entityId));
    return record === undefined || (record.time !== undefined && record.time.at <= now) ? undefined : record.text;
  });
}

export function readOutbox(state: ShardState, limit: number): readonly OutboxEntry[] {
  return state.outbox.slice(0, Math.max(0, limit));
}

export function readOfferMark(state: ShardState, session: string): number {
  return state.taken.get(session) ?? 0;
}

export function readSign({ epoch, incarnation, node, beat, openings }: ShardState): SignOfLife {
  return { epoch, incarnation, node, beat, openings };
}

/** What a new owner must know, all but whether the last one left cleanly. */
export function readOpened(state: ShardState): Omit<OpenedShard, 'clean'> {
  const nextDueAt = sortedFirst(state.delayedTimes)?.at;
  return {
    epoch: state.epoch,
    nextSeq: state.numbers.nextSeq,
    inFlight: readLoad(state, [...state.started]).map(readHead),
    counts: readCounts(state),
    paused: readPaused(state),
    deadLettersByType: Object.fromEntries(state.lettersByType),
    ...(nextDueAt !== undefined && { nextDueAt }),
  };
}

function take<V>(values: Iterable<V>, limit: number): V[] {
  const taken: V[] = [];
  if (limit <= 0) return taken;
  for (const value of values) {
    taken.push(value);
    if (taken.length >= limit) break;
  }
  return taken;
}
