/** What a handler sends with its completion: into this shard's line, or into the outbox and out of it again. */

import { checkAppend } from '../shard-arrivals.js';
import { copyEnvelope } from '../shard-records.js';
import type { Outcome, OutgoingMessage, Sent, Transition } from '../transition.js';
import { illegal } from './line-moves.js';
import type { Work } from './work.js';

type Append = Extract<Transition, { readonly type: 'append' }>;

/**
 * One for this shard is taken in at once, unless offers are left that go first (I4), or earlier ones for this shard wait in
 * the outbox because there were some then: nothing overtakes those (M15).
 */
export function send(
  work: Work,
  { targetShard, append: asked }: OutgoingMessage,
  append: (work: Work, transition: Append) => Outcome,
): Sent {
  const transition: Append = { ...asked, type: 'append', message: copyEnvelope(asked.message) };
  const { shard, epoch } = work.memory.place;
  if (targetShard === shard && !work.leavesOffers && work.lastOwnOutgoing() === 0) {
    const outcome = append(work, transition);
    const held = outcome.type === 'appended' ? work.held(outcome.seq) : undefined;
    return { type: 'arrived', outcome, ...(held !== undefined && { message: work.message(held) }) };
  }
  checkAppend(transition);
  const entry = { number: work.nextOutboxNumber(targetShard), epoch, targetShard, append: transition };
  work.outgoing.push(entry);
  return { type: 'outbox', entry };
}

export function relayed(work: Work, transition: Extract<Transition, { readonly type: 'relayed' }>): Outcome {
  const { count } = transition;
  if (!(Number.isInteger(count) && count >= 0 && count <= work.outboxLength))
    throw illegal(transition, `: ${count} entries of ${work.outboxLength}`);
  work.relay(count);
  return { type: 'applied' };
}
