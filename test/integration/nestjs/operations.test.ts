import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandHandler } from '@nestjs/cqrs';
import { AtomicQueuesEvents, AtomicQueuesOperations, DeadLetterService } from 'atomic-queues';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Deposit } from './account-messages.js';
import { startApp } from './harness.js';

describe('AtomicQueuesOperations', () => {
  it('pauses, empties and unblocks lines, also those that were stopped before a restart (M17)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'aq-nest-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    let healed = false;
    const done: number[] = [];
    @CommandHandler(Deposit)
    class DepositHandler {
      execute({ amount }: Deposit): void {
        if (amount < 0 && !healed) throw new RangeError('below zero');
        done.push(amount);
      }
    }
    const start = async () => {
      const { app, bus } = await startApp({
        config: {
          wal: { enabled: true },
          store: { path: join(folder, 'app.db') },
          entities: { account: { onFailure: 'block' } },
        },
        providers: [DepositHandler],
      });
      return { app, bus, operations: app.get(AtomicQueuesOperations) };
    };
    const first = await start();
    const blocked = new Promise((resolve) => first.app.get(AtomicQueuesEvents).on('blocked', resolve));
    const { id } = await first.bus.enqueue(new Deposit('a', -1));
    await blocked;
    await first.operations.pause('account', 'b');
    await first.bus.enqueue(new Deposit('b', 2));
    await first.app.close();

    const { app, bus, operations } = await start();
    await expect(operations.paused()).resolves.toEqual([{ entityType: 'account', entityId: 'b' }]);
    await expect(operations.purge('account', 'b')).resolves.toBe(1);
    await operations.resume('account', 'b');
    await expect(operations.blockedCount()).resolves.toBe(1);
    await expect(operations.blocked()).resolves.toMatchObject({
      messages: [{ id, name: 'Deposit', entityId: 'a', error: { message: 'below zero' } }],
    });
    const again = new Promise((resolve) => app.get(AtomicQueuesEvents).on('blocked', resolve));
    await expect(operations.retryBlocked(id)).resolves.toBe(true);
    await again;
    await expect(operations.skipBlocked(id)).resolves.toBe(true);
    await expect(app.get(DeadLetterService).get(id)).resolves.toMatchObject({ attempts: 2, reason: 'failed' });
    healed = true;
    await bus.enqueueAndWait(new Deposit('a', 4));
    expect(done).toEqual([4]);
    await expect(operations.cancel(id)).resolves.toBe(false);
    await expect(operations.release(id)).resolves.toBe(false);
    await app.close();
  });
});
