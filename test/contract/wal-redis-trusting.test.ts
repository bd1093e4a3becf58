/**
 * The store on Redis as nodes run it: without a check of lines. The owner then promises to start a message only when
 * nothing of its entity waits ahead that it can know of. Generated sequences that keep this promise get the same answers
 * as from the pure model, also with ids as owners make them, which the store looks up only where it must.
 */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/runtime/random.js';
import { ContractClock } from '../../src/testing/wal-contract.js';
import { Choice, CommitGenerator } from '../../src/testing/wal-contract-generator.js';
import { canonicalAnswer, readEverything } from '../../src/testing/wal-contract-shard.js';
import { MemoryStore, MemoryWal } from '../../src/wal/memory/memory-wal.js';
import { openShard } from '../../src/wal/shard-state.js';
import type { Offer, RetentionOptions } from '../../src/wal/wal.js';
import { LINES_UNDER_TEST, redisFactory } from '../redis/redis-wals.js';
import { serverOfFile } from '../redis/server-of-file.js';
import { OwnIds } from './own-ids.js';
import { promised } from './trusting-owner.js';

const RETENTION: RetentionOptions = { entryTtlMs: 5_000, verdictsMax: 1_000 };
const COMMITS = 25;

const redis = serverOfFile();

async function runSequence(seed: number, ownIds: boolean): Promise<void> {
  const choice = new Choice(seededRandom(seed));
  const generator = new CommitGenerator(choice);
  const clock = new ContractClock();
  const store = new MemoryStore();
  const model = new MemoryWal({ clock, store, retention: RETENTION });
  const lines = LINES_UNDER_TEST[seed % LINES_UNDER_TEST.length];
  const factory = redisFactory(() => redis.client, {}, lines);
  const stored = await factory.create({ clock, retention: RETENTION, clusterId: 'generated' });
  try {
    await model.start();
    let wal = stored.wal;
    const state = store.shard(0);
    let offered = 0;
    let number = 0;
    let epoch = 0;
    let incarnation = '';
    const made = new OwnIds();
    const open = async (): Promise<void> => {
      incarnation = `owner-${epoch}`;
      const opened = await wal.open(0, incarnation);
      openShard(state, incarnation, opened.epoch);
      epoch = opened.epoch;
      number = 0;
    };
    await open();
    for (let step = 1; step <= COMMITS; step++) {
      if (choice.chance(0.05)) {
        wal = await stored.reopen();
        await open();
      }
      if (choice.chance(0.3)) {
        const transition = generator.offered(state, clock.now(), RETENTION);
        offered += 1;
        const offers: Offer[] = [{ session: 's', number: offered, transition }];
        await model.offer(0, offers);
        await wal.offer(0, offers);
      }
      clock.nowMs += choice.below(800);
      number += 1;
      const length = choice.chance(0.2) ? 40 : choice.below(8);
      const now = clock.now();
      const legal = generator.legal(state, now, RETENTION, length);
      const named = ownIds ? made.rename(legal, `generate-${epoch.toString(36)}`, state.numbers.nextSeq) : legal;
      const transitions = promised(state, now, RETENTION, named);
      const request = { shard: 0, epoch, incarnation, number, transitions };
      const expected = canonicalAnswer(await model.commit(request));
      const answer = canonicalAnswer(await wal.commit(request));
      expect(
        answer,
        `seed ${seed}, step ${step}: repeat with AQ_SEED=${seed} npx vitest run test/contract/wal-redis-trusting.test.ts`,
      ).toBe(expected);
    }
    const scope = { ids: [...generator.ids, ...made.all()], entities: generator.entities, sessions: ['s'] };
    expect(await readEverything(wal, scope), `seed ${seed}`).toBe(await readEverything(model, scope));
  } finally {
    await stored.dispose();
  }
}

const chosen = process.env['AQ_SEED'];
const seeds = chosen === undefined ? Array.from({ length: 150 }, (_, index) => index + 1) : [Number(chosen)];

describe('the store on Redis without a check of lines', () => {
  it('answers and reads as the model does to an owner that keeps its promise (I1-I7)', {
    timeout: 120_000,
  }, async () => {
    for (const seed of seeds) await runSequence(seed, false);
  });

  it('answers so as well when ids tell places, or nearly (I1-I7)', { timeout: 120_000 }, async () => {
    for (const seed of seeds) await runSequence(seed, true);
  });
});
