/**
 * Which SQLite library is used, and the small part of its interface that the store needs: the one of `node:sqlite`. On
 * Node without it, `@photostructure/sqlite` gives the same; users may hand in their own driver.
 */
import { createRequire } from 'node:module';
import { AtomicQueuesError } from '../../runtime/error.js';

export type SqliteValue = null | number | bigint | string | Uint8Array;
export type SqliteRow = Readonly<Record<string, SqliteValue>>;

export interface SqliteStatement {
  run(...parameters: SqliteValue[]): { readonly changes: number | bigint };
  get(...parameters: SqliteValue[]): unknown;
  all(...parameters: SqliteValue[]): unknown[];
}

export interface SqliteDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
  close(): void;
}

export interface SqliteDriver {
  /** Opens (and makes, unless `readOnly`) the database file, synchronously. */
  open(path: string, options: { readonly readOnly: boolean }): SqliteDatabase;
  /**
   * What a worker thread can `require` to get `DatabaseSync` of the same library: the name of a built-in module or an
   * absolute path. Without it checkpoints run on the main thread, which then stalls for them.
   */
  readonly workerModule?: string | undefined;
}

interface SqliteModule {
  readonly DatabaseSync: new (path: string, options: { readonly readOnly: boolean }) => SqliteDatabase;
}

/** The built-in module where this Node has it, else `@photostructure/sqlite`. Throws `CONFIG_INVALID` without either. */
export function defaultDriver(): SqliteDriver {
  const builtIn = 'node:sqlite';
  const builtInModule = builtInSqlite(builtIn);
  if (builtInModule !== undefined) return driverOf(builtInModule, builtIn);
  const require = createRequire(import.meta.url);
  try {
    const path = require.resolve('@photostructure/sqlite');
    return driverOf(require(path) as SqliteModule, path);
  } catch (cause) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `The embedded store needs SQLite: this Node (${process.version}) has no usable built-in module node:sqlite, and the package @photostructure/sqlite could not be loaded. Run "npm install @photostructure/sqlite", use Node 22.13 or newer, or hand in a driver of your own.`,
      { cause },
    );
  }
}

/** Node 22.5 to 22.12 knows the module only behind a flag; asking for it there gives undefined or throws. */
function builtInSqlite(name: string): SqliteModule | undefined {
  try {
    return process.getBuiltinModule(name) as SqliteModule | undefined;
  } catch {
    return undefined;
  }
}

function driverOf(module: SqliteModule, workerModule: string): SqliteDriver {
  return {
    open: (path, options) => new module.DatabaseSync(path, { readOnly: options.readOnly }),
    workerModule,
  };
}
