/** The embedded store among processes: killed owners, second owners, ends. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultDriver } from '../../../src/wal/sqlite/driver.js';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import { bundleProgram, startChild } from './child-process.js';
import { CommitSeries } from './commit-series.js';
import { removeStoreFolders, storeFolder } from './store-folder.js';

let program: string;
const folder = storeFolder();
beforeAll(async () => {
  program = await bundleProgram();
});
afterAll(() => {
  removeStoreFolders();
  rmSync(join(program, '..'), { recursive: true, force: true });
});

describe('processes on one embedded store', () => {
  it('has every acknowledged message after kill -9 in the middle of commits (I1, I7)', async () => {
    const path = join(folder, 'killed.db');
    let total = 0;
    for (let life = 1; life <= 4; life++) {
      const child = startChild(program, 'commit', path);
      let line = '';
      for (let lines = 0; lines < 40 * life; lines++) line = await child.nextLine();
      child.process.kill('SIGKILL');
      await child.ended;
      const [completed, last] = line.split(' ').map(Number) as [number, number];
      total += completed;
      const wal = new SqliteWal({ path });
      await wal.start();
      const opened = await wal.open(0, `check-${life}`);
      expect(opened.clean).toBe(false);
      expect(opened.nextSeq).toBeGreaterThan(last);
      const { counts } = opened;
      expect(counts.completed).toBeGreaterThanOrEqual(total);
      total = counts.completed;
      const heads = await wal.scan(0, 0, 1_000_000);
      expect(counts.pending).toBe(heads.length);
      expect(counts.accepted).toBe(counts.completed + heads.length);
      expect(opened.inFlight.length).toBe(heads.filter((head) => head.state === 'dispatched').length);
      await wal.stop();
      const db = defaultDriver().open(path, { readOnly: true });
      expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
      db.close();
    }
  });

  it('refuses a second owner at once and names the first one (I3)', async () => {
    const path = join(folder, 'owned.db');
    const child = startChild(program, 'commit', path);
    await child.nextLine();
    const second = new SqliteWal({ path });
    await expect(second.start()).rejects.toThrow(`in use by process ${child.process.pid}`);
    child.process.kill('SIGKILL');
    await child.ended;
    await second.start();
    await second.stop();
  });

  it('refuses a second owner in the same process', async () => {
    const path = join(folder, 'twice.db');
    const first = new SqliteWal({ path });
    await first.start();
    const second = new SqliteWal({ path });
    await expect(second.start()).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: true });
    const series = await CommitSeries.open(first);
    await series.round(1);
    await first.stop();
    await second.start();
    await second.stop();
  });

  it('reads and hands work in from another process while the owner commits', async () => {
    const path = join(folder, 'read.db');
    const child = startChild(program, 'commit', path);
    await child.nextLine();
    const reader = new SqliteWal({ path, role: 'reader' });
    await reader.start();
    const before = await reader.counts(0);
    await reader.offer(0, [{ session: 's', number: 1, transition: { type: 'pause', entityType: 'account' } }]);
    // Paused, its appends no longer start, so it completes no more: the line grows.
    let counts = before;
    do {
      await child.nextLine();
      counts = await reader.counts(0);
    } while (counts.pending < before.pending + 200);
    expect(await reader.offerMark(0, 's')).toBe(1);
    await reader.stop();
    child.process.kill('SIGKILL');
    await child.ended;
  });

  it('leaves nothing that keeps a process alive after stop', async () => {
    const path = join(folder, 'ends.db');
    const child = startChild(program, 'work', path);
    expect(await child.nextLine()).toBe('stopped');
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(existsSync(`${path}-wal`)).toBe(false);
  });
});
