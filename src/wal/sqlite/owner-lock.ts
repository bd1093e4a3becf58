/**
 * Keeps a second owner out: an empty SQLite file beside the store on which the owner holds an exclusive lock for life.
 * The operating system takes the lock back with the process, also after `kill -9`.
 */
import { hostname } from 'node:os';
import { StoreUnavailableError } from '../wal.js';
import type { SqliteDatabase, SqliteDriver } from './driver.js';
import { isBusy } from './errors.js';

export interface OwnerNote {
  readonly pid: number;
  readonly host: string;
}

export class OwnerLock {
  private constructor(private readonly db: SqliteDatabase) {}

  /** Throws at once when another owner is at work; `noteOf` reads what that one wrote about itself. */
  static acquire(driver: SqliteDriver, path: string, noteOf: () => OwnerNote | undefined): OwnerLock {
    const db = driver.open(`${path}-owner`, { readOnly: false });
    try {
      db.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE;');
      return new OwnerLock(db);
    } catch (error) {
      db.close();
      if (!isBusy(error)) throw error;
      const note = noteOf();
      const who = note === undefined ? 'another process' : `process ${note.pid} on ${note.host}`;
      throw new StoreUnavailableError(
        `The store ${path} is in use by ${who}. A store has one owning process at a time: stop that one, or name another path. To look into it: npx atomic-queues counts --path ${path}.`,
        'no',
        true,
        { cause: error },
      );
    }
  }

  release(): void {
    this.db.close();
  }
}

export function ownNote(): OwnerNote {
  return { pid: process.pid, host: hostname() };
}
