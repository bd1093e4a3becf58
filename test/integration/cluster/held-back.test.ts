/** A shard that ends the process of whoever opens it (M13). Virtual time. */
import { afterEach, describe, expect, it } from 'vitest';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import type { ClusterEngine } from '../../../src/cluster/cluster-engine.js';
import { ReviewCluster } from './review-cluster.js';

let cluster: ReviewCluster;

afterEach(async () => {
  await cluster.stop();
});

const handling = (node: AtomicQueuesNode): void => {
  node.handle('account', 'add', () => undefined);
};

describe('a shard whose openings keep ending badly', () => {
  it('is held back while the other shards of the node are served, and opened alone after its time (M13)', async () => {
    cluster = new ReviewCluster(4);
    const { store, runtime } = cluster;
    for (const shard of [0, 1, 2, 3]) store.shard(shard).openings = shard === 2 ? 5 : 0;
    const heldBack: object[] = [];
    const opened: number[] = [];
    const { node } = cluster.node('n1', { prepare: handling });
    node.events.on('shardHeldBack', (event) => heldBack.push(event));
    node.events.on('shardOpened', ({ shard }) => opened.push(shard));
    await cluster.until(node.start());
    expect(opened.sort((a, b) => a - b)).toEqual([0, 1, 3]);
    expect(heldBack).toEqual([{ shard: 2, openings: 5 }]);
    await runtime.advance(5_000);
    expect(opened).toEqual([0, 1, 3]);
    expect((node.engine as ClusterEngine).describe().heldBack).toEqual([{ shard: 2, openings: 5 }]);
    await runtime.advance(1_500);
    expect(opened).toEqual([0, 1, 3, 2]);
    expect((node.engine as ClusterEngine).describe().heldBack).toEqual([]);
    expect(store.shard(2).openings).toBe(6);
    await runtime.advance(3_000);
    expect(store.shard(2).openings).toBe(0);
  });

  it('is opened at once when an operator says so', async () => {
    cluster = new ReviewCluster(1);
    const { store, runtime } = cluster;
    store.shard(0).openings = 40;
    const opened: number[] = [];
    const { node, wal } = cluster.node('n1', { prepare: handling });
    node.events.on('shardOpened', ({ shard }) => opened.push(shard));
    await cluster.until(node.start());
    await runtime.advance(60_000);
    expect(opened).toEqual([]);
    await wal.forgetOpenings(0);
    await runtime.advance(1_000);
    expect(opened).toEqual([0]);
  });

  it('is not suspected after nodes that were stopped in order, or that lived with it for a while', async () => {
    cluster = new ReviewCluster(2);
    const { store, runtime } = cluster;
    for (let life = 0; life < 6; life++) {
      const { node } = cluster.node(`n${life}`, { prepare: handling });
      await cluster.until(node.start());
      await runtime.advance(100);
      await cluster.until(node.stop());
      expect([store.shard(0).openings, store.shard(1).openings]).toEqual([0, 0]);
    }
  });
});
