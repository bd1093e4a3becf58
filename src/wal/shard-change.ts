/**
 * The small writes that transitions are made of. Each leaves behind how to take it back, which makes a commit atomic: when
 * one of its transitions is illegal, everything before it is undone in reverse order.
 *
 * Owns the bookkeeping (indexes, counters, lines); knows nothing of which moves are legal.
 */
import { type EntityKey, entityKey } from '../message/entity-key.js';
import type { Envelope, ErrorDescription } from '../message/envelope.js';
import {
  compareNumbers,
  compareTimed,
  type KeptVerdict,
  messageKey,
  type ShardState,
  type Timed,
} from './shard-data.js';
import {
  emptySortedList,
  insertSorted,
  pushNumbered,
  removeSorted,
  type SortedList,
  sortedFirst,
  sortedSize,
  unpushNumbered,
} from './shard-lists.js';
import type { DeadLetterReason, StoredMessage, Verdict } from './transition.js';
import type { CommitRequest, ShardRules } from './wal.js';

/** How long a verdict stays for a waiter on another node, milliseconds. */
const WAITER_TTL_MS = 600_000;

/** One commit at work. */
export interface ShardChange {
  readonly state: ShardState;
  readonly now: number;
  readonly retention: ShardRules;
  readonly undo: (() => void)[];
  readonly runsUnmarked: CommitRequest['runsUnmarked'];
}

export function beginChange(
  state: ShardState,
  now: number,
  retention: ShardRules,
  runsUnmarked?: CommitRequest['runsUnmarked'],
): ShardChange {
  const numbers = { ...state.numbers };
  const undo = [() => void (state.numbers = numbers)];
  return { state, now, retention, undo, runsUnmarked };
}

export function undoChange(change: ShardChange): void {
  for (let index = change.undo.length - 1; index >= 0; index--) change.undo[index]?.();
}

export function setEntry<K, V>(change: ShardChange, map: Map<K, V>, key: K, value: V): void {
  const before = map.get(key);
  change.undo.push(before === undefined ? () => map.delete(key) : () => map.set(key, before));
  map.set(key, value);
}

export function deleteEntry<K, V>(change: ShardChange, map: Map<K, V>, key: K): void {
  const before = map.get(key);
  if (before === undefined) return;
  change.undo.push(() => map.set(key, before));
  map.delete(key);
}

/** Puts a message at the end of the line; `message.seq` is the next one. */
export function appendToLine(change: ShardChange, message: StoredMessage): void {
  const { state, undo } = change;
  const { seq } = message;
  state.numbers.nextSeq = seq + 1;
  pushNumbered(state.line, seq, message);
  undo.push(() => unpushNumbered(state.line, seq));
  const key = entityKey(message.entityType, message.entityId);
  let places = state.entities.get(key);
  if (places === undefined) {
    places = emptySortedList<number>();
    setEntry(change, state.entities, key, places);
  }
  const line = places;
  insertSorted(line, seq, compareNumbers);
  undo.push(() => removeSorted(line, seq, compareNumbers));
  setEntry(change, state.places, message.id, seq);
  rememberMessageId(change, message);
}

export function replaceInLine(change: ShardChange, before: StoredMessage, after: StoredMessage): void {
  const { state, undo } = change;
  const { seq } = before;
  const stored = state.line.entries.get(seq) as StoredMessage;
  state.line.entries.set(seq, after);
  undo.push(() => state.line.entries.set(seq, stored));
  if (before.state === after.state) return;
  if (after.state === 'blocked') addNumber(change, state.blocked, seq);
  else if (before.state === 'blocked') removeNumber(change, state.blocked, seq);
  if (after.state === 'dispatched') {
    state.started.add(seq);
    undo.push(() => state.started.delete(seq));
  } else {
    unmarkStarted(change, seq);
  }
}

export function removeFromLine(change: ShardChange, message: StoredMessage): void {
  const { state, undo } = change;
  const { seq } = message;
  deleteEntry(change, state.line.entries, seq);
  unmarkStarted(change, seq);
  if (message.state === 'blocked') removeNumber(change, state.blocked, seq);
  const key = entityKey(message.entityType, message.entityId);
  const places = state.entities.get(key);
  if (places !== undefined) {
    removeSorted(places, seq, compareNumbers);
    undo.push(() => insertSorted(places, seq, compareNumbers));
    if (sortedSize(places) === 0) deleteEntry(change, state.entities, key);
  }
  deleteEntry(change, state.places, message.id);
}

function addNumber({ undo }: ShardChange, numbers: Set<number>, seq: number): void {
  numbers.add(seq);
  undo.push(() => numbers.delete(seq));
}

function removeNumber({ undo }: ShardChange, numbers: Set<number>, seq: number): void {
  if (numbers.delete(seq)) undo.push(() => numbers.add(seq));
}

/** Null removes it. */
export function setActorState(
  change: ShardChange,
  key: EntityKey,
  text: string | null,
  expiresAt: number | undefined,
): void {
  const { state } = change;
  const before = state.actorStates.get(key);
  if (before?.time !== undefined) removeTimed(change, state.actorStateTimes, before.time);
  if (text === null) {
    deleteEntry(change, state.actorStates, key);
    return;
  }
  const time = expiresAt === undefined ? undefined : { at: expiresAt, order: state.numbers.nextKept, id: key };
  setEntry(change, state.actorStates, key, { text, time });
  if (time === undefined) return;
  state.numbers.nextKept += 1;
  insertTimed(change, state.actorStateTimes, time);
}

/** Removes actor states whose time is up, at most `limit`. Returns how many. */
export function forgetExpiredStates(change: ShardChange, limit: number): number {
  const { state, now } = change;
  let forgotten = 0;
  for (
    let first = sortedFirst(state.actorStateTimes);
    first !== undefined;
    first = sortedFirst(state.actorStateTimes)
  ) {
    if (first.at > now || forgotten >= limit) break;
    setActorState(change, first.id as EntityKey, null, undefined);
    forgotten += 1;
  }
  return forgotten;
}

function unmarkStarted(change: ShardChange, seq: number): void {
  const { started } = change.state;
  if (started.delete(seq)) change.undo.push(() => started.add(seq));
}

export function addDelayed(change: ShardChange, message: StoredMessage): void {
  const { state } = change;
  const time: Timed = { at: message.notBefore, order: state.numbers.nextDelayed, id: message.id };
  state.numbers.nextDelayed += 1;
  setEntry(change, state.delayed, message.id, { message, time });
  setEntry(change, state.places, message.id, 0);
  insertTimed(change, state.delayedTimes, time);
  rememberMessageId(change, message);
}

export function removeDelayed(change: ShardChange, id: string): void {
  const { state } = change;
  const delayed = state.delayed.get(id);
  if (delayed === undefined) return;
  deleteEntry(change, state.delayed, id);
  deleteEntry(change, state.places, id);
  removeTimed(change, state.delayedTimes, delayed.time);
}

export function addLetter(
  change: ShardChange,
  message: StoredMessage,
  reason: DeadLetterReason,
  error: ErrorDescription | undefined,
): void {
  const { state, undo } = change;
  const number = state.numbers.nextLetter;
  state.numbers.nextLetter = number + 1;
  pushNumbered(state.letters, number, {
    id: message.id,
    number,
    reason,
    ...(error !== undefined && { error }),
    diedAt: change.now,
    message,
  });
  undo.push(() => unpushNumbered(state.letters, number));
  setEntry(change, state.letterNumbers, message.id, number);
  setEntry(change, state.lettersByType, message.entityType, (state.lettersByType.get(message.entityType) ?? 0) + 1);
}

export function removeLetter(change: ShardChange, number: number, message: StoredMessage): void {
  const { state } = change;
  deleteEntry(change, state.letters.entries, number);
  deleteEntry(change, state.letterNumbers, message.id);
  const left = (state.lettersByType.get(message.entityType) ?? 0) - 1;
  if (left > 0) setEntry(change, state.lettersByType, message.entityType, left);
  else deleteEntry(change, state.lettersByType, message.entityType);
}

export function keepVerdict(change: ShardChange, message: StoredMessage, verdict: Verdict): void {
  const { state } = change;
  const { entryTtlMs, waiterTtlMs = WAITER_TTL_MS } = change.retention;
  const isForWaiter = message.messageId === undefined && message.replyTo !== undefined;
  const time: Timed = {
    at: change.now + (isForWaiter ? waiterTtlMs : entryTtlMs),
    order: state.numbers.nextKept,
    id: message.id,
  };
  state.numbers.nextKept += 1;
  setEntry(change, state.verdicts, message.id, {
    id: message.id,
    entityType: message.entityType,
    entityId: message.entityId,
    verdict,
    messageKey: keyOf(message),
    time,
  });
  insertTimed(change, state.verdictTimes, time);
}

export function forgetVerdict(change: ShardChange, kept: KeptVerdict): void {
  const { state } = change;
  deleteEntry(change, state.verdicts, kept.id);
  removeTimed(change, state.verdictTimes, kept.time);
  if (kept.messageKey !== undefined && state.messageIds.get(kept.messageKey) === kept.id) {
    deleteEntry(change, state.messageIds, kept.messageKey);
  }
}

/** Forgets verdicts, those kept the longest first, as long as `wanted` says so. Returns how many. */
export function forgetOldestVerdicts(change: ShardChange, wanted: (time: Timed, forgotten: number) => boolean): number {
  const { state } = change;
  let forgotten = 0;
  for (;;) {
    const first = sortedFirst(state.verdictTimes);
    if (first === undefined || !wanted(first, forgotten)) return forgotten;
    const kept = state.verdicts.get(first.id);
    if (kept === undefined) return forgotten;
    forgetVerdict(change, kept);
    forgotten += 1;
  }
}

function rememberMessageId(change: ShardChange, message: Envelope): void {
  const key = keyOf(message);
  if (key !== undefined) setEntry(change, change.state.messageIds, key, message.id);
}

function keyOf(message: Envelope): string | undefined {
  const { messageId } = message;
  return messageId === undefined ? undefined : messageKey(message.entityType, message.entityId, messageId);
}

function insertTimed(change: ShardChange, list: SortedList<Timed>, time: Timed): void {
  insertSorted(list, time, compareTimed);
  change.undo.push(() => removeSorted(list, time, compareTimed));
}

function removeTimed(change: ShardChange, list: SortedList<Timed>, time: Timed): void {
  removeSorted(list, time, compareTimed);
  change.undo.push(() => insertSorted(list, time, compareTimed));
}
