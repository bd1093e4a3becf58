/** Nodes that want the same store one after the other, as a rolling restart on one machine does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNode } from '../../../src/core.js';

describe('two nodes on one store', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aq-turns-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const makeNode = () => createNode({ config: { store: { path: join(folder, 'store.db') } } });

  it('take turns: the second waits a moment for the first to end, and has its messages (I1)', async () => {
    const first = makeNode();
    first.handle('account', 'Deposit', () => {});
    await first.open();
    await first.queueBus.enqueue('account', 'Deposit', 'a-1', { amount: 5 });
    const seen: unknown[] = [];
    const second = makeNode();
    second.handle('account', 'Deposit', (message) => seen.push(message));
    const started = second.start();
    await first.stop();
    expect(await started).toMatchObject({ pending: 1, interrupted: 0 });
    await second.whenIdle();
    expect(seen).toEqual([{ amount: 5 }]);
    await second.stop();
  });

  it('are refused, the second naming the first one, when the first stays', async () => {
    const first = makeNode();
    await first.start();
    const second = makeNode();
    await expect(second.start()).rejects.toMatchObject({
      code: 'STORE_DEGRADED',
      message: expect.stringContaining(`process ${process.pid}`) as string,
    });
    await first.stop();
    await second.stop();
  });
});
