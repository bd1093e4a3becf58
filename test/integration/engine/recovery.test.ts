import { describe, expect, it } from 'vitest';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import { createLab, fate, type Lab, type Script } from './lab.js';

describe('after a crash', () => {
  it('what may have started is interrupted and in the dead letters; all else runs in order (I1, I2, I4)', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    void lab.work('b', { n: 10, hang: true });
    for (let n = 2; n <= 5; n += 1) void lab.work('a', { n });
    await lab.app.settle();
    lab.app.crash();
    lab.app = await lab.app.restart({ start: false });
    const report = await lab.app.drive(lab.app.node.start());
    expect(report).toEqual({ interrupted: 2, putBack: 0, pending: 4 });
    void lab.work('a', { n: 6 });
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 10, 2, 3, 4, 5, 6]);
    const { deadLetters } = await lab.app.inspect();
    expect(deadLetters.map(({ reason, attempts, interruptions }) => [reason, attempts, interruptions])).toEqual([
      ['interrupted', 1, 1],
      ['interrupted', 1, 1],
    ]);
    expect(lab.app.log.of('ended').filter(({ state }) => state === 'interrupted')).toHaveLength(2);
    await lab.app.stop();
  });

  it('marks made ahead are interrupted as well, as declared (I2)', async () => {
    const lab = await createLab({ entities: { account: { dispatchAhead: 3 } } });
    void lab.work('a', { n: 1, hang: true });
    for (let n = 2; n <= 5; n += 1) void lab.work('a', { n });
    await lab.app.settle();
    lab.app.crash();
    lab.app = await lab.app.restart();
    await lab.app.settle();
    expect((await lab.app.inspect()).deadLetters).toHaveLength(3);
    expect(lab.order()).toEqual([1, 4, 5]);
    await lab.app.stop();
  });

  it("onInterrupt 'retry' runs it again in its place, up to maxInterruptions (M13)", async () => {
    const lab = await createLab({ entities: { account: { onInterrupt: 'retry', maxInterruptions: 2 } } });
    void lab.work('a', { n: 1, hang: true });
    void lab.work('a', { n: 2 });
    await lab.app.settle();
    for (let crash = 1; crash <= 3; crash += 1) {
      expect(lab.order()).toEqual(Array.from({ length: crash }, () => 1));
      lab.app.crash();
      lab.app = await lab.app.restart();
      await lab.app.settle();
    }
    expect(lab.order()).toEqual([1, 1, 1, 2]);
    expect(lab.started.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1]);
    expect((await lab.app.inspect()).deadLetters).toMatchObject([{ reason: 'interrupted', interruptions: 3 }]);
    await lab.app.stop();
  });

  it('the first message of an entity runs alone, so that one that kills its process takes no other with it (M13)', async () => {
    const lab = await createLab({ entities: { account: { onInterrupt: 'retry', dispatchAhead: 4 } } });
    void lab.work('a', { n: 1, hang: true });
    for (let n = 2; n <= 6; n += 1) void lab.work('a', { n });
    await lab.app.settle();
    lab.app.crash();
    lab.app = await lab.app.restart();
    await lab.app.settle();
    const marked = async () => (await lab.app.inspect()).pending.filter(({ state }) => state === 'dispatched').length;
    expect(await marked()).toBe(1);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 1, 2, 3, 4, 5, 6]);
    await lab.app.stop();
  });

  it('a back-off goes on where it was (M14), and deadlines still count', async () => {
    const lab = await createLab({ retry: { maxAttempts: 2, backoffDelay: 10_000 } });
    void lab.work('a', { n: 1, failures: 1 });
    void lab.work('a', { n: 2 });
    void lab.work('b', { n: 3, failures: 1 });
    void lab.work('b', { n: 4 }, { expiresInMs: 11_000 });
    void lab.work('b', { n: 5 }, { expiresInMs: 5_000 });
    await lab.app.advance(4_000);
    lab.app.crash();
    lab.app = await lab.app.restart();
    await lab.app.advance(5_999);
    expect(lab.order()).toEqual([1, 3]);
    await lab.app.advance(1);
    expect(lab.order('account/a')).toEqual([1, 1, 2]);
    expect(lab.order('account/b')).toEqual([3, 3, 4]);
    expect((await lab.app.inspect()).deadLetters.map(({ reason }) => reason)).toEqual(['expired']);
    await lab.app.stop();
  });

  it('messages that come in before start stand behind those of the last life, interrupted ones put back included (I4)', async () => {
    const lab = await createLab({ entities: { account: { onInterrupt: 'retry' } } });
    void lab.work('a', { n: 1, hang: true });
    void lab.work('a', { n: 2 });
    await lab.app.settle();
    lab.app.crash();
    lab.app = await lab.app.restart({ start: false });
    // The first call opens the store; the next ones come while that is under way and after it.
    const early = [lab.work('a', { n: 3 }), lab.work('a', { n: 4 })];
    await lab.app.drive(Promise.all(early));
    await lab.app.drive(lab.work('a', { n: 5 }));
    expect(lab.order()).toEqual([1]);
    await lab.app.drive(lab.app.node.start());
    await lab.app.settle();
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 1, 2, 3, 4, 5]);
    expect((await lab.app.inspect()).pending).toEqual([]);
    await lab.app.stop();
  });

  it('a second crash during recovery changes nothing', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    void lab.work('a', { n: 2 });
    await lab.app.settle();
    lab.app.crash();
    const halfway = await lab.app.restart({ start: false });
    halfway.wal.hold('commit');
    void halfway.node.start();
    await halfway.settle();
    halfway.crash();
    lab.app = await lab.app.restart();
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    expect((await lab.app.inspect()).deadLetters).toHaveLength(1);
    await lab.app.stop();
  });

  it('the verdict of a message that ended is still there for its messageId, and a waiter in the new life gets it', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true }, { messageId: 'k' });
    await lab.app.settle();
    lab.app.crash();
    lab.app = await lab.app.restart();
    const waited = fate(lab.workAndWait('a', { n: 2 }, { messageId: 'k' }));
    await lab.app.settle();
    expect(waited.code).toBe('INTERRUPTED');
    expect(lab.order()).toEqual([1]);
    await lab.app.stop();
  });
});

describe('messages that nobody here handles', () => {
  it('stay in line untouched with what is behind them, are announced, hold up nobody else, and run when somebody does', async () => {
    const lab = await createLab({}, { types: ['account', 'old'] });
    await lab.app.drive(lab.app.bus.pause('old'));
    await lab.app.drive(Promise.all([1, 2, 3, 4].map((n) => lab.work(`old/e${n % 2}`, { n }))));
    await lab.app.stop();
    const without = { config: { maxTotalWorkers: 1 }, setup: (node: AtomicQueuesNode) => onlyAccount(node, lab) };
    lab.app = await lab.app.restart(without);
    await lab.app.drive(lab.app.bus.resume('old'));
    await lab.app.drive(lab.work('a', { n: 10 }));
    await lab.app.settle();
    expect(lab.app.log.of('parked')).toMatchObject([{ entityType: 'old', name: 'Work', count: 4 }]);
    expect(lab.order()).toEqual([10]);
    expect((await lab.app.inspect()).pending.map(({ state, attempt }) => [state, attempt])).toEqual(
      Array.from({ length: 4 }, () => ['enqueued', 0]),
    );
    await lab.app.stop();
    lab.app = await lab.app.restart({
      config: {},
      setup: (node) => {
        onlyAccount(node, lab);
        node.handle('old', '*', (script, context) => lab.perform(script as Script, context));
      },
    });
    await lab.app.settle();
    expect(lab.order('old/e1')).toEqual([1, 3]);
    expect(lab.order('old/e0')).toEqual([2, 4]);
    await lab.app.stop();
  });
});

function onlyAccount(node: AtomicQueuesNode, lab: Lab): void {
  node.handle('account', 'Work', (script, context) => lab.perform(script as Script, context));
}
