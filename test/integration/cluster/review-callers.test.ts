/** What callers hear whose message another node runs: the same as if it ran here. */
import { afterEach, describe, expect, it } from 'vitest';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import { OfferSender } from '../../../src/cluster/offer-sender.js';
import { RequestDesk } from '../../../src/cluster/request-desk.js';
import type { Tenure } from '../../../src/cluster/tenure.js';
import type { TransportMessage } from '../../../src/cluster/transport/transport.js';
import { type Offer, StoreUnavailableError } from '../../../src/wal/wal.js';
import { type HookedWal, ReviewCluster } from './review-cluster.js';

describe('a caller on another node', () => {
  let cluster: ReviewCluster;
  afterEach(async () => {
    await cluster.stop();
    expect(cluster.runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });

  async function ownerAndSender(
    prepare: (made: AtomicQueuesNode) => void,
    config: { readonly depthMax?: number; readonly entryTtlMs?: number } = {},
  ): Promise<{
    readonly owner: AtomicQueuesNode;
    readonly sender: AtomicQueuesNode;
    readonly senderWal: ReturnType<ReviewCluster['node']>['wal'];
  }> {
    const { entryTtlMs = 86_400_000 } = config;
    const wal = { retention: { entryTtlMs } };
    const shared = { wal: { entryTTL: entryTtlMs / 1_000 }, maxTotalQueueDepth: config.depthMax ?? 0 };
    const owner = cluster.node('owner', { prepare, wal, config: shared }).node;
    await cluster.until(owner.start());
    // It has the handlers too, and never starts.
    const { node: sender, wal: senderWal } = cluster.node('sender', { prepare, wal, config: shared });
    await cluster.until(sender.open());
    return { owner, sender, senderWal };
  }

  it('never has the library run a message twice because its verdict was forgotten (I2, M11)', async () => {
    cluster = new ReviewCluster();
    let runs = 0;
    const { sender, senderWal } = await ownerAndSender(
      (made) =>
        made.handle('account', 'add', () => {
          runs += 1;
          return 'done';
        }),
      { entryTtlMs: 1_000 },
    );
    cluster.network.route = (_from, _to, message) => (message.type === 'verdict' ? [] : [0]);
    senderWal.onStatus = () => {
      throw new StoreUnavailableError('no way to the store', 'no', true);
    };
    const reply = sender.queueBus.enqueueAndWait('account', 'add', 'a', {}, { messageId: 'once', timeoutMs: 60_000 });
    reply.catch(() => {});
    await cluster.runtime.advance(8_000);
    senderWal.onStatus = undefined;
    await expect(cluster.until(reply)).rejects.toMatchObject({ code: 'INDETERMINATE' });
    await cluster.runtime.advance(5_000);
    expect(runs).toBe(1);
  });

  it('hears the code with which its query was refused, not that a handler failed', async () => {
    cluster = new ReviewCluster();
    const { owner, sender } = await ownerAndSender((made) => {
      made.handle('account', 'get', () => 'balance', { kind: 'query' });
      made.handle('account', 'add', () => 'done');
    });
    await cluster.until(owner.queueBus.pause('account', 'a'));
    const here = owner.queueBus.enqueueAndWait('account', 'get', 'a', {});
    await expect(cluster.until(here)).rejects.toMatchObject({ code: 'ENTITY_PAUSED' });
    const there = sender.queueBus.enqueueAndWait('account', 'get', 'a', {});
    await expect(cluster.until(there)).rejects.toMatchObject({ code: 'ENTITY_PAUSED' });
  });

  it('is not refused because a server was rolled back behind what it had offered (M8)', async () => {
    cluster = new ReviewCluster();
    let runs = 0;
    const { sender, senderWal } = await ownerAndSender((made) =>
      made.handle('account', 'add', () => {
        runs += 1;
      }),
    );
    await cluster.until(sender.queueBus.enqueue('account', 'add', 'a', {}));
    await cluster.runtime.advance(500);
    // The promoted server never heard of that session.
    cluster.store.shard(0).offered.clear();
    await cluster.until(sender.queueBus.enqueue('account', 'add', 'a', {}));
    await cluster.runtime.advance(500);
    expect(runs).toBe(2);
    expect(senderWal.description.shardCount).toBe(1);
  });

  it('leaves no more sessions in the store however often the shard is full (I10)', async () => {
    cluster = new ReviewCluster();
    const { owner, sender } = await ownerAndSender(
      (made) => {
        made.handle('account', 'add', () => undefined);
      },
      { depthMax: 3 },
    );
    for (let round = 0; round < 20; round += 1) {
      await cluster.until(owner.queueBus.pause('account', 'a'));
      const all = Array.from({ length: 6 }, () => sender.queueBus.enqueue('account', 'add', 'a', {}));
      const settled = await cluster.until(Promise.allSettled(all));
      expect(settled.some(({ status }) => status === 'rejected')).toBe(true);
      await cluster.until(owner.queueBus.resume('account', 'a'));
      await cluster.runtime.advance(500);
    }
    expect(cluster.store.shard(0).offered.size).toBe(1);
  });
});

describe('the desk for requests', () => {
  it('answers a repeated request as the first time, however many others were answered in between', async () => {
    let asked = 0;
    const sent: TransportMessage[] = [];
    const submitter = {
      enqueueAndWait: () => {
        asked += 1;
        return Promise.resolve(asked);
      },
    };
    const desk = new RequestDesk({
      serving: () => ({ submitter }) as unknown as Tenure,
      send: (_to, message) => sent.push(message),
      encodeReply: (value) => JSON.stringify(value),
    });
    const ask = (id: string): void =>
      desk.receive({
        type: 'ask',
        id,
        replyTo: 'n',
        shard: 0,
        entityType: 't',
        entityId: 'e',
        name: 'get',
        payload: '1',
      });
    for (let index = 0; index < 1_100; index += 1) ask(`q${index}`);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toBe(1_100);
    for (let index = 100; index < 1_100; index += 1) ask(`q${index}`);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toBe(1_100);
    expect(sent.slice(1_100)).toEqual(sent.slice(100, 1_100));
  });
});

function senderTo(wal: HookedWal, { runtime }: ReviewCluster): OfferSender {
  let sessions = 0;
  return new OfferSender({
    wal,
    clock: runtime.clock,
    timers: runtime.timers,
    shard: 0,
    freshSession: () => `s${(sessions += 1)}`,
    owner: () => undefined,
    idPrefix: () => 'memory',
    depthMax: 0,
    detached: (callback) => callback(),
  });
}

describe('a sender of offers', () => {
  it('waits for nothing once it is stopped: what is unproven stays so, and no timer is left', async () => {
    const cluster = new ReviewCluster();
    const { wal } = cluster.node('one');
    await wal.start();
    wal.onOffer = async () => {
      throw new StoreUnavailableError('lost', 'unknown', true);
    };
    const sender = senderTo(wal, cluster);
    const offered = sender.offer({ type: 'cancel', id: 'm1' });
    const next = sender.offer({ type: 'cancel', id: 'm2' });
    const outcomes = Promise.allSettled([offered, next]);
    await cluster.runtime.advance(120);
    const later = Promise.allSettled([sender.offer({ type: 'cancel', id: 'm3' })]);
    sender.stop();
    await cluster.runtime.settle();
    expect(cluster.runtime.pending.timers).toBe(0);
    expect(await outcomes).toMatchObject([{ reason: { applied: 'unknown' } }, { reason: { applied: 'unknown' } }]);
    expect(await later).toMatchObject([{ reason: { applied: 'no' } }]);
    expect(sender.idle).toBe(true);
  });

  it('keeps the numbers of a session whole whatever the store answers (M11)', async () => {
    const cluster = new ReviewCluster();
    const { wal } = cluster.node('one');
    await wal.start();
    let calls = 0;
    wal.onOffer = async (offers: readonly Offer[], go) => {
      calls += 1;
      if (calls % 3 === 1) throw new StoreUnavailableError('refused', 'no', true);
      await go();
      if (calls % 3 === 2) throw new StoreUnavailableError('lost', 'unknown', true);
      expect(offers.length).toBeGreaterThan(0);
    };
    const sender = senderTo(wal, cluster);
    const kept: string[] = [];
    for (let index = 0; index < 30; index += 1) {
      const id = sender.freshId();
      const message = { id, kind: 'command', entityType: 't', entityId: 'e', name: 'n', payload: '1' } as const;
      const offered = sender.offer({ type: 'append', message });
      await cluster.until(
        offered.then(
          () => kept.push(id),
          () => {},
        ),
      );
    }
    const inbox = cluster.store
      .shard(0)
      .inbox.map(({ transition }) => (transition as { message: { id: string } }).message.id);
    expect(inbox).toEqual(kept);
  });
});
