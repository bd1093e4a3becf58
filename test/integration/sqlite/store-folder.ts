/** Stores of the embedded adapter in folders of their own, for tests; and how to crash one without a second process. */
import { copyFileSync, existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WalFactory } from '../../../src/testing/wal-contract.js';
import { defaultDriver, type SqliteDriver } from '../../../src/wal/sqlite/driver.js';
import type { SqliteWalOptions } from '../../../src/wal/sqlite/options.js';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';

const folders = new Set<string>();

/** Removes every folder that `storeFolder` made and that is still there. */
export function removeStoreFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

/** A new folder of its own. */
export function storeFolder(): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'aq-sqlite-'));
  folders.add(folder);
  return folder;
}

/** SQLite without disk flushes: what a process crash shows is the same, and thousands of stores are made in seconds. */
export function driverWithoutFlushes(): SqliteDriver {
  const driver = defaultDriver();
  return {
    open(path, options) {
      const db = driver.open(path, options);
      db.exec('PRAGMA synchronous = OFF');
      return {
        exec: (sql) => db.exec(sql.replace('synchronous = NORMAL', 'synchronous = OFF')),
        prepare: (sql) => db.prepare(sql),
        close: () => db.close(),
      };
    },
    workerModule: driver.workerModule,
  };
}

/** A copy of the files as they are now: what a process that is killed at this moment leaves behind. */
export function crashImage(path: string): string {
  const copy = join(storeFolder(), 'store.db');
  copyStore(path, copy);
  return copy;
}

function copyStore(from: string, to: string): void {
  for (const end of ['', '-wal', '-inbox', '-inbox-wal'])
    if (existsSync(`${from}${end}`)) copyFileSync(`${from}${end}`, `${to}${end}`);
}

export function sqliteFactory(
  options: Omit<SqliteWalOptions, 'path'> & { readonly flushes?: boolean } = {},
): WalFactory {
  const { flushes = true, ...more } = options;
  const templates = new Map<string, string>();
  return {
    async create(given) {
      let path = join(storeFolder(), 'store.db');
      const { clusterId } = given;
      if (clusterId !== undefined) {
        // Copying a fresh store is several times faster than making one.
        const template = templates.get(clusterId);
        if (template !== undefined) copyStore(template, path);
      }
      let wal: SqliteWal | undefined;
      const driver = flushes ? defaultDriver() : driverWithoutFlushes();
      const end = async (): Promise<void> => {
        await wal?.stop();
        rmSync(join(path, '..'), { recursive: true, force: true });
      };
      const open = async (at: string): Promise<SqliteWal> => {
        const made = new SqliteWal({ verifyLineOrder: true, driver, ...given, ...more, path: at });
        await made.start();
        path = at;
        wal = made;
        return made;
      };
      const first = await open(path);
      if (clusterId !== undefined && !templates.has(clusterId)) templates.set(clusterId, crashImage(path));
      return {
        wal: first,
        reopen: async () => {
          const image = crashImage(path);
          await end();
          return open(image);
        },
        dispose: end,
      };
    },
  };
}
