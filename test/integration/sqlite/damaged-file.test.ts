/** A file that was damaged under the running node: its reads say so in the words of callers. */
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/core.js';
import { folder } from '../cli/command-line.js';

const PAGE_BYTES = 4_096;
const PAGES_LEFT = 40;

it('reads of a damaged file are refused with STORE_DEGRADED', { timeout: 60_000 }, async () => {
  const path = join(folder(), 'store.db');
  const make = (): AtomicQueuesNode =>
    createNode({ config: { store: { path } } }).handle('account', 'Fail', () => {
      throw new Error('no');
    });
  const first = make();
  await first.start();
  const payload = { text: 'x'.repeat(30_000) };
  for (let n = 0; n < 100; n += 1) await first.queueBus.enqueue('account', 'Fail', `a${n}`, payload);
  await first.whenIdle();
  await first.stop();

  const node = make();
  await node.start();
  const file = openSync(path, 'r+');
  const damage = Buffer.alloc(PAGE_BYTES, 0xaa);
  const { size } = statSync(path);
  for (let at = PAGE_BYTES * PAGES_LEFT; at < size; at += PAGE_BYTES) writeSync(file, damage, 0, PAGE_BYTES, at);
  closeSync(file);
  const refused = {
    name: 'AtomicQueuesError',
    code: 'STORE_DEGRADED',
    message: expect.stringContaining('is damaged. Stop the application'),
  };
  await expect(node.deadLetters.list({ limit: 1_000 })).rejects.toMatchObject(refused);
  await expect(node.deadLetters.count({ name: 'Fail', since: 1 })).rejects.toMatchObject(refused);
  await node.stop().catch(() => {});
});
