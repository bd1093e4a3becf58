/** What a shard forgets in time, what it must not forget, and that neither costs anything while messages pass. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ContractClock } from '../../../src/testing/wal-contract.js';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { type ShardKeys, shardKeys } from '../../../src/wal/redis/keys.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import { outboxSession, type Transition } from '../../../src/wal/transition.js';
import type { CommitAnswer } from '../../../src/wal/wal.js';
import { freshPrefix } from '../../redis/redis-wals.js';
import { serverOfFile } from '../../redis/server-of-file.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ERROR = { name: 'Error', message: 'broke' };

const redis = serverOfFile();
const clock = new ContractClock();
let wal: RedisWal;
let keys: ShardKeys;
let owners: Map<number, { readonly epoch: number; number: number }>;

beforeEach(async () => {
  const keyPrefix = freshPrefix();
  wal = new RedisWal({ client: redis.client, keyPrefix, slices: 1, clock });
  await wal.start();
  keys = shardKeys(keyPrefix, 0);
  owners = new Map();
});

async function open(shard = 0): Promise<number> {
  const { epoch } = await wal.open(shard, 'me');
  owners.set(shard, { epoch, number: 0 });
  return epoch;
}

async function commitTo(shard: number, ...transitions: readonly Transition[]): Promise<CommitAnswer> {
  const owner = owners.get(shard)!;
  owner.number += 1;
  return wal.commit({ shard, epoch: owner.epoch, incarnation: 'me', number: owner.number, transitions });
}

const commit = (...transitions: readonly Transition[]): Promise<CommitAnswer> => commitTo(0, ...transitions);
const cleanup = (limit = 100): Promise<number> => wal.cleanup(0, owners.get(0)!.epoch, 'me', limit);
const append = (id: string): Transition & { type: 'append' } => ({ type: 'append', message: contractMessage(id, id) });

/** Sessions with a mark. */
async function sessions(): Promise<readonly string[]> {
  const [offered, taken] = await Promise.all([redis.client.hkeys(keys.offered), redis.client.hkeys(keys.taken)]);
  return [...new Set([...offered, ...taken])].filter((name) => name !== '').sort();
}

describe('producer sessions', () => {
  it('are forgotten a day after their last offer, and what they still send is refused (M11)', async () => {
    await open();
    await wal.offer(0, contractOffers('old', 1, append('m1'), append('m2')));
    await commit();
    clock.nowMs += DAY - HOUR;
    await wal.offer(0, contractOffers('young', 1, append('m3')));
    await commit();
    await cleanup();
    expect(await sessions()).toEqual(['old', 'young']);
    clock.nowMs += 2 * HOUR;
    await cleanup();
    expect(await sessions()).toEqual(['young']);
    expect(await redis.client.zcard(keys.sessions)).toBe(2);
    const late = wal.offer(0, contractOffers('old', 2, append('m2')));
    await expect(late).rejects.toMatchObject({ name: 'IllegalTransitionError' });
    await wal.offer(0, contractOffers('young', 1, append('m3'), append('m4')));
    expect((await commit()).taken.map(({ message }) => message?.id)).toEqual(['m4']);
  });

  it('stay while they are in use, and while something of theirs waits in the inbox', async () => {
    await open();
    for (let hour = 1; hour <= 30; hour++) {
      await wal.offer(0, contractOffers('busy', hour, append(`b${hour}`)));
      if (hour === 1) await wal.offer(0, contractOffers('waits', 1, append('w1')));
      await commit();
      clock.nowMs += HOUR;
    }
    await wal.offer(0, contractOffers('waits', 2, append('w2')));
    await cleanup();
    expect(await sessions()).toEqual(['busy', 'waits']);
    await commit();
    clock.nowMs += DAY + HOUR;
    await cleanup();
    expect(await sessions()).toEqual([]);
  });

  it('are forgotten in small steps, also those from before their times were kept (I10)', async () => {
    await open();
    for (let n = 0; n < 30; n++) await wal.offer(0, contractOffers(`s${n}`, 1, append(`m${n}`)));
    await commit();
    await commit();
    await redis.client.zremrangebyscore(keys.sessions, '(-inf', '+inf');
    await cleanup();
    expect(await redis.client.zcard(keys.sessions)).toBe(31);
    clock.nowMs += DAY + HOUR;
    await cleanup(20);
    expect((await sessions()).length).toBe(10);
    await cleanup(20);
    expect(await sessions()).toEqual([]);
  });

  it('that relay an outbox stay until the source cannot relay under them again (M15)', async () => {
    const former = await open(1);
    await commitTo(1, { type: 'append', message: contractMessage('first'), dispatch: true });
    const outgoing = ['o1', 'o2'].map((id) => ({ targetShard: 0, append: append(id) }));
    await commitTo(1, { type: 'complete', seq: 1, outgoing });
    const relay = async (): Promise<void> => {
      for (const { epoch, number, append: transition } of await wal.outbox(1, 10))
        await wal.offer(0, [{ session: outboxSession(1, epoch), number, transition }]);
    };
    await open();
    await relay();
    await commit();
    await open(1);
    clock.nowMs += 3 * DAY;
    await cleanup();
    expect(await sessions()).toEqual([outboxSession(1, former)]);
    // The source did not know that they had arrived.
    await relay();
    expect((await commit()).taken).toEqual([]);
    await commitTo(1, { type: 'relayed', count: 2 });
    clock.nowMs += 3 * DAY;
    await cleanup();
    expect(await sessions()).toEqual([]);
  });
});

describe('actor states that end', () => {
  it('leave the store, also when later states have other ends (I10)', async () => {
    await open();
    const state = async (id: string, text: string | null, stateTtlMs?: number): Promise<void> => {
      const { nextSeq } = await commit({
        ...append(`${id}${clock.nowMs}`),
        message: contractMessage(`${id}-${owners.get(0)!.number}`, id),
      });
      const ends = stateTtlMs === undefined ? {} : { stateTtlMs };
      await commit({ type: 'complete', seq: nextSeq - 1, starts: true, state: text, ...ends });
    };
    await state('ends', '1', 1_000);
    await state('longer', '1', 1_000);
    await state('longer', '2', 9_000);
    await state('stays', '1', 1_000);
    await state('stays', '2');
    await state('gone', '1', 1_000);
    await state('gone', null);
    clock.nowMs += 5_000;
    const read = (): Promise<readonly (string | undefined)[]> =>
      wal.actorStates(
        0,
        ['ends', 'longer', 'stays', 'gone'].map((entityId) => ({ entityType: 'account', entityId })),
      );
    expect(await read()).toEqual([undefined, '2', '2', undefined]);
    expect(await cleanup()).toBe(1);
    expect(await read()).toEqual([undefined, '2', '2', undefined]);
    expect(await redis.client.zcard(keys.stateTimes)).toBe(2);
    clock.nowMs += 5_000;
    expect(await cleanup()).toBe(1);
    expect(await redis.client.zcard(keys.stateTimes)).toBe(1);
    expect(await read()).toEqual([undefined, undefined, '2', undefined]);
  });
});

describe('a message that waits in the inbox', () => {
  it('is found by its id, whatever writes it, and behind many others (I7)', async () => {
    const ids = ['plain-1', 'é"\\\u{1f98a}', '日本'];
    const text = (id: string): string => {
      const escaped = JSON.stringify(id).replace(
        /[^\x20-\x7e]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
      return `{"id":${escaped},"entityType":"account","entityId":"a","name":"Deposit","payload":1}`;
    };
    await redis.client.rpush(keys.inbox, '', ...ids.map(text));
    for (let n = 0; n < 1_000; n += 200)
      await wal.offer(0, contractOffers('s', n + 1, ...Array.from({ length: 200 }, (_, at) => append(`m${n + at}`))));
    const waits = { state: 'enqueued', attempt: 0, isOffered: true };
    for (const id of [...ids, 'm0', 'm500', 'm999']) expect(await wal.status(0, id)).toMatchObject({ id, ...waits });
    expect(await wal.status(0, 'm1000')).toBeUndefined();
    await open();
    await commit();
    expect(await wal.status(0, 'plain-1')).toEqual({
      id: 'plain-1',
      state: 'enqueued',
      entityType: 'account',
      entityId: 'a',
      attempt: 0,
    });
  });
});

describe('commits without any of it', () => {
  it('cost no command on an index', async () => {
    await open();
    await commit();
    const indexed = async (): Promise<number> => {
      const stats = await redis.client.info('commandstats');
      const calls = [...stats.matchAll(/cmdstat_(z\w+|rpush|ltrim):calls=(\d+)/g)].map(([, , count]) => Number(count));
      return calls.reduce((sum, count) => sum + count, 0);
    };
    const before = await indexed();
    await commit({ ...append('a'), dispatch: true }, { ...append('b'), dispatch: true }, append('c'));
    await commit({ type: 'complete', seq: 1, state: '{}' }, { type: 'retry', seq: 2, delayMs: 5, error: ERROR });
    await commit({ type: 'complete', seq: 3, state: '{}', starts: true });
    clock.nowMs += 10;
    await commit({ type: 'dispatch', seq: 2 });
    await commit({ type: 'fail', seq: 2, error: ERROR });
    expect(await indexed()).toBe(before);
  });

  it('write the last state of an entity only, and nothing of messages that come and go', async () => {
    await open();
    await commit(...['a', 'b', 'c'].map((id) => ({ type: 'append', message: contractMessage(id) }) as const));
    const calls = async (): Promise<number> =>
      Number(/cmdstat_hset:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1]);
    const before = await calls();
    const run = (seq: number): Transition => ({ type: 'complete', seq, starts: true, state: `${seq}`, stateTtlMs: 10 });
    await commit(
      run(1),
      run(2),
      run(3),
      { type: 'append', message: contractMessage('d') },
      { type: 'complete', seq: 4, starts: true, state: '4' },
    );
    // The shard's numbers, and one state.
    expect((await calls()) - before).toBe(2);
    expect(await redis.client.zcard(keys.stateTimes)).toBe(1);
    clock.nowMs += 100;
    expect(await wal.actorStates(0, [{ entityType: 'account', entityId: 'a-1' }])).toEqual(['4']);
  });
});
