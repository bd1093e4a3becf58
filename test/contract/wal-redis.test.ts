/** The store on Redis keeps the WAL contract, on a real server. */

import { describe, it } from 'vitest';
import { runGeneratedSequence, walContractCases } from '../../src/testing/wal-contract.js';
import { sharedWalContractCases } from '../../src/testing/wal-contract-shared.js';
import { LINES_UNDER_TEST, redisFactory, sharedRedisFactory } from '../redis/redis-wals.js';
import { serverOfFile } from '../redis/server-of-file.js';

const repeatCommand = (seed: number): string =>
  `WAL_SEED=${seed} npx vitest run test/contract/wal-redis.test.ts -t 'generated'`;
const chosen = process.env['WAL_SEED'];
const seeds = chosen === undefined ? Array.from({ length: 150 }, (_, index) => index + 1) : [Number(chosen)];

const redis = serverOfFile();

describe.each(LINES_UNDER_TEST)('lines of %s', (lines) => {
  const factory = redisFactory(() => redis.client, { verifyLineOrder: true }, lines);

  describe('the WAL contract', () => {
    it.each(walContractCases())('$name', (promise) => promise.run(factory));
  });

  describe('the contract of a store that nodes share', () => {
    const shared = sharedRedisFactory(() => redis.clients.single(redis.server), lines);
    it.each(sharedWalContractCases())('$name', (promise) => promise.run(shared));
  });

  describe('generated sequences against the pure model', () => {
    it('answers and reads as the model does (I1-I7)', { timeout: 300_000 }, async () => {
      for (const seed of seeds)
        await runGeneratedSequence(seed, factory, { commits: 12, repliesTo: true, repeatCommand });
    });
  });
});
