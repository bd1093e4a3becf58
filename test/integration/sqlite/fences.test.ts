/** What keeps a store whole when files go away, names differ, or the inbox holds what nobody can use. */
import { existsSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ContractClock } from '../../../src/testing/wal-contract.js';
import { defaultDriver } from '../../../src/wal/sqlite/driver.js';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import type { OfferedTransition } from '../../../src/wal/wal.js';
import { CommitSeries } from './commit-series.js';
import { removeStoreFolders, storeFolder } from './store-folder.js';

const folder = storeFolder();
afterAll(removeStoreFolders);

async function started(options: ConstructorParameters<typeof SqliteWal>[0]): Promise<SqliteWal> {
  const wal = new SqliteWal(options);
  await wal.start();
  return wal;
}

describe('an inbox with rows that nobody can use', () => {
  it('refuses a wish without an id at the door, so that no owner dies of it', async () => {
    const path = join(folder, 'no-id.db');
    const owner = await started({ path });
    const reader = await started({ path, role: 'reader' });
    const transition = { type: 'cancel', id: undefined } as unknown as OfferedTransition;
    await expect(reader.offer(0, [{ session: 's', number: 1, transition }])).rejects.toMatchObject({
      name: 'IllegalTransitionError',
      message: expect.stringContaining("'id'") as string,
    });
    await reader.stop();
    await owner.stop();
  });

  it('steps over damaged and foreign rows, tells them, and takes in what follows', async () => {
    const path = join(folder, 'damaged.db');
    await (await started({ path })).stop();
    const db = defaultDriver().open(`${path}-inbox`, { readOnly: false });
    const insert = db.prepare('INSERT INTO offers(session, number, transition) VALUES (?, ?, ?)');
    insert.run('s', 1, '{"type":"cancel"}');
    insert.run('s', 2, 'no JSON');
    insert.run('s', 3, 'null');
    insert.run('s', 4, new Uint8Array([0xff, 0, 1]));
    insert.run('x', 'not a number', '{"type":"purge","id":"m"}');
    insert.run('y', 9_223_372_036_854_775_807n, '{"type":"purge","id":"m"}');
    insert.run('s', 5, '{"type":"complete","seq":1}');
    insert.run('s', 6, '{"type":"pause","entityType":"account"}');
    db.close();
    const owner = await started({ path });
    const series = await CommitSeries.open(owner);
    const { taken } = await series.commit();
    expect(taken.map(({ outcome }) => outcome.type)).toEqual([...Array<string>(7).fill('not-found'), 'applied']);
    expect(await owner.offerMark(0, 's')).toBe(6);
    expect((await series.commit()).taken).toEqual([]);
    await owner.stop();
    const next = await started({ path });
    expect((await (await CommitSeries.open(next)).commit()).taken).toEqual([]);
    await next.stop();
  });
});

describe('an owner that lost its files', () => {
  it.each(['-owner', '-wal', '-shm', '-inbox', '-inbox-wal'])('stops loudly when %s is removed (M7)', async (end) => {
    const path = join(folder, `removed${end}.db`);
    const clock = new ContractClock();
    const wal = await started({ path, clock });
    const series = await CommitSeries.open(wal);
    await series.round(1);
    renameSync(`${path}${end}`, `${path}${end}.away`);
    clock.nowMs += 1_001;
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(series.commit(series.append())).rejects.toMatchObject({
        name: 'StoreUnavailableError',
        recoverable: false,
        message: expect.stringContaining(end) as string,
      });
    }
    await wal.stop();
  });

  it('cannot write once another process has opened the store, although its lock is gone (I3)', async () => {
    const path = join(folder, 'two-owners.db');
    const clock = new ContractClock();
    const former = await started({ path, clock });
    const left = await CommitSeries.open(former, 'former');
    await left.round(1);
    rmSync(`${path}-owner`);
    const next = await started({ path });
    const series = await CommitSeries.open(next, 'next');
    expect(series.opened.inFlight).toHaveLength(1);
    const before = await next.counts(0);
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(left.commit(left.append(true))).rejects.toMatchObject({ name: 'StaleEpochError' });
    }
    await former.release(0, left.opened.epoch, 'former');
    await expect(former.open(0, 'former')).rejects.toMatchObject({ recoverable: false });
    expect(await next.counts(0)).toEqual(before);
    await series.round(3);
    expect((await next.counts(0)).accepted).toBe(4);
    await former.stop();
    await next.stop();
    const last = await started({ path });
    expect((await last.open(0, 'last')).counts.accepted).toBe(4);
    await last.stop();
  });
});

describe('a place that is not free', () => {
  it('makes no store where the inbox of another one is, and writes nothing', async () => {
    const other = storeFolder();
    await (await started({ path: join(other, 'store.db'), clusterId: 'first' })).stop();
    for (const name of readdirSync(other)) if (name !== 'store.db-inbox') rmSync(join(other, name));
    for (const clusterId of [undefined, 'second']) {
      await expect(new SqliteWal({ path: join(other, 'store.db'), clusterId }).start()).rejects.toMatchObject({
        recoverable: false,
        message: expect.stringMatching(/inbox belongs to another store \(first\)/) as string,
      });
    }
    expect(existsSync(join(other, 'store.db'))).toBe(false);
    expect(existsSync(join(other, 'store.db-owner'))).toBe(false);
    const again = await started({ path: join(other, 'store.db'), clusterId: 'first' });
    await again.stop();
  });

  it('is one store under two names: a symbolic link leads to the same files and the same lock', async () => {
    const real = storeFolder();
    const links = storeFolder();
    const link = join(links, 'link.db');
    symlinkSync(join(real, 'store.db'), link);
    const owner = await started({ path: link });
    const series = await CommitSeries.open(owner);
    await series.round(2);
    expect(readdirSync(links)).toEqual(['link.db']);
    for (const path of [join(real, 'store.db'), link])
      await expect(new SqliteWal({ path }).start()).rejects.toThrow('is in use by process');
    const linkedFolder = join(links, 'folder');
    symlinkSync(real, linkedFolder);
    const reader = await started({ path: join(linkedFolder, 'store.db'), role: 'reader' });
    await reader.offer(0, [{ session: 's', number: 1, transition: { type: 'pause', entityType: 'account' } }]);
    expect((await series.commit()).taken).toHaveLength(1);
    await reader.stop();
    await owner.stop();
  });

  it('says how to look into a store that is in use', async () => {
    const path = join(folder, 'in-use.db');
    const owner = await started({ path });
    await expect(new SqliteWal({ path }).start()).rejects.toThrow(`npx atomic-queues counts --path ${path}.`);
    await owner.stop();
  });
});
