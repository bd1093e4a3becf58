import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { createLab, currentMessage, fate, refusal } from './lab.js';

describe('REPLY_TIMEOUT', () => {
  it('ends the wait and not the message, carries its id, and status tells how it went on', async () => {
    const lab = await createLab({ replyTimeout: 300 });
    const waited = fate(lab.workAndWait('a', { n: 1, ms: 1_000, reply: 'late' }));
    await lab.app.advance(299);
    expect(waited.state).toBe('pending');
    await lab.app.advance(1);
    expect(waited.code).toBe('REPLY_TIMEOUT');
    const id = waited.error?.subject?.messageId ?? '';
    expect(waited.error?.message).toContain(id);
    expect(await lab.app.status(id)).toMatchObject({ state: 'dispatched' });
    await lab.app.advance(700);
    expect(await lab.app.status(id)).toMatchObject({ state: 'completed', reply: 'late' });
    await lab.app.stop();
  });

  it('withdraws what has not started, with cancelOnTimeout (M16)', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    const waiting = fate(lab.workAndWait('a', { n: 2 }, { timeoutMs: 100, cancelOnTimeout: true }));
    const running = fate(lab.workAndWait('b', { n: 3, ms: 200 }, { timeoutMs: 100, cancelOnTimeout: true }));
    const delayed = fate(lab.workAndWait('c', { n: 4 }, { timeoutMs: 100, delayMs: 500, cancelOnTimeout: true }));
    const query = fate(lab.ask('a', { n: 5 }, { timeoutMs: 100, cancelOnTimeout: true }));
    await lab.app.advance(100);
    expect([waiting.code, running.code, delayed.code, query.code]).toEqual(
      Array.from({ length: 4 }, () => 'REPLY_TIMEOUT'),
    );
    await lab.app.advance(1_000);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 3]);
    expect((await lab.app.status(waiting.error?.subject?.messageId ?? '')).state).toBe('cancelled');
    expect((await lab.app.status(running.error?.subject?.messageId ?? '')).state).toBe('completed');
    expect(lab.app.node.owner.isIdle).toBe(true);
    await lab.app.stop();
  });

  it("withdraws nobody else's message: who joined by messageId only stops waiting (I8)", async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    void lab.work('a', { n: 2 }, { messageId: 'k' });
    const joined = fate(lab.workAndWait('a', { n: 3 }, { messageId: 'k', timeoutMs: 50, cancelOnTimeout: true }));
    await lab.app.advance(100);
    expect(joined.code).toBe('REPLY_TIMEOUT');
    expect(joined.error?.message).toContain('goes on');
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    await lab.app.stop();
  });

  it('never comes with timeoutMs 0', async () => {
    const lab = await createLab();
    const waited = fate(lab.workAndWait('a', { n: 1, ms: 86_400_000, reply: 1 }, { timeoutMs: 0 }));
    await lab.app.runtime.advance(0);
    for (let hour = 0; hour < 24; hour += 1) await lab.app.advance(60_000);
    expect(waited.state).toBe('pending');
    await lab.app.stop();
  });
});

describe('HANDLER_TIMEOUT (M18)', () => {
  const config = { entities: { account: { handlerTimeout: 1_000 } }, replyTimeout: 0 };

  it('tells the waiter, fires the signal and the stuck event; the entity waits until the handler settles', async () => {
    const lab = await createLab(config);
    const waited = fate(lab.workAndWait('a', { n: 1, hang: true }));
    void lab.work('a', { n: 2 });
    await lab.app.advance(999);
    expect(waited.state).toBe('pending');
    expect(lab.contexts[0]?.signal.aborted).toBe(false);
    await lab.app.advance(1);
    expect(waited.code).toBe('HANDLER_TIMEOUT');
    expect(lab.contexts[0]?.signal.aborted).toBe(true);
    expect(lab.contexts[0]?.signal.reason).toMatchObject({ code: 'HANDLER_TIMEOUT' });
    expect(lab.app.log.of('stuck')).toMatchObject([{ entityId: 'a', runningMs: 1_000 }]);
    await lab.app.advance(60_000);
    expect(lab.order()).toEqual([1]);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    expect(await lab.app.status(waited.error?.subject?.messageId ?? '')).toMatchObject({
      state: 'completed',
      reply: 'let 1',
    });
    await lab.app.stop();
  });

  it('leaves a handler that throws after its deadline an ordinary failure, with its retries', async () => {
    const lab = await createLab({ ...config, retry: { maxAttempts: 2, backoffDelay: 10 } });
    const waited = fate(lab.workAndWait('a', { n: 1, hang: true }));
    await lab.app.advance(2_000);
    lab.let(1, new Error('too late'));
    await lab.app.advance(10);
    expect(lab.started.map((each) => each.attempt)).toEqual([1, 2]);
    lab.let(1, new Error('again'));
    await lab.app.settle();
    expect(await lab.app.status(waited.error?.subject?.messageId ?? '')).toMatchObject({
      state: 'failed',
      error: { message: 'again' },
    });
    await lab.app.stop();
  });

  it('lets an operator release a handler that never settles: interrupted, and the line goes on', async () => {
    const lab = await createLab(config);
    const { id } = await lab.app.drive(lab.work('a', { n: 1, hang: true }));
    void lab.work('a', { n: 2 });
    await lab.app.advance(1_500);
    lab.overlaps.length = 0;
    expect(await lab.app.drive(lab.app.bus.release(id))).toBe(true);
    expect(await lab.app.drive(lab.app.bus.release(id))).toBe(false);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    expect((await lab.app.inspect()).deadLetters).toMatchObject([
      { id, reason: 'interrupted', error: { name: 'Released' } },
    ]);
    // What the handler does now no longer counts.
    lab.let(1);
    await lab.app.settle();
    expect((await lab.app.status(id)).state).toBe('interrupted');
    expect(lab.app.node.owner.isIdle).toBe(true);
    await lab.app.stop();
  });

  it('reports a handler as stuck after 30 s where there is no limit', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    await lab.app.advance(29_000);
    expect(lab.app.log.of('stuck')).toEqual([]);
    await lab.app.advance(5_000);
    expect(lab.app.log.of('stuck')).toHaveLength(1);
    lab.let(1);
    await lab.app.stop();
  });
});

describe('DEADLOCK (M16)', () => {
  it('is refused at once for A → A and A → B → A, naming the cycle', async () => {
    const lab = await createLab();
    const self = await refusal(
      lab.app.drive(lab.workAndWait('a', { n: 1, calls: [{ to: 'a', script: { n: 2 }, wait: true }] })),
    );
    expect(self).toMatchObject({ code: 'HANDLER_FAILED', cause: { code: 'DEADLOCK' } });
    const there = { to: 'b', wait: true, script: { n: 4, calls: [{ to: 'a', script: { n: 5 }, query: true }] } };
    const circle = await refusal(lab.app.drive(lab.workAndWait('a', { n: 3, calls: [there] })));
    const inner = (circle.cause as { cause?: Error }).cause ?? circle.cause;
    expect(String((inner as Error).message)).toMatch(/account "a" waits for account "b" waits for account "a"/);
    expect(lab.order()).toEqual([1, 3, 4]);
    expect(lab.now).toBeLessThan(10);
    await lab.app.stop();
  });

  it('is not seen in plain enqueues, in waits that are over, or in handlers that have settled', async () => {
    const lab = await createLab();
    const calls = [
      { to: 'a', script: { n: 2 } },
      { to: 'b', wait: true, script: { n: 3, calls: [{ to: 'a', script: { n: 4 } }] } },
      { to: 'b', wait: true, script: { n: 5, calls: [{ to: 'c', wait: true, script: { n: 6 } }] } },
      { to: 'c', wait: true, script: { n: 7 } },
    ];
    const waited = fate(lab.workAndWait('a', { n: 1, calls }));
    await lab.app.settle();
    expect(waited.state).toBe('resolved');
    expect(lab.order('account/a')).toEqual([1, 2, 4]);
    await lab.app.stop();
  });

  it('of waits that cross in separate chains ends by REPLY_TIMEOUT', async () => {
    const lab = await createLab({ replyTimeout: 1_000 });
    const one = fate(
      lab.workAndWait('a', { n: 1, ms: 10, calls: [{ to: 'b', wait: true, script: { n: 2 } }] }, { timeoutMs: 0 }),
    );
    const two = fate(
      lab.workAndWait('b', { n: 3, ms: 10, calls: [{ to: 'a', wait: true, script: { n: 4 } }] }, { timeoutMs: 0 }),
    );
    await lab.app.advance(3_000);
    for (const each of [one, two])
      expect(each.error).toMatchObject({ code: 'HANDLER_FAILED', cause: { code: 'REPLY_TIMEOUT' } });
    expect(lab.order().sort((a, b) => a - b)).toEqual([1, 2, 3, 4]);
    await lab.app.stop();
  });

  it('does not take an earlier attempt for the one that runs now', async () => {
    // The first attempt of A gives up its wait for B by failing; B then asks the second attempt's entity.
    const lab = await createLab(
      { retry: { maxAttempts: 2, backoffDelay: 0 }, replyTimeout: 100 },
      {
        setup: (node, lab) => {
          node.handle('account', 'Twice', async (_message, context) => {
            if (context.attempt === 2) return lab.pass(50);
            void node.queueBus
              .enqueueAndWait('account', 'Work', 'b', {
                n: 1,
                ms: 10,
                calls: [{ to: 'a', wait: true, script: { n: 2 } }],
              })
              .catch(() => {});
            throw new Error('first');
          });
        },
      },
    );
    void lab.app.bus.enqueue('account', 'Twice', 'a', {});
    await lab.app.advance(100);
    expect(lab.order()).toEqual([1, 2]);
    expect((await lab.app.inspect()).deadLetters).toEqual([]);
    await lab.app.stop();
  });
});

describe('the context of a handler', () => {
  it('is currentMessage(), through every await, and nothing outside of it', async () => {
    const seen: unknown[] = [];
    const lab = await createLab(
      {},
      {
        setup: (node, lab) => {
          node.handle('account', 'Look', async (_message, context) => {
            await lab.pass(5);
            seen.push(
              currentMessage() === context,
              currentMessage()?.attempt,
              currentMessage()?.headers,
              currentMessage()?.enqueuedAt,
            );
          });
        },
      },
    );
    const at = lab.app.runtime.clock.now();
    void lab.app.bus.enqueue('account', 'Look', 'a', {}, { headers: { trace: 'x' } });
    void lab.app.bus.enqueue('account', 'Look', 'b', {});
    await lab.app.advance(10);
    expect(seen).toEqual([true, 1, { trace: 'x' }, at, true, 1, {}, at]);
    expect(currentMessage()).toBeUndefined();
    await lab.app.stop();
  });

  it("has nothing of its callers' async contexts, nor of other handlers'", async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const lab = await createLab(
      { retry: { maxAttempts: 2, backoffDelay: 5 } },
      {
        setup: (node) => {
          node.handle('account', 'Leak', (_message, context) => {
            seen.push(storage.getStore());
            if (context.attempt === 1) throw new Error('again');
            return storage.run('handler', () => node.queueBus.enqueue('account', 'Last', 'b', {}));
          });
          node.handle('account', 'Last', () => void seen.push(storage.getStore(), currentMessage()?.name));
        },
      },
    );
    storage.run('request', () => {
      void lab.app.bus.enqueue('account', 'Leak', 'a', {});
      void lab.app.bus.enqueue('account', 'Leak', 'a', {}, { delayMs: 20 });
      void lab.app.bus.enqueueAndWait('account', 'Leak', 'c', {}).catch(() => {});
    });
    await lab.app.advance(100);
    expect(seen.filter((each) => each === 'request' || each === 'handler')).toEqual([]);
    expect(seen.filter((each) => each === 'Last')).toHaveLength(3);
    await lab.app.stop();
  });
});

describe('queries', () => {
  it('run in the line of their entity: after the commands before them, before those after (I4)', async () => {
    const lab = await createLab();
    const write = lab.app.bus;
    void write.enqueue('account', 'Work', 'a', { n: 1, ms: 10 });
    const first = fate(lab.ask('a', { n: 2, ms: 5, reply: 'q' }));
    void lab.work('a', { n: 3 });
    const second = fate(lab.ask('a', { n: 4 }));
    await lab.app.advance(20);
    expect(lab.order()).toEqual([1, 2, 3, 4]);
    expect([first.value, second.state]).toEqual(['q', 'resolved']);
    expect(lab.overlaps).toEqual([]);
    await lab.app.stop();
  });

  it('cost no commit when volatile, and are kept like commands when durable', async () => {
    const lab = await createLab({ entities: { kept: { queries: 'durable' } } }, { types: ['account', 'kept'] });
    await lab.app.drive(lab.ask('a', { n: 1 }));
    expect(lab.app.wal.requests.flatMap(({ transitions }) => transitions)).toEqual([]);
    await lab.app.drive(lab.ask('kept/a', { n: 2 }));
    expect(lab.app.wal.requests.flatMap(({ transitions }) => transitions).map((each) => each.type)).toEqual([
      'append',
      'complete',
    ]);
    void lab.work('kept/b', { n: 3, hang: true });
    void lab.ask('kept/b', { n: 4 }).catch(() => {});
    await lab.app.settle();
    lab.app.crash();
    lab.app = await lab.app.restart();
    await lab.app.settle();
    expect(lab.app.log.of('started')).toMatchObject([{ kind: 'query', name: 'Ask' }]);
    await lab.app.stop();
  });

  it('that fail tell their waiter and leave no dead letter', async () => {
    const lab = await createLab({ retry: { maxAttempts: 3 } });
    expect(await refusal(lab.app.drive(lab.ask('a', { n: 1, failures: 1 })))).toMatchObject({
      code: 'HANDLER_FAILED',
      cause: { message: 'attempt 1 of 1 fails' },
    });
    expect((await lab.app.inspect()).deadLetters).toEqual([]);
    expect(lab.app.node.owner.isIdle).toBe(true);
    await lab.app.stop();
  });

  it('still run when very much payload waits in memory already (I10)', async () => {
    const lab = await createLab({ residentBytesMax: 100 });
    void lab.work('a', { n: 1, hang: true });
    for (let n = 2; n < 20; n += 1) void lab.work('a', { n, reply: 'x'.repeat(50) });
    const asked = fate(lab.ask('a', { n: 99, reply: 'fine' }));
    await lab.app.settle();
    lab.let(1);
    await lab.app.settle();
    expect(asked.value).toBe('fine');
    expect(lab.order()).toHaveLength(20);
    await lab.app.stop();
  });
});
