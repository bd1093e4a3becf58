import { afterAll, beforeAll, describe, it } from 'vitest';
import { RedisTransport } from '../../src/cluster/transport/redis/redis-transport.js';
import { systemTimers } from '../../src/runtime/timers.js';
import { type TransportFactory, transportContractCases } from '../../src/testing/transport-contract.js';
import type { RedisClient } from '../../src/wal/redis/scripts.js';
import { Clients } from '../redis/clients.js';
import { RedisCluster, RedisServer, serverMajor } from '../redis/harness.mjs';

interface Wire {
  readonly sharded: boolean;
  /** A pair of clients for a node: for commands and for subscriptions. */
  connect(): Promise<{ readonly client: RedisClient; readonly subscriber: RedisClient }>;
}

let prefixes = 0;

function factoryOn({ sharded, connect }: Wire): TransportFactory {
  return {
    create: async () => {
      prefixes += 1;
      const keyPrefix = `wire${prefixes}`;
      const outsider = await connect();
      const made: RedisTransport[] = [];
      return {
        transport: async () => {
          const transport = new RedisTransport({ ...(await connect()), timers: systemTimers, keyPrefix, sharded });
          made.push(transport);
          return transport;
        },
        wake: async (shard) => {
          await outsider.client.publish(`${keyPrefix}:wake`, String(shard));
        },
        dispose: async () => {
          for (const transport of made) await transport.stop();
        },
      };
    },
  };
}

describe('the transport on Redis', () => {
  const clients = new Clients();
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start({ appendonly: 'no' });
  });

  afterAll(async () => {
    clients.close();
    await server.dispose();
  });

  const connect = async () => ({ client: await clients.single(server), subscriber: await clients.single(server) });
  it.each(transportContractCases())('$name', ({ run }) => run(factoryOn({ sharded: false, connect })));
});

describe.each([
  { title: 'plain channels of a Redis Cluster', sharded: false },
  // Redis has them from version 7.
  ...(serverMajor() >= 7 ? [{ title: 'sharded channels of a Redis Cluster', sharded: true }] : []),
])('the transport on $title', ({ sharded }) => {
  const clients = new Clients();
  let cluster: RedisCluster;

  beforeAll(async () => {
    cluster = await RedisCluster.start({ appendonly: 'no' });
  }, 60_000);

  afterAll(async () => {
    clients.close();
    await cluster.dispose();
  });

  const connect = async () => ({
    client: await clients.cluster(cluster.nodes),
    subscriber: await clients.cluster(cluster.nodes, { sharded }),
  });
  it.each(transportContractCases())('$name', ({ run }) => run(factoryOn({ sharded, connect })));
});
