import { afterAll, beforeAll, describe, it } from 'vitest';
import { RedisClusterStore } from '../../src/cluster/transport/redis/redis-cluster-store.js';
import { type ClusterStoreFactory, clusterStoreContractCases } from '../../src/testing/cluster-store-contract.js';
import { clusterKeys } from '../../src/wal/redis/keys.js';
import type { RedisClient } from '../../src/wal/redis/scripts.js';
import { Clients } from '../redis/clients.js';
import { RedisCluster, RedisServer } from '../redis/harness.mjs';

let prefixes = 0;

function factoryOn(connect: () => Promise<RedisClient>): ClusterStoreFactory {
  return {
    create: async () => {
      prefixes += 1;
      const keyPrefix = `store${prefixes}`;
      const made: RedisClusterStore[] = [];
      return {
        node: async () => {
          const client = await connect();
          // As a node does before, with the write-ahead log: without a store, there is no format to raise.
          await client.hset(clusterKeys(keyPrefix).meta, 'format', '1');
          const store = new RedisClusterStore({ client, keyPrefix });
          made.push(store);
          await store.start();
          return store;
        },
        dispose: async () => {
          for (const store of made) await store.stop();
        },
      };
    },
  };
}

describe('the cluster store on Redis', () => {
  const clients = new Clients();
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start({ appendonly: 'no' });
  });

  afterAll(async () => {
    clients.close();
    await server.dispose();
  });

  it.each(clusterStoreContractCases())('$name', ({ run }) => run(factoryOn(() => clients.single(server))));
});

describe('the cluster store on a Redis Cluster', () => {
  const clients = new Clients();
  let cluster: RedisCluster;
  let client: RedisClient;

  beforeAll(async () => {
    cluster = await RedisCluster.start({ appendonly: 'no' });
    client = await clients.cluster(cluster.nodes);
  }, 60_000);

  afterAll(async () => {
    clients.close();
    await cluster.dispose();
  });

  it.each(clusterStoreContractCases())('$name', ({ run }) => run(factoryOn(async () => client)));
});
