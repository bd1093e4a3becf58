/** What of a store's calls is worth staying awake for. */
import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createNode } from '../../../src/core.js';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { BusyPoll } from '../../../src/wal/redis/busy-poll.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import { freshPrefix } from '../../redis/redis-wals.js';
import { serverOfFile } from '../../redis/server-of-file.js';

const redis = serverOfFile();

async function followed() {
  const calls: Promise<unknown>[] = [];
  const wal = new RedisWal({
    client: redis.client,
    keyPrefix: freshPrefix(),
    slices: 1,
    busyPoll: { follow: (call) => calls.push(call) },
  });
  await wal.start();
  const { epoch } = await wal.open(0, 'me');
  let number = 0;
  const commit = (...transitions: readonly Transition[]) => {
    number += 1;
    return wal.commit({ shard: 0, epoch, incarnation: 'me', number, transitions });
  };
  return { wal, calls, commit };
}

describe('busy polling on Redis', () => {
  it('follows commits that do something, and none that only look whether there is something to do', async () => {
    const { wal, calls, commit } = await followed();
    await commit();
    expect(calls.length).toBe(0);
    await commit({ type: 'append', message: contractMessage('m1'), dispatch: true });
    expect(calls.length).toBe(1);
    await commit({ type: 'complete', seq: 1 });
    expect(calls.length).toBe(2);
    await wal.offer(0, contractOffers('s', 1, { type: 'append', message: contractMessage('m2') }));
    expect(calls.length, 'whoever offers waits for the verdict').toBe(2);
    expect((await commit()).taken.length).toBe(1);
    expect(calls.length, 'the second call takes in what the first one has shown').toBe(3);
    await Promise.all(calls);
    await wal.stop();
  });

  it('leaves the failure of a call to its sender', async () => {
    const { wal, calls, commit } = await followed();
    await redis.client.config('SET', 'maxmemory', '1');
    try {
      await expect(commit({ type: 'append', message: contractMessage('m1') })).rejects.toThrow('OOM');
    } finally {
      await redis.client.config('SET', 'maxmemory', '0');
    }
    expect(calls.length).toBe(1);
    await expect(calls[0]).rejects.toThrow('OOM');
    await wal.stop();
  });

  describe('of a node', () => {
    afterEach(() => {
      vi.restoreAllMocks();
    });

    it.each([
      ['is on by default', undefined, availableParallelism() > 1],
      ['can be turned off', false, false],
    ])('%s', async (_what, busyPoll, isOn) => {
      const follow = vi.spyOn(BusyPoll.prototype, 'follow');
      const { port } = redis.server;
      const config = { redis: { host: '127.0.0.1', port }, keyPrefix: freshPrefix(), cluster: { busyPoll } };
      const node = createNode({ config }).handle('account', 'add', async () => 'done');
      await node.start();
      try {
        expect(await node.queueBus.enqueueAndWait('account', 'add', 'a', {})).toBe('done');
        expect(follow.mock.calls.length > 0).toBe(isOn);
      } finally {
        await node.stop();
      }
    });
  });
});
