/** A shared store as commands use it, over the ports alone: who is alive, and in whose place a command may stand. */
import { describe, expect, it } from 'vitest';
import { sharedStore } from '../../../src/cli/shared-store.js';
import { watchNodes } from '../../../src/cli/watched-nodes.js';
import type { NodeRecord } from '../../../src/cluster/cluster-store.js';
import { MemoryClusterStore } from '../../../src/cluster/memory-cluster-store.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';
import { MemoryWal } from '../../../src/wal/memory/memory-wal.js';

const record = (serverId: string, beat: number): NodeRecord => ({
  serverId,
  incarnation: `${serverId}-1`,
  group: 'bank',
  beat,
  state: 'up',
  load: 0,
  shards: {},
  types: [],
  version: '1.0.0',
  format: 1,
});

async function parts() {
  const runtime = new VirtualRuntime();
  const wal = new MemoryWal({ clock: runtime.clock, shardCount: 8, defersAppends: true });
  await wal.start();
  const cluster = new MemoryClusterStore();
  await cluster.start();
  await cluster.bind('bank', {});
  await cluster.bind('shop', {});
  const store = await sharedStore({
    name: 'memory',
    wal,
    cluster,
    slices: 4,
    runtime,
    oneAtATime: (_timeoutMs, _waiting, work) => work(),
  });
  const offer = () => wal.offer(5, [{ session: 's', number: 1, transition: { type: 'pause', entityType: 'account' } }]);
  return { runtime, wal, cluster, store, offer };
}

describe('a shared store', () => {
  it('has the shards of all groups that were ever bound', async () => {
    const { store } = await parts();
    expect(store.shards).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('takes in offers of a shard without owner, and releases it', async () => {
    const { store, wal, offer } = await parts();
    await offer();
    expect(await store.takeIn(5, 's', 1)).toBe(true);
    expect(await wal.offerMark(5, 's')).toBe(1);
    expect((await wal.signs([5]))[0]?.incarnation).toBeUndefined();
  });

  it('leaves a shard alone whose owner gives signs of life, however long it takes', async () => {
    const { store, wal, offer, runtime } = await parts();
    const { epoch } = await wal.open(5, 'owner', { node: 'node-1' });
    await offer();
    for (let second = 0; second < 60; second++) {
      expect(await store.takeIn(5, 's', 1)).toBe(false);
      await runtime.advance(1_000);
      await wal.renew(5, epoch, 'owner');
    }
    expect((await wal.signs([5]))[0]).toMatchObject({ epoch, incarnation: 'owner' });
  });

  it('stands in for an owner that has been silent, whose crash the next owner still sees (M6, M13)', async () => {
    const { store, wal, offer, runtime } = await parts();
    await wal.open(5, 'owner', { node: 'node-1' });
    await offer();
    expect(await store.takeIn(5, 's', 1)).toBe(false);
    await runtime.advance(9_000);
    expect(await store.takeIn(5, 's', 1)).toBe(false);
    await runtime.advance(2_000);
    expect(await store.takeIn(5, 's', 1)).toBe(true);
    const [silent] = await wal.signs([5]);
    expect((await wal.open(5, 'next', { node: 'node-2', silent })).clean).toBe(false);
  });
});

describe('watching nodes', () => {
  it('tells those whose heartbeats move from those that stand still, without their clocks', async () => {
    const { cluster, runtime } = await parts();
    await cluster.beat(record('a', 1));
    await cluster.beat(record('b', 1));
    const watched = watchNodes(() => cluster.view(), runtime, 1_000);
    await runtime.advance(300);
    await cluster.beat(record('a', 2));
    await cluster.beat(record('c', 1));
    await runtime.advance(1_000);
    const { nodes } = await watched;
    expect(nodes.map(({ record: { serverId }, alive }) => [serverId, alive])).toEqual([
      ['a', true],
      ['b', false],
      ['c', true],
    ]);
  });

  it('ends early when all have moved, unless it is to watch for newcomers', async () => {
    const { cluster, runtime } = await parts();
    await cluster.beat(record('a', 1));
    const early = watchNodes(() => cluster.view(), runtime, 10_000);
    const whole = watchNodes(() => cluster.view(), runtime, 10_000, 'whole');
    await runtime.advance(200);
    await cluster.beat(record('a', 2));
    await runtime.advance(200);
    expect((await early).nodes).toHaveLength(1);
    await cluster.beat(record('b', 1));
    await runtime.advance(10_000);
    expect((await whole).nodes.map(({ alive }) => alive)).toEqual([true, true]);
  });
});
