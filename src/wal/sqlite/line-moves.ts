/** The steps that transitions are made of: into the line, back into it, out of it, and what an end leaves behind. */
import type { Outcome, StoredMessage, Transition, Verdict } from '../transition.js';
import { IllegalTransitionError } from '../wal.js';
import type { SplitId } from './ids.js';
import { find } from './lookup.js';
import { type MessageRow, messageOfRow, stateOf } from './rows.js';
import { FLAG_ID_ROW, FLAG_MESSAGE_ID, STATE_BLOCKED, STATE_DISPATCHED, STATE_ENQUEUED } from './schema.js';
import { fromText, toText } from './text.js';
import type { Work } from './work.js';

export function addToLine(work: Work, row: MessageRow): void {
  const { line, ids, records, waiting } = work;
  line.append(row);
  if (row.state === STATE_ENQUEUED) waiting.joined(row.seq, row.entity_type, row.entity_id);
  if ((row.flags & FLAG_ID_ROW) !== 0) ids.set(fromText(row.id), 'seq', row.seq);
  if (row.message_id !== null) records.setMessageId(row.entity_type, row.entity_id, row.message_id, row.id);
}

export function removeFromLine(work: Work, row: MessageRow): void {
  work.line.remove(row.seq);
  work.waiting.left(row.seq);
  if ((row.flags & FLAG_ID_ROW) !== 0) work.ids.clear(fromText(row.id), 'seq');
  if (row.state === STATE_BLOCKED) work.records.setBlocked(work.numbers, row.seq, false);
}

/** A message that stays in line in another state; every such state but `dispatched` waits. */
export function putBack(work: Work, row: MessageRow, message: StoredMessage): void {
  work.line.replace(row, message);
  work.waiting.joined(row.seq, row.entity_type, row.entity_id);
  if (message.state === 'blocked') work.records.setBlocked(work.numbers, row.seq, true);
  else if (row.state === STATE_BLOCKED) work.records.setBlocked(work.numbers, row.seq, false);
}

export function rememberMessageId(work: Work, message: StoredMessage): void {
  const { entityType, entityId, messageId, id } = message;
  if (messageId === undefined) return;
  work.records.setMessageId(toText(entityType), toText(entityId), toText(messageId), toText(id));
}

/** A message that left the line or the delayed ones ends: counted, and its verdict kept if someone may ask (M12). */
export function end(work: Work, message: StoredMessage, verdict: Verdict, keep?: boolean): void {
  work.numbers[verdict.state] += 1;
  if (!keep && message.messageId === undefined) return;
  work.records.keepVerdict(work.numbers, message, verdict, work.now + work.retention.entryTtlMs);
}

/** The same for one that did not complete: it also becomes a dead letter. */
export function bury(
  work: Work,
  message: StoredMessage,
  verdict: Verdict & { readonly state: 'failed' | 'interrupted' | 'expired' },
  keep?: boolean,
): void {
  const { state, error } = verdict;
  work.records.addLetter(work.numbers, message, state, error, work.now);
  end(work, message, { state, ...(error !== undefined && { error }) }, keep);
}

export function expired(work: Work, message: StoredMessage): Outcome {
  bury(work, message, { state: 'expired' });
  return { type: 'expired', message };
}

/** A message that must be in line and in this state. */
export function inLine(
  work: Work,
  transition: Transition & { readonly seq: number },
  state: number,
): { message: StoredMessage; row: MessageRow } {
  const row = work.line.row(transition.seq);
  if (row?.state === state) return { message: messageOfRow(row), row };
  const is = row === undefined ? 'not in line' : stateOf(row.state);
  throw illegal(transition, `: it must be ${stateOf(state)} and is ${is}`);
}

/** A message whose handler settles: it is marked as started, or starts with this very transition. */
export function atWork(
  work: Work,
  transition: Extract<Transition, { readonly type: 'complete' | 'retry' | 'fail' | 'block' }>,
): { message: StoredMessage; row: MessageRow } {
  if (!transition.starts) return inLine(work, transition, STATE_DISPATCHED);
  const { message, row } = inLine(work, transition, STATE_ENQUEUED);
  const ahead = work.waiting.verifies ? work.waiting.ahead(row) : undefined;
  if (ahead !== undefined) throw illegal(transition, `: message ${ahead} of the same entity is ahead of it`);
  if ('unstarted' in transition && transition.unstarted) throw illegal(transition, ': it starts and has not started');
  return { message: { ...message, attempt: message.attempt + 1 }, row };
}

/** A message that is blocked, or undefined. */
export function blocked(work: Work, id: string): { message: StoredMessage; row: MessageRow } | undefined {
  const { seq } = find(work, id);
  const row = seq === null ? undefined : work.line.row(seq);
  return row?.state === STATE_BLOCKED ? { message: messageOfRow(row), row } : undefined;
}

export function flagsOf(split: SplitId, seq: number, messageId: string | undefined): number {
  return (split.n === seq ? 0 : FLAG_ID_ROW) | (messageId === undefined ? 0 : FLAG_MESSAGE_ID);
}

export function illegal(transition: Transition & { readonly seq: number }, why: string): IllegalTransitionError {
  return new IllegalTransitionError(`Illegal ${transition.type} of message ${transition.seq}${why}.`);
}
