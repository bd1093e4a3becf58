/**
 * What the store's scripts say on the channels of nodes: that a shard was offered something, and how a message ended. A hint
 * sent by the script that makes it true arrives a round trip earlier than one that the owner sends afterwards. Texts are
 * those of the Redis transport: a JSON list of its messages.
 */
import type { Verdict } from '../transition.js';
import type { ClusterChannels } from './keys.js';

/** Bytes of an offer that a wake hint may bring along. */
export const HINTED_BYTES_MAX = 4_096;
export interface Waiter {
  readonly replyTo: string;
  readonly id: string;
  readonly verdict: Verdict;
}

/** Ends in `}]`, so that the script can put the offers in. */
export function wakeText(shard: number): string {
  return JSON.stringify([{ type: 'wake', shard }]);
}

/** Channels and texts in turn. */
export function verdictTexts(waiters: readonly Waiter[], channels: ClusterChannels): readonly string[] {
  return waiters.flatMap(({ replyTo, id, verdict }) => [
    channels.node(replyTo),
    JSON.stringify([{ type: 'verdict', id, verdict }]),
  ]);
}

export function toldOf(waiters: readonly Waiter[]): ReadonlyMap<string, string> {
  return new Map(waiters.map(({ id, replyTo }) => [id, replyTo]));
}
