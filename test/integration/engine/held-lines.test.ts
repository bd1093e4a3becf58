/** Lines whose head nobody here can start, found at a start. */
import { describe, expect, it } from 'vitest';
import { createNode } from '../../../src/core.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { MemoryStore, MemoryWal } from '../../../src/wal/memory/memory-wal.js';

const makeNode = (store: MemoryStore) => createNode({ wal: new MemoryWal({ clock: systemClock, store }) });

/** A store with a message `old` and behind it a message `new` of one entity; returns their ids. */
async function leaveBehind(store: MemoryStore, options: { expiresInMs?: number } = {}): Promise<string[]> {
  const node = makeNode(store);
  node.handle('t', 'old', () => {}).handle('t', 'new', () => {});
  await node.open();
  const receipts = [
    await node.queueBus.enqueue('t', 'old', 'e', {}, options),
    await node.queueBus.enqueue('t', 'new', 'e', {}),
  ];
  await node.stop();
  return receipts.map(({ id }) => id);
}

describe('a line whose head has no handler here', () => {
  it('goes on when the head is withdrawn (I7, I9)', async () => {
    const store = new MemoryStore();
    const [head = ''] = await leaveBehind(store);
    const node = makeNode(store);
    let ran = 0;
    node.handle('t', 'new', () => (ran += 1));
    await node.start();
    expect(ran).toBe(0);
    const ended = node.events.once('ended', ({ state }) => state === 'completed');
    expect(await node.queueBus.cancel(head)).toBe(true);
    await ended;
    expect(ran).toBe(1);
    await node.stop();
  });

  it('goes on when the head has expired', async () => {
    const store = new MemoryStore();
    await leaveBehind(store, { expiresInMs: 50 });
    const node = makeNode(store);
    node.handle('t', 'new', () => {});
    const ended = node.events.once('ended', ({ state }) => state === 'completed');
    await node.start();
    await ended;
    expect(await node.wal.counts(0)).toMatchObject({ completed: 1, expired: 1, pending: 0 });
    await node.stop();
  });
});
