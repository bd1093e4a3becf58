/** What transitions look up and how messages end: shared by all that moves a shard. Each says what makes a move illegal. */
import { type EntityKey, entityKey } from '../message/entity-key.js';
import type { Envelope } from '../message/envelope.js';
import { addLetter, keepVerdict, type ShardChange } from './shard-change.js';
import { sortedFirst } from './shard-lists.js';
import type { Outcome, PendingState, StoredMessage, Transition, Verdict } from './transition.js';
import { IllegalTransitionError } from './wal.js';

export type Of<T extends Transition['type']> = Extract<Transition, { readonly type: T }>;

export const APPLIED: Outcome = { type: 'applied' };
export const NOT_FOUND: Outcome = { type: 'not-found' };

/** A message that left the line or the delayed ones ends: counted, and its verdict kept if someone may ask (M12). */
export function end(change: ShardChange, message: StoredMessage, verdict: Verdict, keep?: boolean): void {
  change.state.numbers[verdict.state] += 1;
  if (keep || message.messageId !== undefined) keepVerdict(change, message, verdict);
}

/** The same for one that did not complete: it also becomes a dead letter. */
export function bury(
  change: ShardChange,
  message: StoredMessage,
  verdict: Verdict & { readonly state: 'failed' | 'interrupted' | 'expired' },
  keep?: boolean,
): void {
  const { state, error } = verdict;
  addLetter(change, message, state, error);
  end(change, message, { state, ...(error !== undefined && { error }) }, keep);
}

export function expired(change: ShardChange, message: StoredMessage): Outcome {
  bury(change, message, { state: 'expired' }, message.replyTo !== undefined);
  return { type: 'expired', message };
}

/** A message whose handler settles: it is marked as started, or starts with this very transition. */
export function atWork(change: ShardChange, transition: Of<'complete' | 'retry' | 'fail' | 'block'>): StoredMessage {
  if (!transition.starts) return inLine(change, transition, 'dispatched');
  const message = inLine(change, transition, 'enqueued');
  const places = change.state.entities.get(entityKey(message.entityType, message.entityId));
  const first = places === undefined ? undefined : sortedFirst(places);
  if (first !== message.seq) throw illegal(transition, `: message ${first} of the same entity is ahead of it`);
  if ('unstarted' in transition && transition.unstarted) throw illegal(transition, ': it starts and has not started');
  return { ...message, attempt: message.attempt + 1 };
}

/** A message that is blocked, or undefined. */
export function blocked(change: ShardChange, id: string): StoredMessage | undefined {
  const { line, places } = change.state;
  const message = line.entries.get(places.get(id) ?? 0);
  return message?.state === 'blocked' ? message : undefined;
}

/** A message that must be in line and in this state. */
export function inLine(
  change: ShardChange,
  transition: Transition & { readonly seq: number },
  state: PendingState,
): StoredMessage {
  const message = change.state.line.entries.get(transition.seq);
  if (message?.state === state) return message;
  throw illegal(transition, `: it must be ${state} and is ${message?.state ?? 'not in line'}`);
}

/** A message that must wait in line, or undefined if it has left it. */
export function waiting(change: ShardChange, transition: Of<'dispatch' | 'expire'>): StoredMessage | undefined {
  const { line, numbers } = change.state;
  const { seq } = transition;
  if (!(Number.isInteger(seq) && seq >= 1 && seq < numbers.nextSeq))
    throw illegal(transition, ': no message ever had this place');
  return line.entries.has(seq) ? inLine(change, transition, 'enqueued') : undefined;
}

/** The oldest message of an entity that is not started. The started ones ahead of it are few (`dispatchAhead`). */
export function firstWaiting(change: ShardChange, key: EntityKey): StoredMessage | undefined {
  const { entities, line } = change.state;
  const places = entities.get(key);
  if (places === undefined) return undefined;
  for (let index = places.head; index < places.items.length; index++) {
    const message = line.entries.get(places.items[index] as number);
    if (message !== undefined && message.state !== 'dispatched') return message;
  }
  return undefined;
}

export function isPaused(change: ShardChange, message: Envelope): boolean {
  const { paused } = change.state;
  if (paused.size === 0) return false;
  return paused.has(message.entityType) || paused.has(entityKey(message.entityType, message.entityId));
}

export function pauseKey(line: Of<'pause' | 'resume'>): string {
  return line.entityId === undefined ? line.entityType : entityKey(line.entityType, line.entityId);
}

export function letterOf(change: ShardChange, id: string) {
  const number = change.state.letterNumbers.get(id);
  return number === undefined ? undefined : change.state.letters.entries.get(number);
}

export function hasExpired(message: StoredMessage, now: number): boolean {
  return message.attempt === 0 && message.expiresAt !== 0 && message.expiresAt <= now;
}

export function isDelay(delayMs: number | undefined): delayMs is number {
  return delayMs !== undefined && delayMs > 0;
}

export function illegal(transition: Transition, why: string): IllegalTransitionError {
  const place = 'seq' in transition ? ` of message ${transition.seq}` : '';
  return new IllegalTransitionError(`Illegal ${transition.type}${place}${why}.`);
}
