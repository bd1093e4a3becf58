/**
 * Every key and channel name on a Redis server. Nobody else builds one, neither in TypeScript nor in Lua.
 *
 * All keys of a shard share the hash tag `{<prefix>:<shard>}`, so that they live in one slot of a Redis Cluster and one
 * script may use them together; what belongs to the whole cluster shares `{<prefix>}`.
 */

export const DEFAULT_KEY_PREFIX = 'aq';

/** Keys of one shard's hashes that are split, so that none of them gets a million fields (M4). */
export const LINE_BUCKETS = 16;
/** Places in a row that share a bucket. */
export const BUCKET_PLACES = 4_096;

/** What the nodes share besides the shards. All in one slot. */
export interface ClusterKeys {
  /** Hash: what kind of store this is: `format`, `clusterId`, `slices`, `madeAt`. Its absence means a new store. */
  readonly meta: string;
  /** Heartbeats of the nodes. */
  readonly nodes: string;
  /** The binding of entity types to service groups and what those can handle. */
  readonly groups: string;
  /** What each group's master assigned. */
  readonly assignments: string;
  /** What services publish: each process by its incarnation, until when each is taken to live, and the texts by digest. */
  readonly services: string;
  readonly serviceBeats: string;
  readonly contracts: string;
}

export interface ClusterChannels {
  /** Wake hints: the payload is the number of a shard that was offered something. */
  readonly wake: string;
  /** To all nodes. */
  readonly nodes: string;
  /** To one life of one node. */
  node(incarnation: string): string;
}

export function clusterKeys(prefix: string = DEFAULT_KEY_PREFIX): ClusterKeys {
  const tag = clusterTag(prefix);
  return {
    meta: `${tag}:meta`,
    nodes: `${tag}:nodes`,
    groups: `${tag}:groups`,
    assignments: `${tag}:assignments`,
    services: `${tag}:services`,
    serviceBeats: `${tag}:service-beats`,
    contracts: `${tag}:contracts`,
  };
}

export function clusterChannels(prefix: string = DEFAULT_KEY_PREFIX): ClusterChannels {
  checkKeyPrefix(prefix);
  return {
    wake: `${prefix}:wake`,
    nodes: `${prefix}:nodes`,
    node: (incarnation) => `${prefix}:node:${incarnation}`,
  };
}

/** Braces would move the hash tag, and control characters make keys that nobody can type. */
export function checkKeyPrefix(prefix: string): void {
  if (prefix.length === 0 || prefix.length > 100 || /[{}\s\p{Cc}]/u.test(prefix)) {
    throw new RangeError(
      `The key prefix ${JSON.stringify(prefix)} cannot be used: it needs 1 to 100 characters without braces and white space.`,
    );
  }
}

function clusterTag(prefix: string): string {
  checkKeyPrefix(prefix);
  return `{${prefix}}`;
}

/** The keys of one shard. Lists have one key per bucket. */
export interface ShardKeys {
  /** Hash: owner, commit number, and all single numbers of the shard. */
  readonly meta: string;
  /** List: what was offered, oldest first, behind one sentinel. */
  readonly inbox: string;
  /** Hash session -> highest number that was offered; the same for what a commit has taken in. */
  readonly offered: string;
  readonly taken: string;
  /** List: what cannot be taken in, newest last, behind one sentinel. */
  readonly quarantine: string;
  /** Set: the entity types that may be offered, beside one sentinel. */
  readonly types: string;
  /** Hash place -> attempt of the messages that are dispatched. */
  readonly run: string;
  /** Hash: paused lines. */
  readonly paused: string;
  /** Sorted set of delayed messages by due time, and of kept verdicts by the time they are kept until. */
  readonly due: string;
  readonly kept: string;
  /** Sorted set of the delayed messages that recur, by the order of their acceptance; of the blocked places. */
  readonly reminders: string;
  readonly blocked: string;
  /** Sorted set of entities by the time at which their actor state ends; a later state may have none, or another one. */
  readonly stateTimes: string;
  /** Sorted set of producer sessions by about the last time at which something of theirs was taken in. */
  readonly sessions: string;
  /** Hash entity type -> its dead letters. */
  readonly letterTypes: string;
  /** List of outgoing messages behind one sentinel, and hash target shard -> last number. */
  readonly outbox: string;
  readonly outboxNumbers: string;
  /** Hashes by place: what the owner needs of a message in line; the rest of it; errors of former attempts. */
  readonly heads: readonly string[];
  readonly bodies: readonly string[];
  readonly pasts: readonly string[];
  /** Hash id -> where the message is, for those whose id does not say it. Buckets by the id. */
  readonly ids: readonly string[];
  /** Hash idempotency key -> id. Buckets by the key. */
  readonly messageIds: readonly string[];
  /** Hashes by their own growing numbers: delayed messages, dead letters in short and in full, kept verdicts. */
  readonly delayed: readonly string[];
  readonly letters: readonly string[];
  readonly corpses: readonly string[];
  readonly verdicts: readonly string[];
  /** Hash id -> answer for someone who polls. Buckets by the id. Read from outside: `docs/protocol.md`. */
  readonly replies: readonly string[];
  /** Hash entity -> actor state. Buckets by the entity. */
  readonly states: readonly string[];
}

export function shardKeys(prefix: string, shard: number): ShardKeys {
  checkKeyPrefix(prefix);
  if (!(Number.isSafeInteger(shard) && shard >= 0))
    throw new RangeError(`There is no shard ${shard}: shards are counted from 0.`);
  const tag = `{${prefix}:${shard}}`;
  const buckets = (name: string): string[] =>
    Array.from({ length: LINE_BUCKETS }, (_, bucket) => `${tag}:${name}:${bucket}`);
  return {
    meta: `${tag}:meta`,
    inbox: `${tag}:inbox`,
    offered: `${tag}:offered`,
    taken: `${tag}:taken`,
    quarantine: `${tag}:quarantine`,
    types: `${tag}:types`,
    run: `${tag}:run`,
    paused: `${tag}:paused`,
    due: `${tag}:due`,
    kept: `${tag}:kept`,
    reminders: `${tag}:reminders`,
    blocked: `${tag}:blocked`,
    stateTimes: `${tag}:state-times`,
    sessions: `${tag}:sessions`,
    letterTypes: `${tag}:letter-types`,
    outbox: `${tag}:outbox`,
    outboxNumbers: `${tag}:outbox-numbers`,
    heads: buckets('head'),
    bodies: buckets('body'),
    pasts: buckets('past'),
    ids: buckets('id'),
    messageIds: buckets('message-id'),
    delayed: buckets('delayed'),
    letters: buckets('letter'),
    corpses: buckets('corpse'),
    verdicts: buckets('verdict'),
    replies: buckets('reply'),
    states: buckets('state'),
  };
}

/** All keys of a shard by what they hold, in the order in which `open.lua` makes them. */
export function shardKeysByKind(
  keys: ShardKeys,
): Readonly<Record<'hash' | 'zset' | 'list' | 'set', readonly string[]>> {
  const { meta, offered, taken, run, paused, letterTypes, outboxNumbers } = keys;
  return {
    hash: [
      ...[meta, offered, taken, run, paused, letterTypes, outboxNumbers],
      ...[keys.heads, keys.bodies, keys.pasts, keys.ids, keys.messageIds].flat(),
      ...[keys.delayed, keys.letters, keys.corpses, keys.verdicts, keys.replies, keys.states].flat(),
    ],
    zset: [keys.due, keys.kept, keys.reminders, keys.blocked, keys.stateTimes, keys.sessions],
    list: [keys.inbox, keys.outbox, keys.quarantine],
    set: [keys.types],
  };
}

/** The bucket of a place, or of any other growing number. */
export function bucketOf(number: number): number {
  return Math.floor(number / BUCKET_PLACES) % LINE_BUCKETS;
}
