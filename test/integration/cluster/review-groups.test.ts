/** Service groups, and limits that hold wherever a message comes from. */
import { afterEach, describe, expect, it } from 'vitest';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import { currentMessage } from '../../../src/entity/message-context.js';
import { ReviewCluster } from './review-cluster.js';

describe('a cluster of several groups', () => {
  let cluster: ReviewCluster;
  afterEach(async () => {
    await cluster.stop();
    expect(cluster.runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });

  const fail = (made: AtomicQueuesNode): void =>
    void made.handle('account', 'add', () => {
      throw new Error('no');
    });

  it('lets a handler of one group wait for an entity of another, both ways at once (M5)', async () => {
    cluster = new ReviewCluster(2, 2);
    const shared = { maxRunningHandlers: 1 };
    const money = cluster.node('money', {
      config: { ...shared, cluster: { serviceGroup: 'money' } },
      prepare: (made) => {
        made.handle('account', 'pay', () => made.queueBus.enqueueAndWait('order', 'close', 'o1', {}));
        made.handle('account', 'check', () => 'checked');
      },
    }).node;
    const goods = cluster.node('goods', {
      config: { ...shared, cluster: { serviceGroup: 'goods' } },
      prepare: (made) =>
        made.handle('order', 'close', () => made.queueBus.enqueueAndWait('account', 'check', 'a2', {})),
    }).node;
    await cluster.until(Promise.all([money.start(), goods.start()]));
    await cluster.runtime.advance(1_000);
    expect(await cluster.until(goods.queueBus.enqueueAndWait('account', 'pay', 'a1', {}))).toBe('checked');
  });

  it('says which groups contradict each other, and leaves nothing behind, when a type is bound to another one (M5)', async () => {
    cluster = new ReviewCluster(2, 2);
    const first = cluster.node('one', { prepare: fail, config: { cluster: { serviceGroup: 'money' } } }).node;
    await cluster.until(first.start());
    const second = cluster.node('two', { prepare: fail, config: { cluster: { serviceGroup: 'goods' } } }).node;
    await expect(cluster.until(second.start())).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/money[^]*goods|goods[^]*money/),
    });
    expect(cluster.state.nodes.has('two')).toBe(false);
    expect(cluster.state.groups).toEqual(['money']);
  });

  it('stops a second process of one serverId at its start, and the first goes on', async () => {
    cluster = new ReviewCluster();
    const handle = (made: AtomicQueuesNode): void => void made.handle('account', 'add', () => 'done');
    const first = cluster.node('same', { prepare: handle }).node;
    await cluster.until(first.start());
    const second = cluster.node('same', { prepare: handle }).node;
    await expect(cluster.until(second.start())).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await cluster.until(first.queueBus.enqueueAndWait('account', 'add', 'a', {}))).toBe('done');
  });

  it('can be stopped while it starts', async () => {
    cluster = new ReviewCluster(2);
    const node = cluster.node('one', { prepare: fail }).node;
    const starting = node.start();
    starting.catch(() => {});
    await cluster.until(node.stop());
    expect(node.engine.phase).toBe('closed');
  });

  it('returns everything that it counts to nothing when the work is done (I10)', async () => {
    cluster = new ReviewCluster(4);
    let round = 0;
    const prepare = (made: AtomicQueuesNode): void => {
      made.handle('account', 'add', async () => {
        round += 1;
        if (round % 3 === 0) await cluster.pass(7);
        return round;
      });
    };
    const config = { maxRunningHandlers: 2, cluster: { shards: 4 } };
    const one = cluster.node('one', { prepare, config }).node;
    await cluster.until(one.start());
    const waits: Promise<unknown>[] = [];
    const two = cluster.node('two', { prepare, config }).node;
    for (let turn = 0; turn < 200; turn += 1) {
      if (turn === 30) void two.start();
      for (const node of turn > 60 ? [one, two] : [one])
        waits.push(node.queueBus.enqueueAndWait('account', 'add', `a${turn % 9}`, {}, { timeoutMs: 0 }));
      await cluster.runtime.advance(20);
    }
    await cluster.until(Promise.all(waits));
    await cluster.runtime.advance(5_000);
    for (const node of [one, two]) {
      const { share } = node.engine as unknown as { share: { depth: number; activeWorkers: number; slots: unknown } };
      const { depth, activeWorkers, residentBytes } = share as typeof share & { residentBytes: number };
      expect({ depth, activeWorkers, residentBytes, taken: (share.slots as { taken: number }).taken }).toEqual({
        depth: 0,
        activeWorkers: 0,
        residentBytes: 0,
        taken: 0,
      });
    }
  });

  it('refuses a type whose dead letters are full, on a node that only sends as well (M17)', async () => {
    cluster = new ReviewCluster();
    const config = { entities: { account: { deadLettersMax: 3 } } };
    const owner = cluster.node('owner', { prepare: fail, config }).node;
    await cluster.until(owner.start());
    const sender = cluster.node('sender', { config }).node;
    await cluster.until(sender.open());
    for (let index = 0; index < 3; index += 1) await cluster.until(sender.queueBus.enqueue('account', 'add', 'a', {}));
    await cluster.runtime.advance(2_000);
    await expect(cluster.until(owner.queueBus.enqueue('account', 'add', 'a', {}))).rejects.toMatchObject({
      code: 'STORE_DEGRADED',
    });
    await expect(cluster.until(sender.queueBus.enqueue('account', 'add', 'a', {}))).rejects.toMatchObject({
      code: 'STORE_DEGRADED',
    });
  });

  it('knows a message by its id from when it is accepted, also before an owner has taken it in (I7)', async () => {
    cluster = new ReviewCluster();
    const owner = cluster.node('owner', { prepare: fail }).node;
    await cluster.until(owner.open());
    await cluster.until(owner.stop());
    const sender = cluster.node('sender').node;
    await cluster.until(sender.open());
    const { id } = await cluster.until(sender.queueBus.enqueue('account', 'add', 'a', {}));
    const told = await cluster.until(sender.queueBus.status(id));
    expect(told).toEqual({ id, state: 'enqueued', entityType: 'account', entityId: 'a', attempt: 0 });
  });

  it('withdraws a message that no owner has taken in yet, and tells when it is sure (I7)', async () => {
    cluster = new ReviewCluster();
    const runs: string[] = [];
    const record = (made: AtomicQueuesNode): void =>
      void made.handle('account', 'add', () => void runs.push(currentMessage()?.id ?? ''));
    const owner = cluster.node('owner', { prepare: record }).node;
    await cluster.until(owner.open());
    await cluster.until(owner.stop());
    const sender = cluster.node('sender').node;
    await cluster.until(sender.open());
    const first = await cluster.until(sender.queueBus.enqueue('account', 'add', 'a', {}));
    const second = await cluster.until(sender.queueBus.enqueue('account', 'add', 'a', {}));
    const cancelled = sender.queueBus.cancel(first.id);
    const next = cluster.node('next', { prepare: record }).node;
    await cluster.until(next.start());
    expect(await cluster.until(cancelled)).toBe(true);
    await cluster.until(sender.queueBus.enqueueAndWait('account', 'add', 'a', {}));
    expect(runs).toContain(second.id);
    expect(runs).not.toContain(first.id);
    expect(await cluster.until(sender.queueBus.cancel(second.id))).toBe(false);
  });

  it('says that it is not known whether a message was withdrawn while nobody takes anything in', async () => {
    cluster = new ReviewCluster();
    const owner = cluster.node('owner', { prepare: fail }).node;
    await cluster.until(owner.open());
    await cluster.until(owner.stop());
    const sender = cluster.node('sender').node;
    await cluster.until(sender.open());
    const { id } = await cluster.until(sender.queueBus.enqueue('account', 'add', 'a', {}));
    const late = sender.queueBus.cancel(id).catch((error: { code: string }) => error.code);
    await cluster.runtime.advance(60_000);
    expect(await cluster.until(late)).toBe('INDETERMINATE');
    const stopped = sender.queueBus.cancel(id).catch((error: { code: string }) => error.code);
    await cluster.runtime.advance(100);
    await cluster.until(sender.stop());
    expect(await cluster.until(stopped)).toBe('INDETERMINATE');
  });

  it('tells the id of the first message when another node sends one with a known messageId (M11)', async () => {
    cluster = new ReviewCluster();
    const owner = cluster.node('owner', { prepare: (made) => void made.handle('account', 'add', () => 'done') }).node;
    await cluster.until(owner.start());
    const sender = cluster.node('sender').node;
    await cluster.until(sender.open());
    const options = { messageId: 'once' };
    const first = await cluster.until(owner.queueBus.enqueue('account', 'add', 'a', {}, options));
    await cluster.runtime.advance(1_000);
    expect(await cluster.until(sender.queueBus.enqueue('account', 'add', 'a', {}, options))).toEqual(first);
    const bulk = ['a', 'b'].map((entityId) => sender.queueBus.raw('account', 'add', entityId, {}, options));
    const [again, other] = await cluster.until(sender.queueBus.submitBulk(() => bulk));
    expect(again).toEqual(first);
    expect(other?.id).not.toBe(first.id);
    expect(await cluster.until(sender.queueBus.status(first.id))).toMatchObject({ state: 'completed' });
  });

  it('takes the messages of a bulk that share a shard whole or not at all, and tells which shards took theirs', async () => {
    cluster = new ReviewCluster(4);
    const owner = cluster.node('owner', { prepare: fail, config: { maxTotalQueueDepth: 3 } }).node;
    await cluster.until(owner.open());
    await cluster.until(owner.stop());
    const sender = cluster.node('sender', { config: { maxTotalQueueDepth: 3 } }).node;
    await cluster.until(sender.open());
    // Five for one entity do not fit; one for each of the others does.
    const ids = ['a', 'a', 'a', 'a', 'a', 'b', 'c', 'd', 'e', 'f'];
    const submissions = ids.map((entityId) => sender.queueBus.raw('account', 'add', entityId, {}));
    await expect(cluster.until(sender.queueBus.submitBulk(() => submissions))).rejects.toMatchObject({
      code: 'QUEUE_DEPTH_EXCEEDED',
      retryable: false,
    });
    const accepted = await cluster
      .until(sender.queueBus.submitBulk(() => ids.map((id) => sender.queueBus.raw('account', 'add', id, {}))))
      .catch((error: { details: { accepted: { index: number; id: string }[] } }) => error.details.accepted);
    const kept = [0, 1, 2, 3].flatMap((shard) => cluster.store.shard(shard).inbox);
    const keptIds = kept.map(({ transition }) => (transition.type === 'append' ? transition.message.id : ''));
    for (const { id } of accepted) expect(keptIds).toContain(id);
    expect(kept.some(({ transition }) => transition.type === 'append' && transition.message.entityId === 'a')).toBe(
      false,
    );
  });
});
