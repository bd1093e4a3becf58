/** A backlog that is longer than the places kept in memory is taken over in pieces. */
import { describe, expect, it } from 'vitest';
import { createNode } from '../../../src/core.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { MemoryStore, MemoryWal } from '../../../src/wal/memory/memory-wal.js';

const ENTITIES = 50;
const MESSAGES = 9_000;

async function storeWithBacklog(): Promise<MemoryStore> {
  const store = new MemoryStore({});
  const wal = new MemoryWal({ clock: systemClock, store });
  const node = createNode({ wal, config: { maxTotalQueueDepth: 0 } });
  node.handle('account', 'Step', () => {});
  await node.open();
  const receipts: Promise<unknown>[] = [];
  for (let n = 0; n < MESSAGES; n += 1)
    receipts.push(node.queueBus.enqueue('account', 'Step', `a-${n % ENTITIES}`, { n }));
  await Promise.all(receipts);
  await node.stop();
  return store;
}

describe('a backlog longer than memory', () => {
  it('runs whole and in order, and what comes in meanwhile runs behind it (I4, I7, I10)', async () => {
    const store = await storeWithBacklog();
    const node = createNode({
      wal: new MemoryWal({ clock: systemClock, store }),
      config: { maxTotalQueueDepth: 0, residentPlacesMax: 2_000 },
    });
    const seen = new Map<string, number[]>();
    let mostInMemory = 0;
    node.handle('account', 'Step', (message, { entityId }) => {
      const line = seen.get(entityId) ?? [];
      seen.set(entityId, line);
      line.push((message as { n: number }).n);
      mostInMemory = Math.max(mostInMemory, node.owner.door.depth);
    });
    node.handle('account', 'Ask', () => 1, { kind: 'query' });
    await node.open();
    const late = Array.from({ length: ENTITIES }, (_, index) =>
      node.queueBus.enqueue('account', 'Step', `a-${index}`, { n: MESSAGES + index }),
    );
    const delayed = node.queueBus.enqueue('account', 'Step', 'a-0', { n: MESSAGES * 2 }, { delayMs: 1 });
    await expect(node.queueBus.enqueueAndWait('account', 'Step', 'a-0', { n: -1 })).rejects.toMatchObject({
      code: 'BACKPRESSURE',
    });
    await expect(node.queueBus.enqueueAndWait('account', 'Ask', 'a-0', {})).rejects.toMatchObject({
      code: 'BACKPRESSURE',
    });
    await Promise.all([...late, delayed]);
    const delayedRan = node.events.once('ended', ({ id }) => seen.get('a-0')?.at(-1) === MESSAGES * 2 && id !== '');
    await node.start();
    await delayedRan;
    await node.whenIdle();
    for (const [entityId, line] of seen) {
      const index = Number(entityId.slice(2));
      const expected = Array.from({ length: MESSAGES / ENTITIES }, (_, turn) => turn * ENTITIES + index);
      expect(line.slice(0, expected.length)).toEqual(expected);
      expect(line.slice(expected.length)).toEqual(index === 0 ? [MESSAGES, MESSAGES * 2] : [MESSAGES + index]);
    }
    // The pages are read whole, so there may be one page more than the limit.
    expect(mostInMemory).toBeLessThanOrEqual(4_000);
    expect(await node.queueBus.enqueueAndWait('account', 'Ask', 'a-0', {})).toBe(1);
    expect(await node.wal.counts(0)).toMatchObject({ pending: 0, completed: MESSAGES + ENTITIES + 1 });
    await node.stop();
  });
});
