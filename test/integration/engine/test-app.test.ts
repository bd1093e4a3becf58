import { describe, expect, it } from 'vitest';
import { EntityType, QueueEntityId } from '../../../src/core.js';
import { createTestApp, type TestApp } from '../../../src/testing.js';

@EntityType('account')
class Withdraw {
  @QueueEntityId() readonly account: string;
  constructor(
    account: string,
    readonly amount: number,
  ) {
    this.account = account;
  }
}

function bankApp(balances: Map<string, number>): Promise<TestApp> {
  return createTestApp({
    config: { retry: { maxAttempts: 2, backoffDelay: 30_000 } },
    setup: (node) =>
      node.handle(Withdraw, ({ account, amount }) => {
        const left = (balances.get(account) ?? 0) - amount;
        if (left < 0) throw Object.assign(new Error('overdrawn'), { missing: -left });
        balances.set(account, left);
        return left;
      }),
  });
}

describe("the test app for users' own tests", () => {
  it('sends, waits for answers and settles without any time passing', async () => {
    const balances = new Map([['a', 10]]);
    const app = await bankApp(balances);
    const { id } = await app.send(new Withdraw('a', 3));
    await app.settle();
    expect(balances.get('a')).toBe(7);
    expect(await app.sendAndWait(new Withdraw('a', 2))).toBe(5);
    expect((await app.status(id)).state).toBe('completed');
    expect(app.runtime.clock.monotonic()).toBe(0);
    await app.stop();
  });

  it('moves time for retries and timeouts, and shows what is pending, running and dead', async () => {
    const app = await bankApp(new Map());
    await app.send(new Withdraw('a', 3));
    await app.settle();
    expect((await app.inspect()).pending).toMatchObject([
      { entityId: 'a', name: 'Withdraw', state: 'enqueued', attempt: 1 },
    ]);
    await app.advance(30_000);
    const { pending, running, deadLetters, events } = await app.inspect();
    expect([pending, running]).toEqual([[], []]);
    expect(deadLetters).toMatchObject([
      { reason: 'failed', attempts: 2, error: { message: 'overdrawn', data: { missing: 3 } } },
    ]);
    expect(events.map(({ type }) => type)).toEqual([
      'workerSpawned',
      'accepted',
      'started',
      'settled',
      'retried',
      'started',
      'settled',
      'ended',
    ]);
    await expect(app.sendAndWait(new Withdraw('a', 1), { timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'REPLY_TIMEOUT',
    });
    await app.stop();
  });

  it('takes several calls at once, and a crash with a restart', async () => {
    const balances = new Map([['a', 10]]);
    const app = await bankApp(balances);
    expect(await Promise.all([1, 2, 3].map((amount) => app.sendAndWait(new Withdraw('a', amount))))).toEqual([9, 7, 4]);
    app.crash();
    const next = await app.restart();
    expect(await next.sendAndWait(new Withdraw('a', 4))).toBe(0);
    expect(await next.stop()).toMatchObject({ pending: 0 });
    expect(next.runtime.pending).toMatchObject({ deferred: 0 });
  });

  it('says so when it waits for something that cannot come', async () => {
    const app = await createTestApp({ setup: (node) => void node.handle('x', 'never', () => new Promise(() => {})) });
    await expect(app.drive(app.bus.enqueueAndWait('x', 'never', 'a', {}, { timeoutMs: 0 }))).rejects.toThrow(
      /does not come/,
    );
    await app.stop();
  });
});
