/** The moves that transitions are made of: into the line, out of it, to an end; and where an id is. */
import type { Envelope, ErrorDescription } from '../../message/envelope.js';
import { messageKey } from '../shard-data.js';
import type { AttemptRecord, Outcome, PendingState, StoredMessage, Transition, Verdict } from '../transition.js';
import { IllegalTransitionError } from '../wal.js';
import { dueMember, reminderMember } from './delayed-members.js';
import { Miss } from './facts.js';
import { standsInHead } from './line-format.js';
import { isPolled, replyText, WAITER_TTL_MS } from './polled-replies.js';
import { type Held, numberInId, type Pointer } from './records.js';
import type { Work } from './work.js';

/** What an end must know of a message. */
export type Ending = Pick<Envelope, 'id' | 'entityType' | 'entityId' | 'messageId' | 'replyTo'>;

export interface Letter {
  readonly number: number;
  readonly id: string;
  readonly error: ErrorDescription | undefined;
  readonly message: StoredMessage;
  readonly reason: Verdict['state'];
}

export function illegal(transition: Transition, why: string): IllegalTransitionError {
  const place = 'seq' in transition ? ` of message ${transition.seq}` : ' ';
  return new IllegalTransitionError(`Illegal ${transition.type}${place}${why}.`);
}

/** A message that must be in line and in this state. */
export function inLine(work: Work, transition: Transition & { readonly seq: number }, state: PendingState): Held {
  const { seq } = transition;
  if (state === 'dispatched') {
    const started = work.started(seq);
    if (started !== undefined) return started;
    throw illegal(transition, ': it must be dispatched and is not');
  }
  const held = work.held(seq);
  if (held?.state === state) return held;
  throw illegal(transition, `: it must be ${state} and is ${held?.state ?? 'not in line'}`);
}

/** A message whose handler settles: it is marked as started, or starts with this very transition. */
export function atWork(
  work: Work,
  transition: Extract<Transition, { readonly type: 'complete' | 'retry' | 'fail' | 'block' }>,
): Held {
  if (!transition.starts) return inLine(work, transition, 'dispatched');
  const held = inLine(work, transition, 'enqueued');
  const first = work.firstInLine(held);
  if (first !== held.seq) throw illegal(transition, `: message ${first} of the same entity is ahead of it`);
  if ('unstarted' in transition && transition.unstarted) throw illegal(transition, ': it starts and has not started');
  return { ...held, attempt: held.attempt + 1 };
}

/** Puts a message at the next place. */
export function appendToLine(work: Work, message: StoredMessage): void {
  const { id, seq, messageId, replyTo } = message;
  const indexed = numberInId(id) !== seq;
  const { kind, headers, payload, enqueuedAt, replayOf, recurrence, lastRunId } = message;
  work.numbers.nextSeq = seq + 1;
  work.numbers.inLine += 1;
  const body = { enqueuedAt, kind, headers, replayOf, recurrence, lastRunId, payload };
  work.bodies.set(seq, body);
  work.put({
    seq,
    id,
    entityType: message.entityType,
    entityId: message.entityId,
    name: message.name,
    state: message.state,
    attempt: message.attempt,
    interruptions: message.interruptions,
    notBefore: message.notBefore,
    expiresAt: message.expiresAt,
    messageId,
    replyTo,
    hasPast: false,
    indexed,
    bodyInHead: standsInHead(body, work.lineFormat),
  });
  if (indexed) work.pointers.set(id, { seq });
  rememberMessageId(work, message);
}

/** Another state at the same place, perhaps with a longer past. */
export function putBack(work: Work, held: Held, past?: readonly AttemptRecord[]): void {
  if (past === undefined) {
    work.put(held);
    return;
  }
  work.pasts.set(held.seq, past);
  work.put(held.hasPast ? held : { ...held, hasPast: true });
}

export function addDelayed(work: Work, message: StoredMessage): void {
  const { numbers } = work;
  const order = numbers.nextDelayed;
  numbers.nextDelayed = order + 1;
  numbers.delayed += 1;
  work.delayed.set(order, message);
  work.due.set(dueMember(order, message), message.notBefore);
  if (message.recurrence !== undefined) work.reminders.set(reminderMember(order, message), order);
  work.pointers.set(message.id, { delayed: order });
  rememberMessageId(work, message);
}

export function removeDelayed(work: Work, order: number, message: StoredMessage): void {
  work.numbers.delayed -= 1;
  work.delayed.delete(order);
  work.due.set(dueMember(order, message), undefined);
  if (message.recurrence !== undefined) work.reminders.set(reminderMember(order, message), undefined);
  work.pointers.delete(message.id);
}

/**
 * A message that left the line or the delayed ones ends: counted, and its verdict kept if someone may ask (M12).
 *
 * @param untold what is stored is not what is to be told.
 */
export function end(work: Work, message: Ending, verdict: Verdict, keep?: boolean, untold?: boolean): void {
  work.numbers[verdict.state] += 1;
  const { id, replyTo } = message;
  if (replyTo !== undefined && untold !== true && !isPolled(replyTo)) work.waiters.push({ replyTo, id, verdict });
  if (keep || message.messageId !== undefined) keepVerdict(work, message, verdict);
}

/** The same for one that did not complete: it also becomes a dead letter. */
export function bury(
  work: Work,
  message: StoredMessage,
  verdict: Verdict & { readonly state: 'failed' | 'interrupted' | 'expired' },
  keep?: boolean,
): void {
  const { numbers } = work;
  const { state, error } = verdict;
  const { id, entityType, entityId, name } = message;
  const number = numbers.nextLetter;
  numbers.nextLetter = number + 1;
  numbers.letters += 1;
  work.letters.set(number, { id, entityType, entityId, name, reason: state, diedAt: work.now });
  work.corpses.set(number, { ...(error !== undefined && { error }), message });
  work.letterTypes.set(entityType, work.lettersOfType(entityType) + 1);
  work.pointers.set(id, { letter: number });
  end(work, message, { state, ...(error !== undefined && { error }) }, keep);
}

export function expired(work: Work, message: StoredMessage): Outcome {
  bury(work, message, { state: 'expired' }, message.replyTo !== undefined);
  return { type: 'expired', message };
}

export function removeLetter(work: Work, { number, id, message }: Letter): void {
  work.numbers.letters -= 1;
  work.letters.delete(number);
  work.corpses.delete(number);
  work.letterTypes.set(message.entityType, work.lettersOfType(message.entityType) - 1);
  point(work, id, { ...work.pointers.get(id), letter: undefined });
}

export function letterOf(work: Work, id: string): Letter | undefined {
  const number = work.pointers.get(id)?.letter;
  if (number === undefined) return undefined;
  const [head, corpse] = both(
    () => work.letters.get(number),
    () => work.corpses.get(number),
  );
  if (head === undefined || corpse === undefined) return undefined;
  return { number, id, error: corpse.error, message: corpse.message, reason: head.reason };
}

/** Where a pending id is: a message in line, or the number of a delayed one. */
export function findPending(work: Work, id: string): Held | number | undefined {
  const n = numberInId(id);
  const [own, pointer] = both(
    () => (n >= 1 && n < work.numbers.nextSeq ? work.held(n) : undefined),
    () => work.pointers.get(id),
  );
  if (own?.id === id) return own;
  if (pointer?.delayed !== undefined) return pointer.delayed;
  return pointer?.seq === undefined ? undefined : work.held(pointer.seq);
}

/** The outcome for a message that the shard knows already, by its `messageId` first, then by its id. */
export function findDuplicate(work: Work, envelope: Envelope): Outcome | undefined {
  const { id, messageId, entityType, entityId } = envelope;
  const isNew = work.takeNewId(id);
  if (messageId === undefined && isNew) return undefined;
  const [byKey] = both(
    () => (messageId === undefined ? undefined : work.messageIds.get(messageKey(entityType, entityId, messageId))),
    () => (isNew ? undefined : lookKnown(work, id)),
  );
  const known = (byKey === undefined ? undefined : findKnown(work, byKey)) ?? (isNew ? undefined : findKnown(work, id));
  if (known !== undefined || isNew) return known;
  const letter = letterOf(work, id);
  if (letter === undefined) return undefined;
  const { error } = letter;
  return { type: 'duplicate', id, verdict: { state: letter.reason, ...(error !== undefined && { error }) } };
}

/** Looks at all that `findKnown` will need, and changes nothing. */
function lookKnown(work: Work, id: string): void {
  findPending(work, id);
  const order = work.pointers.get(id)?.verdict;
  if (order !== undefined) work.verdicts.get(order);
}

function findKnown(work: Work, id: string): Outcome | undefined {
  if (findPending(work, id) !== undefined) return { type: 'duplicate', id };
  const order = work.pointers.get(id)?.verdict;
  const kept = order === undefined ? undefined : work.verdicts.get(order);
  if (kept === undefined || order === undefined) return undefined;
  if (kept.at > work.now) return { type: 'duplicate', id, verdict: kept.verdict };
  forgetVerdict(work, order);
  return undefined;
}

function keepVerdict(work: Work, message: Ending, verdict: Verdict): void {
  const { numbers, now } = work;
  const { id, entityType, entityId, messageId, replyTo } = message;
  const { entryTtlMs, waiterTtlMs = WAITER_TTL_MS } = work.retention;
  const isForWaiter = messageId === undefined && replyTo !== undefined;
  const order = numbers.nextKept;
  const at = now + (isForWaiter ? waiterTtlMs : entryTtlMs);
  numbers.nextKept = order + 1;
  numbers.verdicts += 1;
  const key = messageId === undefined ? undefined : messageKey(entityType, entityId, messageId);
  const polled = isPolled(replyTo) ? ({ polled: true } as const) : undefined;
  const keyed = key === undefined ? undefined : { messageKey: key };
  work.verdicts.set(order, { id, entityType, entityId, verdict, ...keyed, ...polled, at });
  work.kept.set(order, at);
  if (polled !== undefined) work.replies.set(id, replyText(verdict));
  // A message that has just ended is nowhere else than in the dead letters of this commit.
  work.pointers.set(id, { letter: work.pointers.changes.get(id)?.letter, verdict: order });
}

/** Forgets a verdict that is there. */
export function forgetVerdict(work: Work, order: number): void {
  const kept = work.verdicts.get(order);
  if (kept === undefined) return;
  const { id, messageKey: key } = kept;
  const [pointer, first] = both(
    () => work.pointers.get(id),
    () => (key === undefined ? undefined : work.messageIds.get(key)),
  );
  work.numbers.verdicts -= 1;
  work.verdicts.delete(order);
  work.kept.set(order, undefined);
  // A note leaves what was written later under its id by the message itself.
  if (kept.polled === true && (kept.note !== true || pointer?.verdict === undefined)) work.replies.set(id, undefined);
  if (kept.note === true) return;
  point(work, id, { ...pointer, verdict: undefined });
  if (key !== undefined && first === id) work.messageIds.delete(key);
}

export function rememberMessageId(work: Work, { id, entityType, entityId, messageId }: Envelope): void {
  if (messageId !== undefined) work.messageIds.set(messageKey(entityType, entityId, messageId), id);
}

function point(work: Work, id: string, pointer: Pointer): void {
  const { seq, delayed, letter, verdict } = pointer;
  const isNowhere = seq === undefined && delayed === undefined && letter === undefined && verdict === undefined;
  if (isNowhere) work.pointers.delete(id);
  else work.pointers.set(id, pointer);
}

/** Two looks whose misses are fetched together. */
function both<A, B>(first: () => A, second: () => B): [A, B] {
  let a: A;
  try {
    a = first();
  } catch (error) {
    // The second look notes its own wishes, and its miss stands for both.
    if (error instanceof Miss) second();
    throw error;
  }
  return [a, second()];
}
