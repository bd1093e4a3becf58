/** Lines of both formats on a real server: where bodies stand, what rewriting keeps, and who may open what. */
import { beforeEach, describe, expect, it } from 'vitest';
import { contractMessage } from '../../../src/testing/wal-contract-shard.js';
import { clusterKeys, type ShardKeys, shardKeys } from '../../../src/wal/redis/keys.js';
import { INLINE_CHARACTERS_MAX } from '../../../src/wal/redis/line-format.js';
import { RedisWal, type RedisWalOptions } from '../../../src/wal/redis/redis-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import type { CommitAnswer } from '../../../src/wal/wal.js';
import { freshPrefix } from '../../redis/redis-wals.js';
import { serverOfFile } from '../../redis/server-of-file.js';

const redis = serverOfFile();
let keyPrefix: string;
let keys: ShardKeys;

beforeEach(() => {
  keyPrefix = freshPrefix();
  keys = shardKeys(keyPrefix, 0);
});

const error = { name: 'Error', message: 'no' };

class Owner {
  epoch = 0;
  number = 0;
  constructor(
    readonly wal: RedisWal,
    readonly incarnation: string,
  ) {}

  static async open(incarnation: string, options: Partial<RedisWalOptions> = {}): Promise<Owner> {
    const wal = new RedisWal({ client: redis.client, keyPrefix, slices: 1, wakes: false, ...options });
    await wal.start();
    const owner = new Owner(wal, incarnation);
    owner.epoch = (await wal.open(0, incarnation)).epoch;
    return owner;
  }

  commit(...transitions: readonly Transition[]): Promise<CommitAnswer> {
    this.number += 1;
    const { epoch, incarnation, number } = this;
    return this.wal.commit({ shard: 0, epoch, incarnation, number, transitions });
  }

  append(id: string, payload = '{"n":1}', dispatch = false): Promise<CommitAnswer> {
    const message = { ...contractMessage(id), entityId: id, payload };
    return this.commit({ type: 'append', message, ...(dispatch && { dispatch }) });
  }
}

const fieldsOf = async (buckets: readonly string[]): Promise<string[]> =>
  (await Promise.all(buckets.map((key) => redis.client.hkeys(key)))).flat().filter((field) => field !== '');
const bodiesApart = (): Promise<string[]> => fieldsOf(keys.bodies);
const shardFormat = (): Promise<string | null> => redis.client.hget(keys.meta, 'format');

describe('lines of format 2', () => {
  it('keep a small body in its head and a large one apart, and leave nothing of either', async () => {
    const owner = await Owner.open('me', { newLineFormat: 2 });
    await owner.append('small');
    await owner.append('large', JSON.stringify('x'.repeat(INLINE_CHARACTERS_MAX)));
    expect(await bodiesApart()).toEqual(['2']);
    expect((await owner.wal.load(0, [1, 2])).map(({ payload }) => payload.length)).toEqual([7, 514]);
    for (const seq of [1, 2]) {
      await owner.commit({ type: 'dispatch', seq });
      await owner.commit({ type: 'complete', seq });
    }
    expect(await bodiesApart()).toEqual([]);
    expect(await fieldsOf(keys.heads)).toEqual([]);
  });

  it('do not touch the hash of bodies for a message whose body is in its head', async () => {
    const owner = await Owner.open('me', { newLineFormat: 2 });
    await owner.append('a', '{}', true);
    // A field that only a delete by mistake would take away.
    await redis.client.hset(keys.bodies[0] as string, '1', 'planted');
    await owner.commit({ type: 'complete', seq: 1 });
    expect(await bodiesApart()).toEqual(['1']);
  });

  it('keep the body when the head is rewritten, also by an owner that has never seen it', async () => {
    const first = await Owner.open('first', { newLineFormat: 2 });
    await first.append('a', '{"text":"one\\ntwo"}', true);
    await first.commit({ type: 'retry', seq: 1, delayMs: 0, error });
    const [retried] = await first.wal.load(0, [1]);
    expect(retried).toMatchObject({ id: 'a', payload: '{"text":"one\\ntwo"}', attempt: 1, history: [{}] });
    const second = await Owner.open('second');
    await second.commit({ type: 'dispatch', seq: 1 });
    await second.commit({ type: 'interrupt', seq: 1, retry: true });
    await second.commit({ type: 'dispatch', seq: 1 });
    await second.commit({ type: 'block', seq: 1, error });
    expect((await second.wal.load(0, [1]))[0]).toMatchObject({ payload: retried?.payload, interruptions: 1 });
    const third = await Owner.open('third');
    const { outcomes } = await third.commit({ type: 'unblock', id: 'a' });
    expect(outcomes[0]).toMatchObject({ type: 'unblocked', message: { payload: retried?.payload } });
    await third.commit({ type: 'dispatch', seq: 1 });
    await third.commit({ type: 'fail', seq: 1, error });
    expect(await third.wal.deadLetter(0, 'a')).toMatchObject({ message: { payload: retried?.payload } });
    const replay = await third.commit({ type: 'replay', id: 'a', newId: 'b' });
    expect(replay.outcomes[0]).toMatchObject({ type: 'queued', message: { payload: retried?.payload, replayOf: 'a' } });
    expect(await bodiesApart()).toEqual([]);
  });
});

describe('a shard that is raised', () => {
  it('says so with the first message of the newer format, and goes on with what stands in it', async () => {
    const owner = await Owner.open('me');
    await owner.append('old');
    expect([await shardFormat(), await bodiesApart()]).toEqual(['1', ['1']]);
    owner.wal.useLineFormat(2);
    expect(await shardFormat()).toBe('1');
    await owner.append('new');
    expect([await shardFormat(), await bodiesApart()]).toEqual(['2', ['1']]);
    expect((await owner.wal.load(0, [1, 2])).map(({ id }) => id)).toEqual(['old', 'new']);
    const next = await Owner.open('next');
    for (const seq of [1, 2]) {
      await next.commit({ type: 'dispatch', seq });
      await next.commit({ type: 'retry', seq, delayMs: 0, error });
    }
    // The shard is what it is, although this store has never been told.
    await next.append('newer');
    expect(await bodiesApart()).toEqual(['1']);
    expect((await next.wal.load(0, [1, 2, 3])).map(({ payload }) => payload)).toEqual(Array(3).fill('{"n":1}'));
  });

  it('says nothing of a commit that was refused', async () => {
    const owner = await Owner.open('me');
    await owner.append('one');
    owner.wal.useLineFormat(2);
    await expect(owner.commit({ type: 'complete', seq: 99 })).rejects.toMatchObject({ name: 'IllegalTransitionError' });
    expect(await shardFormat()).toBe('1');
    owner.number -= 1;
    await owner.append('two');
    expect(await shardFormat()).toBe('2');
  });

  it('is not opened by a node that does not understand it, and stays as it is', async () => {
    const owner = await Owner.open('me');
    owner.wal.useLineFormat(2);
    await owner.append('a');
    const before = await redis.client.hgetall(keys.meta);
    await expect(Owner.open('old', { lineFormatMax: 1 })).rejects.toMatchObject({
      name: 'LineFormatError',
      lineFormat: 2,
      lineFormatMax: 1,
    });
    expect(await redis.client.hgetall(keys.meta)).toEqual(before);
  });
});

describe('a store whose line format was raised', () => {
  it('refuses a node that does not understand it, and says what to do', async () => {
    await Owner.open('me');
    await redis.client.hset(clusterKeys(keyPrefix).meta, 'lineFormat', '2');
    await expect(Owner.open('old', { lineFormatMax: 1 })).rejects.toThrow(
      /lines of this store are of format 2, .* understands formats up to 1.*Start this node with the version/,
    );
    await Owner.open('new');
    expect(await shardFormat()).toBe('2');
    await redis.client.hset(clusterKeys(keyPrefix).meta, 'lineFormat', '3');
    await expect(Owner.open('new')).rejects.toThrow(/of format 3/);
  });
});
