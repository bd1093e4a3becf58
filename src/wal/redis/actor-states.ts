/**
 * Texts of actor states: JSON as it is, or behind the time at which it ends, which no JSON text begins like. The sorted set
 * of times only says where to look: a later state may have no end, or be gone, and its old time is found when it is up.
 */
import type { EntityKey } from '../../message/entity-key.js';
import type { ShardKeys } from './keys.js';
import type { RedisClient } from './scripts.js';
import { bucketOfName, fromField, toField } from './text.js';

export interface StoredState {
  /** JSON text. */
  readonly text: string;
  /** Counts before this wall time; undefined: for good. */
  readonly until?: number | undefined;
}

const TIMED = '@';
/** Entities whose times are up that are looked at in one go, and in one cleanup. */
const PAGE = 1_000;
const LOOKED_AT_MAX = 20_000;

export function stateText({ text, until }: StoredState): string {
  return until === undefined ? text : `${TIMED}${until}:${text}`;
}

export function stateOf(text: string): StoredState {
  if (!text.startsWith(TIMED)) return { text };
  const border = text.indexOf(':');
  return { text: text.slice(border + 1), until: Number(text.slice(1, border)) };
}

/** The states of these entities at a time, in their order. */
export async function readStates(
  client: RedisClient,
  keys: ShardKeys,
  entities: readonly EntityKey[],
  now: number,
): Promise<readonly (string | undefined)[]> {
  const found = await statesOf(client, keys, entities);
  return entities.map((key) => {
    const state = found.get(key);
    return state === undefined || (state.until !== undefined && state.until <= now) ? undefined : state.text;
  });
}

export interface EndedStates {
  /** States that have ended. */
  readonly ended: readonly EntityKey[];
  /** Entities that are named for a time that is up and have another state by now, or none. */
  readonly stale: readonly EntityKey[];
}

/** States that have ended, those with the earliest time first, at most `limit`. For the owner, who alone changes them. */
export async function findEndedStates(
  client: RedisClient,
  keys: ShardKeys,
  now: number,
  limit: number,
): Promise<EndedStates> {
  const ended: EntityKey[] = [];
  const stale: EntityKey[] = [];
  for (let from = 0; ended.length < limit && from < LOOKED_AT_MAX; from += PAGE) {
    const fields = await client.zrangebyscore(keys.stateTimes, '(-inf', now, 'LIMIT', from, PAGE);
    const names = fields.map((field) => fromField(field) as EntityKey);
    const states = await statesOf(client, keys, names);
    for (const name of names) {
      const until = states.get(name)?.until;
      if (until === undefined) stale.push(name);
      else if (until <= now && ended.length < limit) ended.push(name);
    }
    if (fields.length < PAGE) break;
  }
  return { ended, stale };
}

/** One command for each bucket. */
async function statesOf(
  client: RedisClient,
  keys: ShardKeys,
  entities: readonly EntityKey[],
): Promise<ReadonlyMap<EntityKey, StoredState>> {
  const byBucket = new Map<number, EntityKey[]>();
  for (const key of entities) {
    const bucket = bucketOfName(key);
    const some = byBucket.get(bucket);
    if (some === undefined) byBucket.set(bucket, [key]);
    else some.push(key);
  }
  const states = new Map<EntityKey, StoredState>();
  await Promise.all(
    [...byBucket].map(async ([bucket, some]) => {
      const texts = await client.hmget(keys.states[bucket] as string, ...some.map(toField));
      for (const [index, key] of some.entries()) {
        const text = texts[index] ?? null;
        if (text !== null) states.set(key, stateOf(text));
      }
    }),
  );
  return states;
}
