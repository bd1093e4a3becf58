/** How far a log is filled, told from its frames: compared with what SQLite itself says of it. */
import { closeSync, ftruncateSync, openSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { seededRandom } from '../../../src/runtime/random.js';
import { defaultDriver, type SqliteDatabase } from '../../../src/wal/sqlite/driver.js';
import { LogFill } from '../../../src/wal/sqlite/log-fill.js';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import { CommitSeries } from './commit-series.js';
import { crashImage, removeStoreFolders, storeFolder } from './store-folder.js';

const PAGE_BYTES = 4_096;
const folder = storeFolder();
afterAll(removeStoreFolders);

function writer(path: string, pageBytes = 4096): SqliteDatabase {
  const db = defaultDriver().open(path, { readOnly: false });
  db.exec(`PRAGMA page_size = ${pageBytes}`);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0');
  return db;
}

it.each([1, 2, 3, 4])('counts the frames of the present round as SQLite does, seed %i', (seed) => {
  const random = seededRandom(seed);
  const path = join(folder, `counted-${seed}.db`);
  const db = writer(path, [512, 4096, 65_536][seed % 3]);
  db.exec('CREATE TABLE rows(text TEXT)');
  const insert = db.prepare('INSERT INTO rows VALUES (?)');
  const fd = openSync(`${path}-wal`, 'r');
  const fill = new LogFill(fd);
  const seen = new Set<string>();
  for (let step = 0; step < 120; step += 1) {
    db.exec('BEGIN');
    const rows = random.next() < 0.1 ? 400 : 1 + Math.floor(random.next() * 8);
    for (let row = 0; row < rows; row += 1) insert.run('x'.repeat(Math.floor(random.next() * 3_000)));
    db.exec('COMMIT');
    const { bytes } = fill;
    const dice = random.next();
    const mode = dice < 0.15 ? 'RESTART' : dice < 0.2 ? 'TRUNCATE' : dice < 0.4 ? 'PASSIVE' : undefined;
    if (mode === undefined) continue;
    seen.add(mode);
    const length = statSync(`${path}-wal`).size;
    expect(bytes, `step ${step}`).toBeLessThanOrEqual(length);
    const { frames } = fill;
    const { log } = db.prepare(`PRAGMA wal_checkpoint(${mode})`).get() as { log: number };
    // Cut to nothing, it has no frames left to tell of.
    expect(mode === 'TRUNCATE' ? fill.frames : frames, `step ${step}, ${mode}`).toBe(log);
  }
  expect([...seen].sort()).toEqual(['PASSIVE', 'RESTART', 'TRUNCATE']);
  closeSync(fd);
  db.close();
});

it.each(['zeros', 'a header of zero salts', 'noise'])('says nothing of a log of %s', (what) => {
  const path = join(folder, 'odd-wal');
  const bytes = Buffer.alloc(20_000, what === 'noise' ? 0xa5 : 0);
  if (what.startsWith('a header')) {
    bytes.writeUInt32BE(0x377f0682, 0);
    bytes.writeUInt32BE(4_096, 8);
    bytes.fill(1, 32);
  }
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  expect(new LogFill(fd).bytes).toBe(0);
  closeSync(fd);
});

it('says nothing of an empty log, and of one that is cut inside a frame', () => {
  const path = join(folder, 'short.db');
  const db = writer(path);
  db.exec('CREATE TABLE rows(text TEXT)');
  const fd = openSync(`${path}-wal`, 'r+');
  const fill = new LogFill(fd);
  const { frames, bytes } = fill;
  expect(frames).toBeGreaterThan(0);
  expect(bytes).toBe(statSync(`${path}-wal`).size);
  ftruncateSync(fd, bytes - 4_200);
  expect(new LogFill(fd).frames).toBe(frames - 1);
  ftruncateSync(fd, 31);
  expect(fill.frames).toBe(0);
  expect(fill.bytes).toBe(0);
  closeSync(fd);
});

it('keeps the length of the log when it starts over, and knows what is left of earlier rounds for old (I1)', async () => {
  const path = join(folder, 'rounds.db');
  const wal = new SqliteWal({ path, logBytes: 256 * 1024 });
  await wal.start();
  const series = await CommitSeries.open(wal);
  const fd = openSync(`${path}-wal`, 'r');
  const fill = new LogFill(fd);
  let restarts = 0;
  let most = 0;
  for (let last = 0; restarts < 5; last = most) {
    await series.round(64);
    most = fill.bytes;
    if (most >= last) continue;
    restarts += 1;
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(most);
    const image = crashImage(path);
    const found = new SqliteWal({ path: image });
    await found.start();
    expect(await found.counts(0)).toEqual(await wal.counts(0));
    await found.stop();
    rmSync(join(image, '..'), { recursive: true });
  }
  closeSync(fd);
  await wal.stop();
});

it('lets frames of earlier rounds not stand for pages that a store has lost', async () => {
  const path = join(folder, 'lost-pages.db');
  const wal = new SqliteWal({ path, logBytes: 256 * 1024 });
  await wal.start();
  const series = await CommitSeries.open(wal);
  for (let batch = 0; batch < 8; batch += 1) await series.commit(...Array.from({ length: 400 }, () => series.append()));
  const fd = openSync(`${path}-wal`, 'r');
  const fill = new LogFill(fd);
  // A round has begun, and most of the file is of the one before.
  for (let last = 0, now = fill.bytes; now >= last; now = fill.bytes) {
    last = now;
    await series.round(16);
  }
  const lost = fill.frames + 2;
  expect(statSync(`${path}-wal`).size / PAGE_BYTES).toBeGreaterThan(2 * lost);
  const image = crashImage(path);
  expect(statSync(image).size / PAGE_BYTES).toBeGreaterThan(2 * lost);
  truncateSync(image, statSync(image).size - lost * PAGE_BYTES);
  await expect(new SqliteWal({ path: image }).start()).rejects.toThrow(`cut short: ${lost} of its`);
  closeSync(fd);
  await wal.stop();
});
