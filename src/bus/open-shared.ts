/** From the configuration to what the nodes of a cluster share; undefined when the node is alone. */
import { availableParallelism } from 'node:os';
import { RedisClusterStore } from '../cluster/transport/redis/redis-cluster-store.js';
import { RedisRegistry } from '../cluster/transport/redis/redis-registry.js';
import { RedisTransport } from '../cluster/transport/redis/redis-transport.js';
import type { ResolvedConfig } from '../runtime/config.js';
import type { Logger } from '../runtime/logger.js';
import type { Runtime } from '../runtime/runtime.js';
import { BusyPoll } from '../wal/redis/busy-poll.js';
import { RedisConnections } from '../wal/redis/connections.js';
import { lateClient } from '../wal/redis/late-client.js';
import { OFFER_BYTES_MAX, type RedisWalOptions } from '../wal/redis/options.js';
import { RedisWal } from '../wal/redis/redis-wal.js';
import type { SharedParts } from './node.js';

/** @param tests what only tests set. */
export function openShared(
  config: ResolvedConfig,
  runtime: Runtime,
  logger: Logger,
  tests: Pick<RedisWalOptions, 'lineFormatMax'> = {},
): SharedParts | undefined {
  const { redis, cluster, keyPrefix } = config;
  if (redis === undefined || cluster === undefined) return undefined;
  const name = `${keyPrefix}:${cluster.serverId ?? runtime.freshId()}`;
  const connections = new RedisConnections({ redis, runtime, logger, name });
  const commit = lateClient(connections, 'commit');
  const control = lateClient(connections, 'control');
  const wal = new RedisWal({
    client: commit,
    control,
    ...(redis.replicas > 0 && {
      waiter: lateClient(connections, 'wait'),
      durability: { replicas: redis.replicas },
      // Below the time after which a silent connection is given up.
      replicationTimeoutMs: Math.ceil(redis.commandTimeoutMs * 0.6),
    }),
    keyPrefix,
    slices: cluster.shardsGiven ? cluster.shards : undefined,
    retention: { entryTtlMs: config.wal.entryTTL * 1000, verdictsMax: config.wal.verdictsMax },
    reachesNodes: () => !connections.hasShardedChannels,
    // With one processor the server could not answer meanwhile, if it is on this machine.
    busyPoll: cluster.busyPoll && availableParallelism() > 1 ? new BusyPoll(runtime) : undefined,
    localClock: runtime.clock,
    offerBytesMax: offerBytesMax(config.payloadBytesMax),
    warn: (message) => logger.warn(message),
    ...tests,
  });
  return {
    wal,
    store: new RedisClusterStore({ client: control, keyPrefix }),
    registry: new RedisRegistry({ client: control, keyPrefix }),
    transport: new RedisTransport({
      client: control,
      subscriber: lateClient(connections, 'subscriber'),
      timers: runtime.timers,
      keyPrefix,
      sharded: () => connections.hasShardedChannels,
      logger,
    }),
    connect: () => connections.start(),
    disconnect: () => connections.stop(),
    ping: () => connections.ping('control', cluster.redisHealthCheckMs),
  };
}

/** Whatever a node lets in must fit: a payload stands in an offer as text in text, which may double it. */
function offerBytesMax(payloadBytesMax: number): number {
  return Math.max(OFFER_BYTES_MAX, 2 * payloadBytesMax + 1024 * 1024);
}
