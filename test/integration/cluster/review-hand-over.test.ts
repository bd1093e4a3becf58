/** What happens to callers, and to other entities, while a shard changes its owner. */
import { afterEach, describe, expect, it } from 'vitest';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import type { ClusterEngine } from '../../../src/cluster/cluster-engine.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';
import { ReviewCluster } from './review-cluster.js';

describe('a shard on its way', () => {
  let cluster: ReviewCluster;
  afterEach(async () => {
    await cluster.stop();
    expect(cluster.runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });

  it('answers who waits with the reply when a long handler keeps the shard from being moved (I5)', async () => {
    cluster = new ReviewCluster(4);
    const started: string[] = [];
    let releaseAll = (): void => {};
    const gate = new Promise<void>((resolve) => {
      releaseAll = resolve;
    });
    const prepare = (node: AtomicQueuesNode): void => {
      node.handle('account', 'long', async () => {
        started.push('long');
        await gate;
      });
      node.handle('account', 'add', (_message, { entityId }) => `added to ${entityId}`);
    };
    const one = cluster.node('one', { prepare }).node;
    await cluster.until(one.start());
    // Something long in every shard, and someone who waits behind it.
    const ids = Array.from({ length: 16 }, (_, index) => `a${index}`);
    for (const id of ids) await cluster.until(one.queueBus.enqueue('account', 'long', id, {}));
    await cluster.runtime.advance(50);
    const replies = ids.map((id) => one.queueBus.enqueueAndWait('account', 'add', id, {}, { timeoutMs: 0 }));
    const two = cluster.node('two', { prepare }).node;
    const starting = two.start();
    // The first try to move the shards has been given up when the handlers end.
    const states = (): string[] => (one.engine as ClusterEngine).describe().shards.map(({ state }) => state);
    while (!states().includes('leaving')) await cluster.runtime.advance(10);
    while (states().includes('leaving')) await cluster.runtime.advance(10);
    releaseAll();
    await cluster.until(starting);
    expect(await cluster.until(Promise.all(replies))).toEqual(ids.map((id) => `added to ${id}`));
  });

  it('keeps the other entities of a shard going while a long handler prevents its move (I9)', async () => {
    cluster = new ReviewCluster(2);
    const { runtime } = cluster;
    const prepare = (node: AtomicQueuesNode): void => {
      node.handle('account', 'long', () => cluster.pass(25_000));
      node.handle('account', 'add', () => undefined);
    };
    const one = cluster.node('one', { prepare }).node;
    await cluster.until(one.start());
    const ids = Array.from({ length: 8 }, (_, index) => `a${index}`);
    for (const id of ids) await cluster.until(one.queueBus.enqueue('account', 'long', id, {}));
    const two = cluster.node('two', { prepare }).node;
    await cluster.until(two.start());
    let late = 0;
    let all = 0;
    const waits: Promise<unknown>[] = [];
    for (let passedMs = 0; passedMs < 18_000; passedMs += 50) {
      for (let other = 0; other < 8; other += 1) {
        const sentAt = runtime.clock.monotonic();
        const wait = one.queueBus.enqueueAndWait('account', 'add', `b${other}`, {}, { timeoutMs: 0 });
        all += 1;
        waits.push(wait.then(() => void (late += runtime.clock.monotonic() - sentAt > 300 ? 1 : 0)));
      }
      await runtime.advance(50);
    }
    await cluster.until(Promise.all(waits));
    expect(late / all).toBeLessThan(0.15);
  });

  it('ends every wait, and every timer, when the store swallows a commit while the node stops (I5)', async () => {
    cluster = new ReviewCluster();
    const { node, wal } = cluster.node('one', {
      config: { shutdownTimeout: 500 },
      prepare: (made) => made.handle('account', 'add', () => 'done'),
    });
    await cluster.until(node.start());
    let failAll = (): void => {};
    wal.onCommit = (request, go) => {
      if (!request.transitions.some(({ type }) => type === 'complete')) return go();
      return new Promise((_, reject) => {
        failAll = () => reject(new StoreUnavailableError('the connection is gone', 'unknown', true));
      });
    };
    const reply = node.queueBus.enqueueAndWait('account', 'add', 'a', {}, { timeoutMs: 60_000 });
    reply.catch(() => {});
    await cluster.runtime.advance(50);
    await cluster.until(node.stop());
    failAll();
    await expect(cluster.until(reply, 5_000)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  it('does not wait for answers that nobody is left to give when the last node stops', async () => {
    cluster = new ReviewCluster();
    const { node } = cluster.node('one', {
      config: { shutdownTimeout: 10_000 },
      prepare: (made) => made.handle('account', 'add', () => 'done'),
    });
    await cluster.until(node.start());
    const reply = node.queueBus.enqueueAndWait('account', 'add', 'a', {}, { delayMs: 60_000 });
    reply.catch(() => {});
    await cluster.runtime.advance(50);
    const before = cluster.runtime.clock.monotonic();
    await cluster.until(node.stop());
    expect(cluster.runtime.clock.monotonic() - before).toBeLessThan(1_500);
    await expect(reply).rejects.toMatchObject({ code: 'SHUTTING_DOWN', retryable: false });
  });

  it('refuses new work at the door as soon as the node stops, whoever owns the entity (I8)', async () => {
    cluster = new ReviewCluster(4);
    const prepare = (made: AtomicQueuesNode): void => void made.handle('account', 'add', () => 'done');
    const [one, two] = [cluster.node('one', { prepare }).node, cluster.node('two', { prepare }).node];
    await cluster.until(Promise.all([one.start(), two.start()]));
    await cluster.runtime.advance(3_000);
    const stopping = one.stop();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    const codes = new Set<string>();
    for (let index = 0; index < 16; index += 1) {
      one.queueBus.enqueue('account', 'add', `a${index}`, {}).then(
        () => codes.add('accepted'),
        (error: { code: string }) => codes.add(error.code),
      );
    }
    await cluster.runtime.settle();
    await cluster.until(stopping);
    expect([...codes]).toEqual(['SHUTTING_DOWN']);
  });

  it('never runs two handlers of one entity on a node that lost its shard and opens it again (I3)', async () => {
    cluster = new ReviewCluster();
    let running = 0;
    let most = 0;
    const { node, wal } = cluster.node('one', {
      prepare: (made) =>
        made.handle('account', 'slow', async () => {
          running += 1;
          most = Math.max(most, running);
          await cluster.pass(1_000);
          running -= 1;
        }),
    });
    await cluster.until(node.start());
    await cluster.until(node.queueBus.enqueue('account', 'slow', 'a', {}));
    await cluster.until(node.queueBus.enqueue('account', 'slow', 'a', {}));
    await cluster.runtime.advance(20);
    expect(running).toBe(1);
    wal.onCommit = () => {
      wal.onCommit = undefined;
      return Promise.reject(new StoreUnavailableError('another server', 'no', false));
    };
    await cluster.until(node.queueBus.enqueue('account', 'slow', 'b', {}).catch(() => {}));
    await cluster.runtime.advance(8_000);
    expect(most).toBe(1);
  });
});
