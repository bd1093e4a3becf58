/** Durability `fsync`: what is resolved was flushed before; a failed flush ends the store. */
import type * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import { CommitSeries } from './commit-series.js';
import { removeStoreFolders, storeFolder } from './store-folder.js';

/** Stands between the store and the disk: flushes wait here until the test lets them end. */
const disk = vi.hoisted(() => ({ held: false, flushes: 0, waiting: [] as ((error: Error | null) => void)[] }));

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      disk.flushes += 1;
      if (disk.held) disk.waiting.push(done);
      else real.fdatasync(fd, done);
    },
  };
});

const folder = storeFolder();
afterAll(removeStoreFolders);
beforeEach(() => {
  disk.held = false;
  disk.waiting.length = 0;
});

async function opened(name: string): Promise<{ wal: SqliteWal; series: CommitSeries }> {
  const wal = new SqliteWal({ path: join(folder, name), durability: 'fsync' });
  await wal.start();
  return { wal, series: await CommitSeries.open(wal) };
}

/** Whether it is settled once everything that is ready has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let over = false;
  promise.then(
    () => {
      over = true;
    },
    () => {
      over = true;
    },
  );
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return over;
}

function letFlushesEnd(error: Error | null = null): void {
  for (const done of disk.waiting.splice(0)) done(error);
}

describe('durability fsync', () => {
  it('resolves a commit, an offer and a read only when what they tell of is flushed (I1)', async () => {
    const { wal, series } = await opened('flushed.db');
    disk.held = true;
    const commit = series.commit(series.append(true));
    expect(await settled(commit)).toBe(false);
    const read = wal.counts(0);
    expect(await settled(read)).toBe(false);
    letFlushesEnd();
    await commit;
    letFlushesEnd();
    expect((await read).accepted).toBe(1);
    const offer = wal.offer(0, [{ session: 's', number: 1, transition: { type: 'purge', id: 'none' } }]);
    expect(await settled(offer)).toBe(false);
    letFlushesEnd();
    await offer;
    disk.held = false;
    await wal.stop();
  });

  it('does not flush with durability commit', async () => {
    const wal = new SqliteWal({ path: join(folder, 'commit.db') });
    await wal.start();
    const before = disk.flushes;
    await (await CommitSeries.open(wal)).round(5);
    expect(disk.flushes).toBe(before);
    await wal.stop();
  });

  it('refuses everything after a flush that failed, and says that the commit may have been applied', async () => {
    const { wal, series } = await opened('failed.db');
    disk.held = true;
    const commit = series.commit(series.append(true));
    expect(await settled(commit)).toBe(false);
    letFlushesEnd(new Error('input/output error'));
    await expect(commit).rejects.toMatchObject({
      name: 'StoreUnavailableError',
      applied: 'unknown',
      recoverable: false,
    });
    disk.held = false;
    await expect(series.commit()).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: false });
    await expect(wal.open(0, 'again')).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: false });
    await wal.stop();
  });
});
