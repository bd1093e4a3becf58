/**
 * From the resolved option `redis` to a client of ioredis for one purpose. All settings that decide what is sent twice, in
 * which order, and when it is given up, are made here and nowhere else.
 *
 * What ioredis does by itself and must not: resend commands of a lost connection (measured: a commit ran twice), keep
 * commands for later while it is not connected, and, in a Cluster, send a command again to another node after the
 * connection was lost (`retryDelayOnFailover`). MOVED, ASK and TRYAGAIN are followed: they say that nothing was done.
 */
import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import type { ResolvedRedis } from '../../runtime/config.js';
import type { Random } from '../../runtime/random.js';
import { fault } from './connection-faults.js';
import { useCommand } from './scripts.js';

/** What a connection is for. WAIT stalls what is behind it, so it has one of its own. */
export type RedisRole = 'commit' | 'control' | 'subscriber' | 'wait';

/** The client that the library uses; both kinds have the same commands. */
export type RedisClient = Redis | Cluster;

export interface ClientSettings {
  readonly role: RedisRole;
  /** As CLIENT LIST shows it; without blanks. */
  readonly connectionName: string;
  readonly random: Random;
  /** Whether a subscriber of a Cluster also takes sharded channels. */
  readonly sharded: boolean;
}

const RETRY_MS_MIN = 50;
/** Low, because every 500 ms that a node waits longer than the server is another 500 ms without work. */
const RETRY_MS_MAX = 500;
const KEEP_ALIVE_MS = 5_000;
/** Milliseconds that an ended socket may take to close before it is destroyed. */
const DISCONNECT_MS = 200;
/** Milliseconds between two looks at a server that is loading its data; ioredis would wait a second or more. */
const LOADING_MS = 200;
/** Milliseconds between two looks at who has which slots, without any hint. */
const SLOTS_MS = 5_000;

/** To a write, and to WAIT: what it was waiting for, or is asked to, a replica does not know. */
const NOW_A_REPLICA = /^-?READONLY|-READONLY|^UNBLOCKED|WAIT cannot be used with replica/;

/** Answers in the shapes of RESP2, whatever the protocol and whatever a handed in client prefers. */
type LegacyReplies = { readonly replyMapping: 'legacy' };
type OurOptions = RedisOptions & LegacyReplies;
type OurClusterOptions = ClusterOptions & {
  readonly redisOptions: NonNullable<ClusterOptions['redisOptions']> & LegacyReplies;
};

/** Makes the client, which does not connect yet. */
export async function makeClient(redis: ResolvedRedis, settings: ClientSettings): Promise<RedisClient> {
  const client = await bareClient(redis, settings);
  if (settings.role === 'subscriber') forgiveResubscribing(client);
  return client;
}

/**
 * ioredis subscribes anew by itself after it has connected again, and leaves that promise alone: should the connection be
 * lost once more meanwhile, its rejection would end the process. Who subscribes himself still hears of a failure.
 */
function forgiveResubscribing(client: RedisClient): void {
  for (const name of ['subscribe', 'ssubscribe']) {
    Reflect.set(client, name, withHandledFailure(Reflect.get(client, name) as (...args: unknown[]) => unknown));
  }
}

/** The same function; nobody needs to look at its promise. */
function withHandledFailure(subscribe: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return function handled(this: unknown, ...args: unknown[]): unknown {
    const subscribed = subscribe.apply(this, args);
    Promise.resolve(subscribed).catch(() => {});
    return subscribed;
  };
}

async function bareClient(redis: ResolvedRedis, settings: ClientSettings): Promise<RedisClient> {
  const options = redisOptions(redis, settings);
  if (redis.kind === 'client') return duplicateOf(redis.client, options, settings);
  const { Redis, Cluster } = await loadIoredis();
  const { username, password, db, family, tls } = redis;
  const server: OurOptions = {
    ...options,
    family,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
  switch (redis.kind) {
    case 'cluster': {
      const { natMap } = redis;
      return new Cluster(redis.nodes.map(copyOf), {
        ...clusterOptions(server, settings),
        ...(natMap === undefined ? {} : { natMap: natMap as NonNullable<ClusterOptions['natMap']> }),
      });
    }
    case 'sentinel': {
      const { sentinelUsername, sentinelPassword, sentinelTls, natMap } = redis;
      return new Redis({
        ...server,
        db,
        sentinels: redis.sentinels.map(copyOf),
        name: redis.name,
        enableTLSForSentinelMode: tls !== undefined,
        ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
        ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
        ...(sentinelTls === undefined ? {} : { sentinelTLS: sentinelTls }),
        ...(natMap === undefined ? {} : { natMap: natMap as NonNullable<RedisOptions['natMap']> }),
      });
    }
    case 'single':
      return new Redis({
        ...server,
        db,
        ...(redis.path === undefined ? { host: redis.host, port: redis.port } : { path: redis.path }),
      });
  }
}

/** ioredis writes into the addresses that it is given, and ours are frozen. */
function copyOf<T extends object>(address: T): T {
  return { ...address };
}

/** Sets every option that matters here, so that a duplicated client keeps only what says where and who. */
function redisOptions(redis: ResolvedRedis, { role, connectionName, random }: ClientSettings): OurOptions {
  const retryStrategy = (times: number): number =>
    Math.min(RETRY_MS_MIN * 2 ** Math.min(times - 1, 10), RETRY_MS_MAX) + Math.floor(random.next() * RETRY_MS_MIN);
  return {
    lazyConnect: true,
    connectionName,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // 0: what was under way is rejected as soon as its connection closes. With null it would hang for ever: ioredis keeps
    // it for a resend that never comes.
    maxRetriesPerRequest: 0,
    autoResubscribe: true,
    retryStrategy,
    // 1: connect anew, do not send again. A server that has become a replica is the wrong one behind this name.
    reconnectOnError: (error) => (NOW_A_REPLICA.test(error.message) ? 1 : false),
    connectTimeout: redis.connectTimeoutMs,
    socketTimeout: redis.commandTimeoutMs,
    commandTimeout: undefined,
    blockingTimeout: undefined,
    disconnectTimeout: DISCONNECT_MS,
    keepAlive: KEEP_ALIVE_MS,
    noDelay: true,
    enableReadyCheck: true,
    maxLoadingRetryTime: LOADING_MS,
    enableAutoPipelining: false,
    keyPrefix: '',
    readOnly: false,
    stringNumbers: false,
    replyMapping: 'legacy',
    monitor: false,
    sentinelRetryStrategy: retryStrategy,
    sentinelCommandTimeout: redis.connectTimeoutMs,
    // One connection that hears of a fail-over is enough: when it finds another server, the others are reset.
    failoverDetector: role === 'control',
  };
}

function clusterOptions(node: OurOptions, { role, sharded }: ClientSettings): OurClusterOptions {
  const { enableOfflineQueue: _, retryStrategy, readOnly: __, reconnectOnError: ___, ...redisOptions } = node;
  return {
    lazyConnect: true,
    redisOptions: { ...redisOptions, reconnectOnError: null },
    enableOfflineQueue: false,
    // Of the Cluster as a whole: its question would go to a node that is only connecting, be refused, and begin everything
    // anew. Each node has a check of its own, and a Cluster that is down says so to every command.
    enableReadyCheck: false,
    scaleReads: 'master',
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnTryAgain: 20,
    slotsRefreshTimeout: node.connectTimeout ?? 2_000,
    slotsRefreshInterval: SLOTS_MS,
    ...(typeof retryStrategy === 'function' ? { clusterRetryStrategy: (times) => retryStrategy(times) } : {}),
    enableAutoPipelining: false,
    keyPrefix: '',
    shardedSubscribers: role === 'subscriber' && sharded,
  };
}

interface Duplicable {
  readonly isCluster?: boolean;
  readonly options?: { readonly keyPrefix?: string; readonly redisOptions?: { readonly keyPrefix?: string } };
  duplicate(...args: readonly unknown[]): unknown;
}

function duplicateOf(given: object, options: OurOptions, settings: ClientSettings): RedisClient {
  const client = given as Duplicable;
  const prefix = client.options?.keyPrefix || client.options?.redisOptions?.keyPrefix;
  if (prefix !== undefined && prefix !== '') {
    throw fault(
      `The client that was handed in as redis has keyPrefix ${JSON.stringify(prefix)}, which would stand before the library's own names of keys; hand in one without, and set keyPrefix of the library.`,
    );
  }
  const made =
    client.isCluster === true ? client.duplicate([], clusterOptions(options, settings)) : client.duplicate(options);
  if (typeof (made as Partial<Redis> | undefined)?.disconnect !== 'function') {
    throw fault('The client that was handed in as redis is not one of ioredis: its duplicate() gives no client.');
  }
  return made as RedisClient;
}

async function loadIoredis(): Promise<{ readonly Redis: typeof Redis; readonly Cluster: typeof Cluster }> {
  try {
    const ioredis = await import('ioredis');
    useCommand(ioredis.Command);
    return ioredis;
  } catch (cause) {
    throw fault('redis is set, and the package ioredis could not be loaded; run "npm install ioredis@6".', cause);
  }
}
