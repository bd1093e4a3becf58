/** What a new owner makes of a shard that it takes over, and what an owner believes of its lease. */
import { afterEach, describe, expect, it } from 'vitest';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import { LeasedWal } from '../../../src/cluster/leased-wal.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';
import { HookedWal, ReviewCluster, type ReviewedNode } from './review-cluster.js';

describe('an owner', () => {
  let cluster: ReviewCluster;
  afterEach(async () => {
    await cluster.stop();
    expect(cluster.runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });

  it('counts its lease from the first try of a commit whose answer was lost (M6, M7)', async () => {
    cluster = new ReviewCluster();
    const { clock } = cluster.runtime;
    const inner = new HookedWal({ clock, store: cluster.store });
    await inner.start();
    const heldFrom: number[] = [];
    const leased = new LeasedWal(
      inner,
      { node: 'one' },
      {
        sending: () => {
          const sentAt = clock.monotonic();
          return () => heldFrom.push(sentAt);
        },
      },
    );
    const { epoch } = await leased.open(0, 'me');
    const commit = { shard: 0, epoch, incarnation: 'me', number: 1, transitions: [] };
    inner.onCommit = async (_request, go) => {
      inner.onCommit = undefined;
      await go();
      throw new StoreUnavailableError('the answer was lost', 'unknown', true);
    };
    await expect(leased.commit(commit)).rejects.toThrow('the answer was lost');
    const [{ beat } = { beat: 0 }] = await inner.signs([0]);
    await cluster.runtime.advance(1_500);
    await leased.commit(commit);
    // Nobody saw a sign of life since the first try.
    expect((await inner.signs([0]))[0]?.beat).toBe(beat);
    expect(heldFrom.at(-1)).toBe(0);
    await leased.commit({ ...commit, number: 2 });
    expect(heldFrom.at(-1)).toBe(1_500);
  });

  it('runs all that was offered while it took the shard over (I1, I4)', async () => {
    cluster = new ReviewCluster();
    const ran: number[] = [];
    const prepare = (made: AtomicQueuesNode): void => {
      made.handle('account', 'add', (message) => {
        ran.push((message as { n: number }).n);
      });
    };
    const { node: sender, wal } = await bound(cluster, prepare);
    // The last owner died with a message in flight.
    const { epoch } = await wal.open(0, 'dead');
    const message = {
      id: 'x',
      kind: 'command',
      entityType: 'account',
      entityId: 'x',
      name: 'add',
      payload: '1',
    } as const;
    const dying = { type: 'append', message, dispatch: true } as const;
    await wal.commit({ shard: 0, epoch, incarnation: 'dead', number: 1, transitions: [dying] });
    const sent = Array.from({ length: 200 }, (_, n) => n);
    await cluster.until(Promise.all(sent.map((n) => sender.queueBus.enqueue('account', 'add', 'a', { n }))));
    const two = cluster.node('two', { prepare }).node;
    await cluster.until(two.start());
    await cluster.runtime.advance(10_000);
    expect(ran).toEqual(sent);
  });

  it('goes on reading a long backlog after the store could not be read for a moment (I7)', async () => {
    cluster = new ReviewCluster();
    let ran = 0;
    const prepare = (made: AtomicQueuesNode): void => {
      made.handle('account', 'add', () => {
        ran += 1;
      });
    };
    const { node: sender, wal: filled } = await bound(cluster, prepare);
    const count = 6_500;
    await cluster.until(
      Promise.all(Array.from({ length: count }, (_, n) => sender.queueBus.enqueue('account', 'add', `a${n % 50}`, {}))),
    );
    // The last owner had taken all of it in.
    const { epoch } = await filled.open(0, 'taker');
    for (let number = 1; number <= count / 25 + 1; number += 1)
      await filled.commit({ shard: 0, epoch, incarnation: 'taker', number, transitions: [] });
    await filled.release(0, epoch, 'taker');
    const { node, wal } = cluster.node('three', { prepare, config: { residentPlacesMax: 2_000 } });
    let reads = 0;
    wal.onScan = (go) => {
      reads += 1;
      return reads === 3 || reads === 4 ? Promise.reject(new StoreUnavailableError('busy', 'no', true)) : go();
    };
    await cluster.until(node.start());
    await cluster.runtime.advance(20_000);
    expect(ran).toBe(count);
  });

  it('looks again at what it could not start while its lease was in doubt, however short that was (M7)', async () => {
    cluster = new ReviewCluster();
    const { runtime } = cluster;
    let attempts = 0;
    let failedAt = 0;
    const { node } = cluster.node('one', {
      config: { retry: { maxAttempts: 3, backoff: 'fixed', backoffDelay: 1_000 } },
      prepare: (made) => {
        made.handle('account', 'fails', () => {
          attempts += 1;
          if (attempts > 1) return;
          failedAt = runtime.clock.monotonic();
          throw new Error('once');
        });
        made.handle('account', 'add', () => undefined);
      },
    });
    await cluster.until(node.start());
    // Between two looks at the lease and two at the inbox.
    await runtime.advance(40);
    await cluster.until(node.queueBus.enqueue('account', 'fails', 'a', {}));
    expect(attempts).toBe(1);
    // At the very moment at which it is due again, the wall clock is an hour ahead; the next commit settles the doubt.
    await runtime.advance(failedAt + 998 - runtime.clock.monotonic());
    runtime.jumpWallClock(3_600_000);
    for (let passed = 0; passed < 10; passed += 1) await runtime.advance(1);
    await cluster.until(node.queueBus.enqueue('account', 'add', 'b', {}));
    await runtime.advance(2_000);
    expect(attempts).toBe(2);
  });
});

/** A node that sends, on a store in which the type `account` is known and no node is up. */
async function bound(cluster: ReviewCluster, prepare: (made: AtomicQueuesNode) => void): Promise<ReviewedNode> {
  const binder = cluster.node('binder', { prepare }).node;
  await cluster.until(binder.open());
  await cluster.until(binder.stop());
  const sender = cluster.node('sender');
  await cluster.until(sender.node.open());
  return sender;
}
