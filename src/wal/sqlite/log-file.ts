/**
 * The `-wal` file of the store as a file: what is in it, and flushing it to the disk from libuv's thread pool. SQLite keeps
 * its locks on other files, so opening and closing this one beside it is safe.
 */
import { closeSync, fdatasync, openSync } from 'node:fs';
import type { SqliteDatabase } from './driver.js';
import { LogFill } from './log-fill.js';

/**
 * Copies what is left of a connection's log before it is closed, if no other process is reading it. SQLite does that by
 * itself when the last connection goes, but `@photostructure/sqlite` lets a connection go only when its statements are
 * collected.
 */
export function cutLog(db: SqliteDatabase): void {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // The log stays and is read at the next start.
  }
}

export class LogFile {
  readonly #fd: number;
  readonly #fill: LogFill;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #closed = false;

  constructor(path: string) {
    this.#fd = openSync(path, 'r+');
    this.#fill = new LogFill(this.#fd);
  }

  /** A flush that is under way. */
  get flushing(): Promise<void> | undefined {
    return this.#running;
  }

  /** Bytes of the log since it last started over; the file may be longer. */
  get bytes(): number {
    return this.#fill.bytes;
  }

  /** Resolves when all that was written before the call is on the disk. Calls during a flush share the next one. */
  flush(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  /** After the last flush has ended. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled([this.#running, this.#next]);
    closeSync(this.#fd);
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const running = new Promise<void>((resolve, reject) => {
      fdatasync(this.#fd, (error) => {
        this.#running = undefined;
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
    this.#running = running;
    return running;
  }
}
