/** The store on Redis keeps the contract while its scripts are removed from the server all the time. */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runGeneratedSequence, walContractCases } from '../../src/testing/wal-contract.js';
import { Clients } from '../redis/clients.js';
import { RedisServer } from '../redis/harness.mjs';
import { redisFactory } from '../redis/redis-wals.js';

const repeatCommand = (seed: number): string =>
  `WAL_SEED=${seed} npx vitest run test/contract/wal-redis-flush.test.ts -t 'generated'`;
const chosen = process.env['WAL_SEED'];
const seeds = chosen === undefined ? Array.from({ length: 30 }, (_, index) => index + 1) : [Number(chosen)];

const clients = new Clients();
let server: RedisServer;
let client: Redis;
let flushes = 0;

beforeAll(async () => {
  server = await RedisServer.start({ appendonly: 'no' });
  client = flushing(await clients.single(server));
});

afterAll(async () => {
  clients.close();
  await server.dispose();
});

/** Has the scripts removed before each one that is named by its hash: on one connection the flush is done first. */
function flushing(real: Redis): Redis {
  return new Proxy(real, {
    get(target, name) {
      if (name === 'evalsha') {
        return (sha: string, count: number, ...rest: string[]) => {
          flushes += 1;
          void target.script('FLUSH');
          return target.evalsha(sha, count, ...rest);
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const factory = redisFactory(() => client);

describe('the WAL contract, without scripts on the server', () => {
  it.each(walContractCases())('$name', (promise) => promise.run(factory));

  it('answers generated sequences as the model does (I1-I7)', { timeout: 120_000 }, async () => {
    for (const seed of seeds) await runGeneratedSequence(seed, factory, { commits: 8, repliesTo: true, repeatCommand });
    expect(flushes).toBeGreaterThan(100);
  });
});
