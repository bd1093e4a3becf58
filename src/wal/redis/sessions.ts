/**
 * Forgetting producer sessions (M11). A session's marks keep its offers from being taken in twice; one that was not heard of
 * for longer than `SESSION_IDLE_MS_MIN` and `entryTtlMs` is over, and what it still sends is refused as a gap. The owner
 * keeps the times: with the first offer that it takes in of a session, and then every few minutes.
 *
 * The session under which another shard relays its outbox stays for as long as that shard may repeat itself.
 */
import type { ShardKeys } from './keys.js';
import { SEEN_AGAIN_MS } from './memory.js';
import { type RedisClient, runScript, SCRIPTS } from './scripts.js';
import { fromField } from './text.js';

/** Longer than any producer goes on repeating an offer whose answer was lost. */
const SESSION_IDLE_MS_MIN = 3_600_000;
/** Sessions from before there were times that are found in one go. */
const PAGE = 200;

export interface SessionRules {
  readonly client: RedisClient;
  readonly entryTtlMs: number;
  readonly keysOf: (shard: number) => ShardKeys;
}

export interface OldSessions {
  /** Not after this time. */
  readonly before: number;
  /** As fields. */
  readonly sessions: readonly { readonly field: string; readonly mayGo: boolean }[];
}

/** Sessions whose last time is long ago, the oldest first, at most `limit`. */
export async function findOldSessions(
  rules: SessionRules,
  keys: ShardKeys,
  now: number,
  limit: number,
): Promise<OldSessions> {
  const { client, entryTtlMs } = rules;
  const before = now - Math.max(entryTtlMs, SESSION_IDLE_MS_MIN) - SEEN_AGAIN_MS;
  const fields = await client.zrangebyscore(keys.sessions, '(-inf', before, 'LIMIT', 0, Math.max(0, limit));
  const relays = new Map<number, Promise<number>>();
  const sessions = await Promise.all(
    fields.map(async (field) => {
      const source = sourceOf(fromField(field));
      if (source === undefined) return { field, mayGo: true };
      let first = relays.get(source.shard);
      if (first === undefined) {
        first = firstEpochOf(client, rules.keysOf(source.shard));
        relays.set(source.shard, first);
      }
      return { field, mayGo: source.epoch < (await first) };
    }),
  );
  return { before, sessions };
}

/** How many went, or the shard's epoch when it is someone else's. */
export async function forgetSessions(
  client: RedisClient,
  keys: ShardKeys,
  owner: { readonly epoch: number; readonly incarnation: string },
  { before, sessions }: OldSessions,
  now: number,
): Promise<{ readonly stale: string } | { readonly gone: number }> {
  const [code, value] = (await runScript(
    client,
    SCRIPTS.forgetSessions,
    [keys.meta, keys.inbox, keys.offered, keys.taken, keys.sessions],
    [
      ...[String(owner.epoch), owner.incarnation, String(before), String(now)],
      ...sessions.flatMap(({ field, mayGo }) => [field, mayGo ? '1' : '0']),
    ],
  )) as [number, string | number];
  return code === 0 ? { gone: Number(value) } : { stale: String(value) };
}

/** Sessions that a version without times left behind count as heard of now. Goes on at the cursor; returns the next one. */
export async function noteUntimed(client: RedisClient, keys: ShardKeys, cursor: string, now: number): Promise<string> {
  const [marks, times] = await Promise.all([client.hlen(keys.taken), client.zcard(keys.sessions)]);
  if (marks <= times) return '0';
  const [next, pairs] = await client.hscan(keys.taken, cursor, 'COUNT', PAGE);
  const fields = pairs.filter((field, index) => index % 2 === 0 && field !== '');
  if (fields.length > 0) {
    await client.zadd(keys.sessions, 'NX', ...fields.flatMap((field) => [now, field]));
  }
  return next;
}

/** Of a session that relays an outbox (`outboxSession`): where from. */
function sourceOf(session: string): { readonly shard: number; readonly epoch: number } | undefined {
  const [, shard, epoch] = /^outbox\.(\d+)\.([0-9a-z]+)$/.exec(session) ?? [];
  return shard === undefined || epoch === undefined
    ? undefined
    : { shard: Number(shard), epoch: Number.parseInt(epoch, 36) };
}

/** The first epoch whose entries the shard may still relay: nothing is added to those of former ones. */
async function firstEpochOf(client: RedisClient, source: ShardKeys): Promise<number> {
  const epoch = Number((await client.hget(source.meta, 'epoch')) ?? Number.POSITIVE_INFINITY);
  const oldest = await client.lindex(source.outbox, 1);
  return oldest === null ? epoch : Math.min(epoch, (JSON.parse(oldest) as { readonly epoch: number }).epoch);
}
