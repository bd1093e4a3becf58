/** What a node does with what another one left in the store, and with what comes in meanwhile. */
import { expect, test } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import { MemoryStore, MemoryWal } from '../../../src/wal/memory/memory-wal.js';

function nodeOn(store: MemoryStore, handler: (payload: unknown) => unknown): AtomicQueuesNode {
  return createNode({ wal: new MemoryWal({ store, clock: systemRuntime.clock }) }).handle('account', 'do', handler);
}

/** A store that a node left without a word: one message of `a` marked as started, and the given ones behind it. */
async function abandonedStore(waiting: readonly string[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  const gone = nodeOn(store, () => new Promise(() => {}));
  await gone.start();
  const started = gone.events.once('started');
  for (const payload of ['in flight', ...waiting]) await gone.queueBus.enqueue('account', 'do', 'a', payload);
  await started;
  return store;
}

test('puts messages that come in before the start behind those found in the store (I4)', async () => {
  const ran: unknown[] = [];
  const node = nodeOn(await abandonedStore(['1', '2']), (payload) => void ran.push(payload));
  await node.open();
  await node.queueBus.enqueue('account', 'do', 'a', '3');
  await node.start();
  await node.queueBus.enqueue('account', 'do', 'a', '4');
  await node.whenIdle();
  expect(ran).toEqual(['1', '2', '3', '4']);
  await node.stop();
});

test('puts messages that come in while it opens behind those found in the store, and runs each once (I2, I4)', async () => {
  const ran: unknown[] = [];
  const node = nodeOn(await abandonedStore(['1', '2']), (payload) => void ran.push(payload));
  const opened = node.open();
  const sent: Promise<unknown>[] = [];
  let calls = 0;
  // One call in each of the turns that the opening takes.
  for (let isOpen = false; !isOpen; ) {
    calls += 1;
    sent.push(node.queueBus.enqueue('account', 'do', 'a', `early ${calls}`));
    isOpen = await Promise.race([opened.then(() => true), new Promise<false>((done) => setImmediate(done, false))]);
  }
  await Promise.all(sent);
  await node.start();
  await node.whenIdle();
  expect(ran.slice(0, 2)).toEqual(['1', '2']);
  expect(ran).toHaveLength(2 + calls);
  expect(new Set(ran).size).toBe(2 + calls);
  await node.stop();
});

test('keeps the payload of a volatile query in memory, whatever the limit: it is in no store (I10)', async () => {
  const node = createNode({ config: { wal: { enabled: false }, residentBytesMax: 0 } });
  let settle = (): void => {};
  const busy = new Promise<void>((resolve) => {
    settle = resolve;
  });
  node.handle('account', 'do', () => busy).handle('account', 'ask', (payload) => payload, { kind: 'query' });
  await node.start();
  await node.queueBus.enqueue('account', 'do', 'a', 'first');
  const answer = node.queueBus.enqueueAndWait('account', 'ask', 'a', 'what?');
  settle();
  expect(await answer).toBe('what?');
  await node.stop();
});
