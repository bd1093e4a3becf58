/** What nobody can ask for any more: kept verdicts and actor states past their times, and sessions that are over. */
import type { EntityKey } from '../../message/entity-key.js';
import type { ShardRules } from '../wal.js';
import { findEndedStates } from './actor-states.js';
import { forgetOldest } from './kept-verdicts.js';
import type { ShardKeys } from './keys.js';
import type { RedisClient } from './scripts.js';
import { findOldSessions, type OldSessions } from './sessions.js';
import type { Work } from './work.js';

export interface Forgettable {
  /** How many verdicts. */
  readonly verdicts: number;
  /** Entities whose states have ended. */
  readonly states: readonly EntityKey[];
  /** Entities that stand in the index of times without reason. */
  readonly stale: readonly EntityKey[];
  /** There are neither verdicts nor states. */
  readonly isEmpty: boolean;
  readonly sessions: OldSessions;
}

export interface ForgettingContext {
  readonly client: RedisClient;
  readonly rules: ShardRules;
  readonly keysOf: (shard: number) => ShardKeys;
}

/** At most `limit` of each kind, those with the earliest time first. */
export async function findForgettable(
  { client, rules: { entryTtlMs }, keysOf }: ForgettingContext,
  keys: ShardKeys,
  now: number,
  limit: number,
): Promise<Forgettable> {
  const [due, states, sessions] = await Promise.all([
    client.zcount(keys.kept, '(-inf', String(now)),
    findEndedStates(client, keys, now, limit),
    findOldSessions({ client, entryTtlMs, keysOf }, keys, now, limit),
  ]);
  const verdicts = Math.max(0, Math.min(limit, due));
  const { ended, stale } = states;
  return { verdicts, states: ended, stale, isEmpty: verdicts + ended.length + stale.length === 0, sessions };
}

/** Verdicts and states. Returns how many went. */
export function forget(work: Work, { verdicts, states, stale }: Forgettable): number {
  const forgotten = verdicts === 0 ? 0 : forgetOldest(work, verdicts);
  for (const key of states) work.states.set(key, null);
  for (const key of [...states, ...stale]) work.stateTimes.set(key, undefined);
  return forgotten + states.length;
}
