/** A whole node on a store that has no room, or that cannot be written at all. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNode } from '../../../src/core.js';
import { defaultDriver, type SqliteDatabase, type SqliteDriver } from '../../../src/wal/sqlite/driver.js';

describe('a node whose disk is full', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aq-full-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('refuses new messages by name, keeps every accepted one, and goes on when there is room again (I1, I7, I8)', async () => {
    const path = join(folder, 'store.db');
    let db: SqliteDatabase | undefined;
    const real = defaultDriver();
    const driver: SqliteDriver = {
      ...real,
      open: (file, options) => {
        const opened = real.open(file, options);
        if (file === path && !options.readOnly) db ??= opened;
        return opened;
      },
    };
    const node = createNode({ config: { store: { path, driver } } });
    let ran = 0;
    node.handle('t', 'a', () => {
      ran += 1;
    });
    await node.start();
    await node.queueBus.enqueue('t', 'a', 'e', {});
    await node.whenIdle();
    const { page_count: pages } = (db as unknown as SqliteDatabase).prepare('PRAGMA page_count').get() as {
      page_count: number;
    };
    db?.prepare(`PRAGMA max_page_count = ${pages + 20}`).get();
    const filler = 'x'.repeat(2_000);
    const recovered = node.events.once('recovered');
    const fates = await Promise.allSettled(
      Array.from({ length: 200 }, (_, n) => node.queueBus.enqueue('t', 'a', `e${n}`, { filler })),
    );
    const refused = fates.flatMap((fate) => (fate.status === 'rejected' ? [fate.reason as { code: string }] : []));
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['STORE_DEGRADED']));
    db?.prepare('PRAGMA max_page_count = 1000000').get();
    await recovered;
    await node.queueBus.enqueue('t', 'a', 'e', { filler });
    await node.whenIdle();
    expect(ran).toBe(2 + 200 - refused.length);
    expect(await node.wal.counts(0)).toMatchObject({ accepted: ran, completed: ran, pending: 0 });
    await node.stop();
  });

  it.runIf(process.platform === 'linux')('says so at the start when the path cannot be written', async () => {
    // No user, not even root, makes files there.
    const node = createNode({ config: { store: { path: '/proc/store.db' } } });
    await expect(node.start()).rejects.toMatchObject({
      code: 'STORE_DEGRADED',
      message: expect.stringContaining('/proc/store.db') as string,
    });
    await node.stop();
  });
});
