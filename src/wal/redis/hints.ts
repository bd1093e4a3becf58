/**
 * What the store's scripts say on the channels of nodes: that a shard was offered something, and how a message ended. A hint
 * sent by the script that makes it true arrives a round trip earlier than one that the owner sends afterwards. Texts are
 * those of the Redis transport: a JSON list of its messages.
 */
import type { Verdict } from '../transition.js';
import type { ClusterChannels } from './keys.js';

/** Verdicts that a commit tells at most, and characters of their replies: they travel to the server twice (M3). */
const TOLD_MAX = 16;
const TOLD_CHARACTERS_MAX = 16_384;
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

/** Whether there are some, and so few that the server may be asked to tell them. */
export function areFew(waiters: readonly Waiter[]): boolean {
  if (waiters.length === 0 || waiters.length > TOLD_MAX) return false;
  return waiters.reduce((sum, { verdict }) => sum + (verdict.reply?.length ?? 0), 0) <= TOLD_CHARACTERS_MAX;
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
