/** What a completion sends: into this shard's own line, or into the outbox, from where the owner relays it (M15). */

import { append, checkAppend } from './shard-arrivals.js';
import { type ShardChange, setEntry } from './shard-change.js';
import { APPLIED, illegal, type Of } from './shard-messages.js';
import { copyEnvelope } from './shard-records.js';
import type { Outcome, OutgoingMessage, Sent } from './transition.js';

/**
 * One for this shard is taken in at once, unless offers are left that go first (I4), or earlier ones for this shard wait in
 * the outbox because there were some then: nothing overtakes those (M15).
 */
export function send(change: ShardChange, shard: number, { targetShard, append: asked }: OutgoingMessage): Sent {
  const { state } = change;
  const transition: Of<'append'> = { ...asked, type: 'append', message: copyEnvelope(asked.message) };
  const isOwn = targetShard === shard && state.inbox.length === 0;
  if (isOwn && !state.outbox.some((entry) => entry.targetShard === shard)) {
    const outcome = append(change, transition);
    const message = outcome.type === 'appended' ? state.line.entries.get(outcome.seq) : undefined;
    return { type: 'arrived', outcome, ...(message !== undefined && { message }) };
  }
  checkAppend(transition);
  const { epoch } = state;
  const last = state.outboxNumbers.get(targetShard);
  const number = (last?.epoch === epoch ? last.number : 0) + 1;
  setEntry(change, state.outboxNumbers, targetShard, { epoch, number });
  const entry = { number, epoch, targetShard, append: transition };
  state.outbox.push(entry);
  change.undo.push(() => state.outbox.pop());
  return { type: 'outbox', entry };
}

export function relayed(change: ShardChange, transition: Of<'relayed'>): Outcome {
  const { state, undo } = change;
  const { count } = transition;
  const { outbox } = state;
  if (!(Number.isInteger(count) && count >= 0 && count <= outbox.length))
    throw illegal(transition, `: ${count} entries of ${outbox.length}`);
  state.outbox = outbox.slice(count);
  undo.push(() => void (state.outbox = outbox));
  return APPLIED;
}
