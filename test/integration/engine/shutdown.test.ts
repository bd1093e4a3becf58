import { describe, expect, it } from 'vitest';
import { createTestApp } from '../../../src/testing/test-app.js';
import { createLab, fate, refusal } from './lab.js';

describe('stop', () => {
  it('drains what runs, keeps what waits for the next start, and tells those who wait', async () => {
    const lab = await createLab();
    const running = fate(lab.workAndWait('a', { n: 1, ms: 3_000, reply: 'drained' }));
    const waiting = fate(lab.workAndWait('a', { n: 2 }, { timeoutMs: 0 }));
    const delayed = fate(lab.workAndWait('b', { n: 3 }, { delayMs: 60_000, timeoutMs: 0 }));
    const query = fate(lab.ask('a', { n: 4 }, { timeoutMs: 0 }));
    const again = fate(lab.workAndWait('a', { n: 5 }, { messageId: 'k', timeoutMs: 0 }));
    const same = fate(lab.workAndWait('a', { n: 6 }, { messageId: 'k', timeoutMs: 0 }));
    await lab.app.settle();
    const report = await lab.app.stop();
    expect(report).toEqual({ drained: 1, abandoned: [], pending: 2 });
    expect(running.value).toBe('drained');
    for (const each of [waiting, delayed, again, same]) {
      expect(each.error).toMatchObject({ code: 'SHUTTING_DOWN', retryable: false });
      expect(each.error?.message).toContain('is in the store');
    }
    expect(query.error).toMatchObject({ code: 'SHUTTING_DOWN', retryable: true });
    expect(lab.app.runtime.pending).toEqual({ timers: 0, deferred: 0 });
    lab.app = await lab.app.restart();
    await lab.app.advance(60_000);
    expect(lab.order()).toEqual([1, 2, 5, 3]);
    expect((await lab.app.inspect()).deadLetters).toEqual([]);
    await lab.app.stop();
  });

  it('gives a handler up at shutdownTimeout: its signal fires, it is interrupted, its waiter told', async () => {
    const lab = await createLab({ shutdownTimeout: 2_000 });
    const waited = fate(lab.workAndWait('a', { n: 1, hang: true }, { timeoutMs: 0 }));
    const asked = fate(lab.ask('q', { n: 2, hang: true }, { timeoutMs: 0 }));
    await lab.app.settle();
    const before = lab.now;
    const report = await lab.app.stop();
    expect(lab.now - before).toBeLessThan(2_100);
    expect(report.abandoned.map(({ entityId }) => entityId).sort()).toEqual(['a', 'q']);
    expect(report.drained).toBe(0);
    for (const { signal } of lab.contexts) expect(signal.reason).toMatchObject({ code: 'SHUTTING_DOWN' });
    expect(waited.code).toBe('INTERRUPTED');
    expect(asked.code).toBe('SHUTTING_DOWN');
    // What they still do changes nothing any more.
    lab.let(1);
    lab.let(2);
    await lab.app.settle();
    lab.app = await lab.app.restart();
    expect((await lab.app.inspect()).deadLetters).toMatchObject([
      { reason: 'interrupted', error: { name: 'ShutdownDeadline' } },
    ]);
    await lab.app.stop();
  });

  it('with a timeout of 0 waits for nobody', async () => {
    const lab = await createLab({ shutdownTimeout: 0 });
    void lab.work('a', { n: 1, hang: true });
    const waiting = fate(lab.workAndWait('a', { n: 2 }));
    await lab.app.settle();
    expect((await lab.app.stop()).abandoned).toHaveLength(1);
    expect(waiting.code).toBe('SHUTTING_DOWN');
  });

  it('refuses new messages from outside at once, and takes those of handlers that still run, durably', async () => {
    const lab = await createLab(
      {},
      {
        setup: (node, lab) => {
          node.handle('account', 'Late', async () => {
            await lab.pass(1_000);
            await node.queueBus.enqueue('account', 'Work', 'b', { n: 7 });
            await node.queueBus.enqueue('account', 'Work', 'a', { n: 8 });
            return node.queueBus.enqueueAndWait('account', 'Work', 'c', { n: 9 });
          });
        },
      },
    );
    const late = fate(lab.app.bus.enqueueAndWait('account', 'Late', 'a', {}, { timeoutMs: 0 }));
    await lab.app.settle();
    const stopped = lab.app.stop();
    await Promise.resolve();
    expect((await refusal(lab.work('a', { n: 1 }))).code).toBe('SHUTTING_DOWN');
    expect((await refusal(lab.ask('a', { n: 1 }))).code).toBe('SHUTTING_DOWN');
    expect((await stopped).pending).toBe(2);
    expect(late.error).toMatchObject({ code: 'HANDLER_FAILED', cause: { code: 'SHUTTING_DOWN' } });
    expect((await refusal(lab.work('a', { n: 1 }))).code).toBe('SHUTTING_DOWN');
    expect((await refusal(lab.app.bus.cancel('x'))).code).toBe('SHUTTING_DOWN');
    lab.app = await lab.app.restart();
    await lab.app.settle();
    expect(lab.order()).toEqual([7, 8]);
    await lab.app.stop();
  });

  it('puts messages that were marked ahead back, so that they are not interrupted', async () => {
    const lab = await createLab({ entities: { account: { dispatchAhead: 8 } } });
    void lab.work('a', { n: 1, ms: 100 });
    for (let n = 2; n <= 10; n += 1) void lab.work('a', { n });
    await lab.app.settle();
    expect(await lab.app.stop()).toMatchObject({ drained: 1, pending: 9 });
    lab.app = await lab.app.restart();
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await lab.app.stop();
  });

  it('that meets a dispatch on its way to the store puts it back, and one that meets an append keeps it', async () => {
    const lab = await createLab();
    const open = lab.app.wal.hold('commit');
    const accepted = fate(lab.work('a', { n: 1 }));
    const waited = fate(lab.workAndWait('b', { n: 2 }));
    await lab.app.settle();
    const stopped = lab.app.node.stop();
    await lab.app.settle();
    open();
    const report = await lab.app.drive(stopped);
    expect([accepted.state, waited.code]).toEqual(['resolved', 'SHUTTING_DOWN']);
    expect(report.pending).toBe(2);
    lab.app = await lab.app.restart();
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    expect(lab.started.map(({ attempt }) => attempt)).toEqual([1, 1]);
    await lab.app.stop();
  });

  it('waits for a handler whose payload is still being read from the store', async () => {
    const lab = await createLab();
    await lab.app.drive(lab.app.bus.pause('account'));
    await lab.app.drive(lab.work('a', { n: 1, reply: 'x' }));
    lab.app.crash();
    lab.app = await lab.app.restart();
    const open = lab.app.wal.hold('load');
    await lab.app.drive(lab.app.bus.resume('account'));
    await lab.app.settle();
    const stopped = lab.app.node.stop();
    await lab.app.settle();
    open();
    expect(await lab.app.drive(stopped)).toMatchObject({ drained: 1, abandoned: [], pending: 0 });
    expect(lab.order()).toEqual([1]);
  });

  it('is idempotent, works before start and before open, and nothing opens afterwards', async () => {
    const lab = await createLab();
    const reports = await lab.app.drive(Promise.all([lab.app.node.stop(), lab.app.node.stop()]));
    expect(reports[0]).toBe(reports[1]);
    const never = await createTestApp({ start: false });
    expect(await never.stop()).toEqual({ drained: 0, abandoned: [], pending: 0 });
    expect((await refusal(never.node.start() as Promise<unknown>)).code).toBe('SHUTTING_DOWN');
    expect((await refusal(never.status('x'))).code).toBe('SHUTTING_DOWN');
    expect((await refusal(never.bus.enqueue('account', 'Work', 'a', {}))).code).toBe('UNKNOWN_ENTITY_TYPE');
    const opened = await createLab({}, { start: false });
    const waited = fate(opened.workAndWait('a', { n: 1 }));
    await opened.app.settle();
    expect((await opened.app.stop()).pending).toBe(1);
    expect(waited.code).toBe('SHUTTING_DOWN');
  });

  it('answers whenIdle, also when something is left in line', async () => {
    const lab = await createLab();
    const busy = fate(lab.app.node.whenIdle());
    await lab.app.settle();
    expect(busy.state).toBe('resolved');
    await lab.app.drive(lab.app.bus.pause('account'));
    void lab.work('a', { n: 1 });
    await lab.app.settle();
    const waits = fate(lab.app.node.whenIdle());
    await lab.app.advance(1_000);
    expect(waits.state).toBe('pending');
    await lab.app.stop();
    await lab.app.settle();
    expect(waits.state).toBe('resolved');
  });

  it('ends within its time when the store takes nothing any more; nothing accepted is lost', async () => {
    const lab = await createLab({ shutdownTimeout: 1_000 });
    const waited = fate(lab.workAndWait('a', { n: 1, hang: true }, { timeoutMs: 0 }));
    void lab.work('a', { n: 2 });
    await lab.app.settle();
    lab.app.wal.fail('commit', { times: 1_000 });
    lab.let(1);
    await lab.app.settle();
    const before = lab.now;
    await lab.app.stop();
    expect(lab.now - before).toBeLessThan(4_000);
    expect(waited.state).toBe('rejected');
    lab.app = await lab.app.restart();
    await lab.app.settle();
    // Its outcome was never durable, so it counts as interrupted; the one behind it runs.
    expect((await lab.app.inspect()).deadLetters).toMatchObject([{ reason: 'interrupted' }]);
    expect(lab.order()).toEqual([1, 2]);
    await lab.app.stop();
  });
});
