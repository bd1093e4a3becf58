import { describe, expect, it } from 'vitest';
import { EntityType } from '../../../src/message/entity-type.js';
import { QueueEntityId } from '../../../src/message/queue-entity-id.js';
import { createLab, fate, refusal } from './lab.js';

describe('back-pressure (I8, I10)', () => {
  it('refuses past workerMaxQueueDepth and takes in again what fits', async () => {
    const lab = await createLab({ entities: { account: { workerMaxQueueDepth: 3 } } });
    void lab.work('a', { n: 1, hang: true });
    void lab.work('a', { n: 2 });
    void lab.work('a', { n: 3 });
    expect(await refusal(lab.work('a', { n: 4 }))).toMatchObject({
      code: 'QUEUE_DEPTH_EXCEEDED',
      retryable: true,
      subject: { entityId: 'a' },
    });
    expect((await refusal(lab.ask('a', { n: 5 }))).code).toBe('QUEUE_DEPTH_EXCEEDED');
    await lab.app.drive(lab.work('b', { n: 6 }));
    expect(lab.app.log.of('rejected').map(({ code }) => code)).toEqual([
      'QUEUE_DEPTH_EXCEEDED',
      'QUEUE_DEPTH_EXCEEDED',
    ]);
    lab.let(1);
    await lab.app.settle();
    await lab.app.drive(lab.work('a', { n: 7 }));
    expect(lab.order()).toEqual([1, 6, 2, 3, 7]);
    await lab.app.stop();
  });

  it('refuses past maxTotalQueueDepth', async () => {
    const lab = await createLab({ maxTotalQueueDepth: 5 });
    for (let n = 1; n <= 5; n += 1) void lab.work(`e${n}`, { n, hang: true });
    expect((await refusal(lab.work('x', { n: 6 }))).code).toBe('QUEUE_DEPTH_EXCEEDED');
    await lab.app.settle();
    expect((await refusal(lab.work('e1', { n: 6 }))).code).toBe('QUEUE_DEPTH_EXCEEDED');
    lab.let(3);
    await lab.app.settle();
    await lab.app.drive(lab.work('x', { n: 7 }));
    for (const n of [1, 2, 4, 5]) lab.let(n);
    await lab.app.stop();
  });

  it('refuses a further entity past maxTotalWorkers, not one that has work, and evicts idle workers first', async () => {
    const lab = await createLab({ maxTotalWorkers: 2 });
    await lab.app.drive(lab.work('idle', { n: 0 }));
    await lab.app.settle();
    void lab.work('a', { n: 1, hang: true });
    void lab.work('b', { n: 2, hang: true });
    expect(lab.app.log.of('workerRemoved')).toMatchObject([{ entityId: 'idle', reason: 'evicted' }]);
    await lab.app.settle();
    expect((await refusal(lab.work('c', { n: 3 }))).code).toBe('WORKER_LIMIT_EXCEEDED');
    await lab.app.drive(lab.work('a', { n: 4 }));
    lab.let(2);
    await lab.app.settle();
    await lab.app.drive(lab.work('c', { n: 5 }));
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([0, 1, 2, 5, 4]);
    await lab.app.stop();
  });

  it('takes over a backlog of more entities than maxTotalWorkers page by page, in order', async () => {
    const lab = await createLab();
    await lab.app.drive(lab.app.bus.pause('account'));
    await lab.app.drive(Promise.all(Array.from({ length: 60 }, (_, n) => lab.work(`e${n % 20}`, { n, ms: 5 }))));
    lab.app.crash();
    lab.app = await lab.app.restart({ config: { maxTotalWorkers: 3 } });
    await lab.app.drive(lab.app.bus.resume('account'));
    await lab.app.advance(1_000);
    expect(lab.most).toBe(3);
    for (let e = 0; e < 20; e += 1) expect(lab.order(`account/e${e}`)).toEqual([e, e + 20, e + 40]);
    expect(lab.app.node.owner.isIdle).toBe(true);
    await lab.app.stop();
  });
});

describe('enqueueBulk', () => {
  @EntityType('account', { name: 'Work' })
  class Work {
    @QueueEntityId() readonly id: string;
    constructor(
      id: string,
      readonly n: number,
    ) {
      this.id = id;
    }
  }
  const many = (count: number, ids: number) => Array.from({ length: count }, (_, n) => new Work(`e${n % ids}`, n));

  it('puts everything into one commit, however much it is, and gives receipts in order', async () => {
    const lab = await createLab();
    const receipts = await lab.app.drive(lab.app.bus.enqueueBulk(many(1_300, 7)));
    const commits = lab.app.wal.requests.map(
      ({ transitions }) => transitions.filter((each) => each.type === 'append').length,
    );
    expect(commits.filter((count) => count > 0)).toEqual([1_300]);
    const appended = lab.app.wal.requests.flatMap(({ transitions }) =>
      transitions.flatMap((each) => (each.type === 'append' ? [each.message.id] : [])),
    );
    expect(receipts.map((each) => each.id)).toEqual(appended);
    await lab.app.settle();
    for (let e = 0; e < 7; e += 1) {
      const order = lab.order(`account/e${e}`);
      expect(order).toEqual([...order].sort((a, b) => a - b));
    }
    expect(lab.started).toHaveLength(1_300);
    await lab.app.stop();
  });

  it('is all or nothing at every limit', async () => {
    const lab = await createLab({
      maxTotalQueueDepth: 50,
      maxTotalWorkers: 5,
      entities: { account: { workerMaxQueueDepth: 10 } },
    });
    expect((await refusal(lab.app.bus.enqueueBulk(many(51, 5)))).code).toBe('QUEUE_DEPTH_EXCEEDED');
    expect((await refusal(lab.app.bus.enqueueBulk(many(11, 1)))).code).toBe('QUEUE_DEPTH_EXCEEDED');
    expect((await refusal(lab.app.bus.enqueueBulk(many(6, 6)))).code).toBe('WORKER_LIMIT_EXCEEDED');
    expect((await refusal(lab.app.bus.enqueueBulk([new Work('a', 1), new Work('', 2)]))).code).toBe(
      'ENTITY_ID_MISSING',
    );
    expect((await refusal(lab.app.bus.enqueueBulk('no' as never))).code).toBe('INVALID_PAYLOAD');
    expect(await lab.app.bus.enqueueBulk([])).toEqual([]);
    await lab.app.settle();
    expect(lab.started).toEqual([]);
    expect(lab.app.node.owner.door.depth).toBe(0);
    await lab.app.drive(lab.app.bus.enqueueBulk(many(50, 5)));
    await lab.app.settle();
    expect(lab.started).toHaveLength(50);
    await lab.app.stop();
  });

  it('is refused as a whole by a store that fails', async () => {
    const lab = await createLab();
    lab.app.wal.fail('commit');
    expect((await refusal(lab.app.drive(lab.app.bus.enqueueBulk(many(5, 2))))).code).toBe('STORE_DEGRADED');
    await lab.app.advance(1_000);
    expect(lab.started).toEqual([]);
    expect((await lab.app.inspect()).pending).toEqual([]);
    await lab.app.stop();
  });
});

describe('maxRunningHandlers', () => {
  it('bounds the handlers at work, and every entity gets its turn (I9)', async () => {
    const lab = await createLab({ maxRunningHandlers: 2 });
    for (let round = 0; round < 20; round += 1)
      for (let e = 0; e < 5; e += 1) void lab.work(`e${e}`, { n: 10 * round + e, ms: 10 });
    await lab.app.advance(100);
    expect(lab.most).toBe(2);
    // 20 starts so far: no entity has more than one turn above another.
    const turns = [0, 1, 2, 3, 4].map((e) => lab.order(`account/e${e}`).length);
    expect(Math.max(...turns) - Math.min(...turns)).toBeLessThanOrEqual(1);
    await lab.app.advance(1_000);
    expect(lab.started).toHaveLength(100);
    expect(lab.app.node.owner.isIdle).toBe(true);
    await lab.app.stop();
  });

  it('lets nobody starve behind an entity that marks ahead and is never empty (I9)', async () => {
    const lab = await createLab(
      { maxRunningHandlers: 1, entities: { hot: { dispatchAhead: 8 } } },
      { types: ['account', 'hot'] },
    );
    for (let n = 0; n < 200; n += 1) void lab.work('hot/h', { n, ms: 1 });
    await lab.app.advance(5);
    void lab.work('a', { n: 1_000 });
    await lab.app.advance(20);
    expect(lab.order()).toContain(1_000);
    await lab.app.advance(1_000);
    expect(lab.started).toHaveLength(201);
    await lab.app.stop();
  });

  it('lends the slot of a handler that waits, once, however many waits it has', async () => {
    const lab = await createLab(
      { maxRunningHandlers: 1 },
      {
        setup: (node) => {
          node.handle('account', 'Fan', async () => {
            await Promise.all(
              ['x', 'y', 'z'].map((id, n) => node.queueBus.enqueueAndWait('account', 'Work', id, { n, ms: 10 })),
            );
            return 'all';
          });
          node.handle('account', 'Forget', () => {
            void node.queueBus.enqueueAndWait('account', 'Work', 'f', { n: 9, ms: 10 });
            return 'gone';
          });
        },
      },
    );
    const fan = fate(lab.app.bus.enqueueAndWait('account', 'Fan', 'a', {}));
    await lab.app.advance(29);
    expect(lab.most).toBe(1);
    await lab.app.advance(5);
    expect(fan.value).toBe('all');
    const gone = fate(lab.app.bus.enqueueAndWait('account', 'Forget', 'a', {}));
    await lab.app.settle();
    expect(gone.value).toBe('gone');
    for (let n = 10; n < 15; n += 1) void lab.work(`e${n}`, { n, ms: 5 });
    await lab.app.advance(100);
    expect(lab.most).toBe(1);
    expect(lab.started).toHaveLength(9);
    await lab.app.stop();
  });

  it('does not block chains of nested waits', async () => {
    const lab = await createLab({ maxRunningHandlers: 1 });
    const nest = (depth: number): object =>
      depth === 0 ? { n: 0 } : { n: depth, calls: [{ to: `e${depth}`, wait: true, script: nest(depth - 1) }] };
    const waited = fate(lab.workAndWait('root', nest(6) as never));
    await lab.app.settle();
    expect(waited.state).toBe('resolved');
    expect(lab.order()).toEqual([6, 5, 4, 3, 2, 1, 0]);
    await lab.app.stop();
  });
});

describe('memory (I10)', () => {
  it('returns to its base after a drain: no worker, deadline, waiter or count is left', async () => {
    const lab = await createLab({
      entities: { account: { workerIdleTimeout: 2_000 } },
      retry: { maxAttempts: 2, backoffDelay: 10 },
    });
    for (let n = 0; n < 300; n += 1) {
      void lab.work(`e${n % 50}`, { n, failures: n % 4 === 0 ? 1 : 0 }, { expiresInMs: 3_600_000, delayMs: n % 3 });
      void lab.ask(`e${n % 50}`, { n }).catch(() => {});
      void lab.workAndWait(`e${n % 50}`, { n }, { messageId: `k${n % 20}` }).catch(() => {});
    }
    await lab.app.advance(3_500);
    const { owner } = lab.app.node;
    expect(owner.isIdle).toBe(true);
    expect([owner.directory.resident, owner.directory.backlogEntities, owner.door.depth]).toEqual([0, 0, 0]);
    expect(owner.unusual.size).toBe(0);
    expect(lab.app.log.of('workerRemoved').filter(({ reason }) => reason === 'idle').length).toBeGreaterThanOrEqual(50);
    await lab.app.stop();
    expect(lab.app.runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });

  it('counts payload bytes down to nothing, also of payloads that were loaded again', async () => {
    const lab = await createLab({ residentBytesMax: 200 });
    void lab.work('a', { n: 0, hang: true });
    for (let n = 1; n < 50; n += 1) void lab.work('a', { n, reply: 'x'.repeat(100) });
    await lab.app.settle();
    lab.let(0);
    await lab.app.settle();
    expect(lab.order()).toHaveLength(50);
    expect((lab.app.node.owner.accounts as unknown as { residentBytes: number }).residentBytes).toBe(0);
    await lab.app.stop();
  });

  it('keeps an idle worker for its timeout and not much longer', async () => {
    const lab = await createLab({ entities: { account: { workerIdleTimeout: 5_000 } } });
    await lab.app.drive(lab.work('a', { n: 1 }));
    await lab.app.settle();
    await lab.app.advance(4_900);
    expect(lab.app.node.owner.directory.resident).toBe(1);
    await lab.app.advance(1_200);
    expect(lab.app.node.owner.directory.resident).toBe(0);
    await lab.app.drive(lab.work('a', { n: 2 }));
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    await lab.app.stop();
  });
});
