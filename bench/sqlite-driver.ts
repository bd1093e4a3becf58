/** The SQLite that the library would choose here, for the bare loop; and a driver that times how long each stretch of
 * store work holds the main thread. */
import { defaultDriver, type SqliteDatabase, type SqliteDriver, type SqliteStatement } from 'atomic-queues/sqlite';
import type { Latencies } from './latencies.js';

export interface DriverDescription {
  readonly name: string;
  readonly sqliteVersion: string;
}

export function describeDriver(): DriverDescription {
  const driver = defaultDriver();
  const db = driver.open(':memory:', { readOnly: false });
  const row = db.prepare('SELECT sqlite_version() AS version').get() as { version: string };
  db.close();
  return {
    name: driver.workerModule === 'node:sqlite' ? 'node:sqlite' : '@photostructure/sqlite',
    sqliteVersion: row.version,
  };
}

/**
 * Records every uninterrupted stretch of store work on this thread: a whole transaction, from the call of BEGIN to the
 * return of COMMIT (what the library computes in between included), or a single read outside of one. Work on other
 * threads (checkpoints, `fdatasync`) is not on this thread and so is not in it, which is the point.
 */
export function timedDriver(stretches: Latencies): SqliteDriver {
  const driver = defaultDriver();
  return {
    workerModule: driver.workerModule,
    open: (path, options) => timedDatabase(driver.open(path, options), stretches),
  };
}

function timedDatabase(db: SqliteDatabase, stretches: Latencies): SqliteDatabase {
  let begunAt: number | undefined;
  const timed = <T>(work: () => T, isBegin: boolean, isEnd: boolean): T => {
    if (begunAt !== undefined && !isEnd) return work();
    const startedAt = begunAt ?? performance.now();
    begunAt = undefined;
    try {
      return work();
    } finally {
      if (isBegin) begunAt = startedAt;
      else stretches.record(performance.now() - startedAt);
    }
  };
  return {
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
    prepare: (sql) => {
      const statement = db.prepare(sql);
      const isBegin = /^\s*BEGIN/i.test(sql);
      const isEnd = /^\s*(COMMIT|END|ROLLBACK)/i.test(sql);
      const wrapped: SqliteStatement = {
        run: (...parameters) => timed(() => statement.run(...parameters), isBegin, isEnd),
        get: (...parameters) => timed(() => statement.get(...parameters), false, false),
        all: (...parameters) => timed(() => statement.all(...parameters), false, false),
      };
      return wrapped;
    },
  };
}
