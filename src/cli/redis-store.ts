/** A store on Redis as commands use it: connected, checked, and closed whatever happens. Never makes one. */
import { RedisClusterStore } from '../cluster/transport/redis/redis-cluster-store.js';
import { resolveConfig } from '../runtime/config.js';
import { RedisConnections } from '../wal/redis/connections.js';
import { redisError } from '../wal/redis/errors.js';
import { clusterKeys } from '../wal/redis/keys.js';
import { RedisWal } from '../wal/redis/redis-wal.js';
import { interruptedReshard } from '../wal/redis/reshard-journal.js';
import type { RedisClient } from '../wal/redis/scripts.js';
import { ToolLockedError, withToolLock } from '../wal/redis/tool-lock.js';
import { commandRuntime } from './command-runtime.js';
import type { CommandStore } from './command-store.js';
import { NotDoneError, UsageError } from './console-io.js';
import { sharedStore } from './shared-store.js';
import { addressText, type RedisAddress } from './store-address.js';

/** How long to try to reach the server. */
const CONNECT_MS = 3_000;

/** What the store says of itself. */
export interface StoreIdentity {
  readonly clusterId: string;
  /** Slices of each service group. */
  readonly slices: number;
}

export async function withRedisStore<T>(address: RedisAddress, work: (store: CommandStore) => Promise<T>): Promise<T> {
  return withRedisClient(address, async (client) => {
    const { slices } = await storeIdentity(client, address);
    const interrupted = await interruptedReshard(client, address.prefix);
    if (interrupted !== undefined) {
      throw new UsageError(
        `The store ${addressText(address)} is being resharded, or that was interrupted. Bring it to its end first: atomic-queues reshard --shards ${interrupted}.`,
      );
    }
    return withParts(client, address, slices, work);
  });
}

/** A connection to the server, closed whatever happens. */
export async function withRedisClient<T>(address: RedisAddress, work: (client: RedisClient) => Promise<T>): Promise<T> {
  const { redis } = resolveConfig({ redis: redisOptions(address), keyPrefix: address.prefix });
  if (redis === undefined) throw new UsageError('Name the server with --redis.');
  const connections = new RedisConnections({
    redis,
    runtime: commandRuntime,
    roles: ['commit'],
    name: `${address.prefix}:command`,
    startTimeoutMs: CONNECT_MS,
  });
  await connections.start();
  try {
    return await work(connections.client('commit'));
  } finally {
    await connections.stop();
  }
}

/** @throws UsageError when there is no store, or one that cannot be used now. */
export async function storeIdentity(client: RedisClient, address: RedisAddress): Promise<StoreIdentity> {
  const meta = await client.hgetall(clusterKeys(address.prefix).meta).catch((error: unknown) => {
    throw redisError(error, false);
  });
  const { clusterId, slices } = meta;
  if (clusterId === undefined || slices === undefined) {
    throw new UsageError(
      `There is no store ${addressText(address)}: no application has been started there with this keyPrefix and database. Name the store with --redis and --prefix.`,
    );
  }
  return { clusterId, slices: Number(slices) };
}

async function withParts<T>(
  client: RedisClient,
  address: RedisAddress,
  slices: number,
  work: (store: CommandStore) => Promise<T>,
): Promise<T> {
  const keyPrefix = address.prefix;
  const wal = new RedisWal({ ...walOptions(address, slices), client });
  const cluster = new RedisClusterStore({ client, keyPrefix });
  await wal.start();
  try {
    await cluster.start();
    const oneAtATime: CommandStore['oneAtATime'] = async (timeoutMs, waiting, change) => {
      try {
        return await withToolLock({ client, keyPrefix, runtime: commandRuntime, timeoutMs, waiting }, change);
      } catch (error) {
        if (!(error instanceof ToolLockedError)) throw error;
        throw new NotDoneError(`${error.message} Try again when it is done, or wait longer with --timeout.`);
      }
    };
    const name = addressText(address);
    return await work(await sharedStore({ name, wal, cluster, slices, runtime: commandRuntime, oneAtATime }));
  } finally {
    await cluster.stop();
    await wal.stop();
  }
}

/** How many verdicts are kept is the application's to decide; this process forgets none. It also warns of nothing. */
export function walOptions({ prefix }: RedisAddress, slices: number) {
  const retention = { verdictsMax: Number.MAX_SAFE_INTEGER };
  return { keyPrefix: prefix, slices, retention, warn: () => {} };
}

function redisOptions({ url, clusterNodes, sentinels }: RedisAddress) {
  if (clusterNodes.length === 0 && sentinels === undefined) return { url };
  const { username, password, protocol, pathname } = new URL(url);
  return {
    ...(sentinels === undefined
      ? { cluster: clusterNodes }
      : { sentinels: sentinels.nodes, name: sentinels.name, db: Number(pathname.slice(1)) }),
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: true }),
  };
}
