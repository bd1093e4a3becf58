/** The files of the embedded store: what it refuses, what it does when the disk gives out, how large its log gets. */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ContractClock } from '../../../src/testing/wal-contract.js';
import { defaultDriver, type SqliteDatabase, type SqliteDriver } from '../../../src/wal/sqlite/driver.js';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';
import { CommitSeries } from './commit-series.js';
import { crashImage, removeStoreFolders, storeFolder } from './store-folder.js';

const folder = storeFolder();
afterAll(removeStoreFolders);

async function filledStore(path: string, messages = 3_000): Promise<void> {
  const wal = new SqliteWal({ path, clusterId: 'filled' });
  await wal.start();
  const series = await CommitSeries.open(wal);
  await series.commit(...Array.from({ length: messages }, () => series.append()));
  await wal.stop();
}

function hash(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

async function refusal(options: ConstructorParameters<typeof SqliteWal>[0]): Promise<StoreUnavailableError> {
  const wal = new SqliteWal(options);
  const error = await wal.start().then(
    () => wal.stop().then(() => undefined),
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(StoreUnavailableError);
  return error as StoreUnavailableError;
}

/** Hands out the connection on which the owner commits. */
function watchedDriver(path: string): { driver: SqliteDriver; connection: () => SqliteDatabase } {
  const driver = defaultDriver();
  let db: SqliteDatabase | undefined;
  return {
    driver: {
      workerModule: driver.workerModule,
      open(file, options) {
        const opened = driver.open(file, options);
        if (file === path && !options.readOnly) db = opened;
        return opened;
      },
    },
    connection: () => {
      if (db === undefined) throw new Error('The store is not open.');
      return db;
    },
  };
}

/** A copy of a store as earlier releases made them. */
function copyWithSmallPages(path: string): string {
  const copy = `${path}.small`;
  const db = defaultDriver().open(path, { readOnly: false });
  db.exec(`PRAGMA page_size = 2048; VACUUM INTO '${copy}';`);
  db.close();
  return copy;
}

function pageBytesOf(path: string): number {
  return readFileSync(path).readUInt16BE(16);
}

describe('a store with pages of another size than new ones', () => {
  it('is opened with its log, and keeps its pages', async () => {
    const original = join(folder, 'small-pages.db');
    await filledStore(original);
    expect(pageBytesOf(original)).toBe(4096);
    const path = copyWithSmallPages(original);
    const wal = new SqliteWal({ path });
    await wal.start();
    const series = await CommitSeries.open(wal);
    await series.commit(...Array.from({ length: 500 }, () => series.append()));
    const image = crashImage(path);
    await wal.stop();
    const reader = new SqliteWal({ path: image });
    await reader.start();
    expect((await reader.counts(0)).pending).toBe(3_500);
    await reader.stop();
    expect(pageBytesOf(image)).toBe(2048);
    rmSync(join(image, '..'), { recursive: true });
  });

  it('is refused when it was cut in half although its log is there', async () => {
    const original = join(folder, 'small-pages-cut.db');
    await filledStore(original);
    const path = copyWithSmallPages(original);
    const wal = new SqliteWal({ path });
    await wal.start();
    await (await CommitSeries.open(wal)).round(1);
    const image = crashImage(path);
    await wal.stop();
    truncateSync(image, Math.floor(statSync(image).size / 2));
    expect((await refusal({ path: image })).message).toMatch(/damaged|cut short/);
    rmSync(join(image, '..'), { recursive: true });
  });
});

describe('a store that is not what it should be', () => {
  it('refuses a file that was cut in half, and changes nothing', async () => {
    const path = join(folder, 'cut.db');
    await filledStore(path);
    truncateSync(path, Math.floor(statSync(path).size / 2));
    const before = hash(path);
    const error = await refusal({ path });
    expect(error.message).toMatch(/damaged|cut short/);
    expect(error.recoverable).toBe(false);
    expect(hash(path)).toBe(before);
  });

  it('refuses a file that was cut in half although its log is there', async () => {
    const path = join(folder, 'cut-with-log.db');
    await filledStore(path);
    const wal = new SqliteWal({ path });
    await wal.start();
    const series = await CommitSeries.open(wal);
    await series.round(1);
    const image = crashImage(path);
    await wal.stop();
    truncateSync(image, Math.floor(statSync(image).size / 2));
    const before = hash(image);
    expect((await refusal({ path: image })).message).toContain('cut short');
    expect(hash(image)).toBe(before);
    rmSync(join(image, '..'), { recursive: true });
  });

  it('refuses a file that is no database, or the database of something else', async () => {
    const text = join(folder, 'text.db');
    writeFileSync(text, 'these are not the bytes of a database at all\n'.repeat(100));
    const before = hash(text);
    expect((await refusal({ path: text })).message).toContain('not an atomic-queues store');
    expect(hash(text)).toBe(before);
    const other = join(folder, 'other.db');
    const db = defaultDriver().open(other, { readOnly: false });
    db.exec('CREATE TABLE customers(id)');
    db.close();
    expect((await refusal({ path: other })).message).toContain('not an atomic-queues store');
  });

  it('refuses another format version and another cluster by name', async () => {
    const path = join(folder, 'version.db');
    await filledStore(path, 1);
    expect((await refusal({ path, clusterId: 'wanted' })).message).toMatch(/is filled, not the expected wanted/);
    const db = defaultDriver().open(path, { readOnly: false });
    db.exec('PRAGMA user_version = 9');
    db.close();
    expect((await refusal({ path })).message).toContain('has format 9');
    expect((await refusal({ path, role: 'reader' })).message).toContain('has format 9');
  });

  it('refuses a missing folder, a folder as the file, and a reader without a store', async () => {
    expect((await refusal({ path: join(folder, 'no', 'store.db') })).message).toContain('does not exist');
    mkdirSync(join(folder, 'sub'));
    expect((await refusal({ path: join(folder, 'sub') })).message).toContain('is a folder');
    expect((await refusal({ path: join(folder, 'none.db'), role: 'reader' })).message).toContain('no store');
  });

  it('refuses an inbox that belongs to another store', async () => {
    const path = join(folder, 'mixed.db');
    await filledStore(path, 1);
    const other = join(folder, 'mixed-other.db');
    const wal = new SqliteWal({ path: other });
    await wal.start();
    await wal.stop();
    copyFileSync(`${other}-inbox`, `${path}-inbox`);
    expect((await refusal({ path })).message).toContain('belongs to another store');
  });
});

describe('a disk that gives out', () => {
  it('refuses a commit for which there is no room, keeps what it had, and goes on when there is (I1, I8)', async () => {
    const path = join(folder, 'full.db');
    const { driver, connection } = watchedDriver(path);
    const wal = new SqliteWal({ path, driver });
    await wal.start();
    const series = await CommitSeries.open(wal);
    await series.round(10);
    const before = await wal.counts(0);
    const { page_count: pages } = connection().prepare('PRAGMA page_count').get() as { page_count: number };
    connection().prepare(`PRAGMA max_page_count = ${pages}`).get();
    const large = Array.from({ length: 300 }, () => series.append(true, JSON.stringify('x'.repeat(2_000))));
    await expect(series.commit(...large)).rejects.toMatchObject({
      name: 'StoreUnavailableError',
      applied: 'no',
      recoverable: true,
      message: expect.stringContaining('No room left') as string,
    });
    expect(await wal.counts(0)).toEqual(before);
    connection().prepare('PRAGMA max_page_count = 1000000').get();
    const { outcomes } = await series.commit(...large);
    expect(outcomes.every((outcome) => outcome.type === 'appended' && outcome.dispatched)).toBe(true);
    await series.round(10);
    expect((await wal.counts(0)).accepted).toBe(before.accepted + 310);
    await wal.stop();
  });

  it('stops loudly when its file is replaced under it', async () => {
    const path = join(folder, 'replaced.db');
    const clock = new ContractClock();
    const wal = new SqliteWal({ path, clock });
    await wal.start();
    const series = await CommitSeries.open(wal);
    await series.round(1);
    renameSync(path, `${path}.away`);
    writeFileSync(path, '');
    clock.nowMs += 1_001;
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(series.commit()).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: false });
    }
    await wal.stop();
  });

  it('waits for another program that holds the write lock for a moment', async () => {
    const path = join(folder, 'busy.db');
    const wal = new SqliteWal({ path });
    await wal.start();
    const series = await CommitSeries.open(wal);
    const other = defaultDriver().open(path, { readOnly: false });
    other.exec('BEGIN IMMEDIATE');
    const committed = series.commit(series.append());
    other.exec('ROLLBACK');
    expect((await committed).outcomes).toHaveLength(1);
    other.close();
    await wal.stop();
  });
});

describe('the log', () => {
  it('is looked at in time when large commits follow many small ones (I10)', async () => {
    const path = join(folder, 'log-of-two-kinds.db');
    const logBytes = 1024 * 1024;
    const wal = new SqliteWal({ path, logBytes });
    await wal.start();
    const series = await CommitSeries.open(wal);
    const large = JSON.stringify('x'.repeat(20_000));
    let largest = 0;
    for (let round = 0; round < 200; round += 1) {
      if (round % 20 < 10) await series.round(1);
      else await series.commit(...Array.from({ length: 5 }, () => series.append(false, large)));
      largest = Math.max(largest, statSync(`${path}-wal`).size);
    }
    expect(largest).toBeLessThan(logBytes * 2.5);
    await wal.stop();
  });

  it('has its file cut again after a reader has kept it from starting over (I10)', async () => {
    const path = join(folder, 'log-with-reader.db');
    const logBytes = 256 * 1024;
    const wal = new SqliteWal({ path, logBytes });
    await wal.start();
    const series = await CommitSeries.open(wal);
    const reader = defaultDriver().open(path, { readOnly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM messages').get();
    const size = (): number => statSync(`${path}-wal`).size;
    for (let round = 0; round < 2_000 && size() < logBytes * 8; round += 1) await series.round(100);
    expect(size()).toBeGreaterThanOrEqual(logBytes * 8);
    reader.exec('END');
    reader.close();
    for (let round = 0; round < 2_000 && size() > logBytes * 3; round += 1) await series.round(100);
    expect(size()).toBeLessThanOrEqual(logBytes * 3);
    await wal.stop();
  });

  it('stays below two and a half times the size at which it is copied, under load without a pause (I10)', async () => {
    const path = join(folder, 'log.db');
    const logBytes = 1024 * 1024;
    const wal = new SqliteWal({ path, logBytes });
    await wal.start();
    const series = await CommitSeries.open(wal);
    let largest = 0;
    for (let round = 0; round < 600; round++) {
      await series.round(100);
      largest = Math.max(largest, statSync(`${path}-wal`).size);
    }
    expect(largest).toBeLessThan(logBytes * 2.5);
    await wal.stop();
    const db = defaultDriver().open(path, { readOnly: true });
    const { log_restarts: restarts } = db.prepare('SELECT log_restarts FROM upkeep').get() as { log_restarts: number };
    expect(restarts).toBeGreaterThan(5);
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    db.close();
  });
});
