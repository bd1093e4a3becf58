/** The store on Redis keeps the WAL contract on a Redis Cluster, where every script may touch one slot only. */
import type { Cluster } from 'ioredis';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { runGeneratedSequence, walContractCases } from '../../src/testing/wal-contract.js';
import { sharedWalContractCases } from '../../src/testing/wal-contract-shared.js';
import { Clients } from '../redis/clients.js';
import { RedisCluster } from '../redis/harness.mjs';
import { redisFactory, sharedRedisFactory } from '../redis/redis-wals.js';

const repeatCommand = (seed: number): string =>
  `WAL_SEED=${seed} npx vitest run test/contract/wal-redis-cluster.test.ts -t 'generated'`;
const chosen = process.env['WAL_SEED'];
const seeds = chosen === undefined ? Array.from({ length: 30 }, (_, index) => index + 1) : [Number(chosen)];

const clients = new Clients();
let servers: RedisCluster;
let client: Cluster;

beforeAll(async () => {
  servers = await RedisCluster.start({ appendonly: 'no' });
  client = await clients.cluster(servers.nodes);
});

afterAll(async () => {
  clients.close();
  await servers.dispose();
});

/** Every script of either format is used. */
const LINES = 'format 1, then 2';
const factory = redisFactory(() => client, { verifyLineOrder: true }, LINES);

describe('the WAL contract on a Redis Cluster', () => {
  it.each(walContractCases())('$name', (promise) => promise.run(factory));

  it.each(sharedWalContractCases())('$name', (promise) =>
    promise.run(sharedRedisFactory(() => clients.cluster(servers.nodes), LINES)),
  );

  it('answers generated sequences as the model does (I1-I7)', { timeout: 120_000 }, async () => {
    for (const seed of seeds) await runGeneratedSequence(seed, factory, { commits: 8, repliesTo: true, repeatCommand });
  });
});
