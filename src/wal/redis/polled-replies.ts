/**
 * Answers for those who are no nodes and look into the store for them (`docs/protocol.md`): a message with `replyTo` "poll"
 * has its verdict, as long as it is kept, in a hash of replies too, under its id and in a form that any language reads.
 * Whoever sent something that was not taken in finds a note there instead.
 */
import type { Envelope } from '../../message/envelope.js';
import type { Outcome, Verdict } from '../transition.js';
import type { Work } from './work.js';

const POLL = 'poll';
/** How long a verdict stays for someone who waits, milliseconds. */
export const WAITER_TTL_MS = 600_000;

export function isPolled(replyTo: unknown): boolean {
  return typeof replyTo === 'string' && (replyTo === POLL || replyTo.startsWith(`${POLL}:`));
}

/** The reply is JSON text already and stands in it as it is. The stack is of no use to anyone outside. */
export function replyText({ state, reply, error }: Verdict): string {
  const value = reply === undefined ? '' : `,"reply":${reply}`;
  if (error === undefined) return `{"state":"${state}"${value}}`;
  const { name, message, data } = error;
  return `{"state":"${state}"${value},"error":${JSON.stringify({ name, message, ...(data !== undefined && { data }) })}}`;
}

/** The id under which the sender of this text looks for an answer, if it is readable and does. */
export function polledId(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, replyTo } = value as { readonly id?: unknown; readonly replyTo?: unknown };
  return typeof id === 'string' && id.length > 0 && id.length <= 4_096 && isPolled(replyTo) ? id : undefined;
}

export function noteRefused(work: Work, id: string, reason: string): void {
  keepNote(work, { id, entityType: '', entityId: '' }, JSON.stringify({ state: 'refused', reason }));
}

/** An offered message was there already: its sender finds the verdict, or the id to look for. */
export function noteDuplicate(work: Work, message: Envelope, first: Extract<Outcome, { type: 'duplicate' }>): void {
  if (!isPolled(message.replyTo)) return;
  const { id, verdict } = first;
  if (verdict !== undefined) keepNote(work, message, replyText(verdict));
  else if (id !== message.id) keepNote(work, message, JSON.stringify({ state: 'duplicate', first: id }));
}

/** Kept and forgotten as a verdict is, but found by nobody else: the id itself is not known to the shard. */
function keepNote(
  work: Work,
  { id, entityType, entityId }: Pick<Envelope, 'id' | 'entityType' | 'entityId'>,
  text: string,
): void {
  const { numbers, now, retention } = work;
  const order = numbers.nextKept;
  const at = now + (retention.waiterTtlMs ?? WAITER_TTL_MS);
  numbers.nextKept = order + 1;
  numbers.verdicts += 1;
  work.verdicts.set(order, { id, entityType, entityId, verdict: { state: 'cancelled' }, polled: true, note: true, at });
  work.kept.set(order, at);
  work.replies.set(id, text);
}
