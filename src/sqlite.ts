/** `atomic-queues/sqlite`: the embedded store. */
export type { SqliteDatabase, SqliteDriver, SqliteRow, SqliteStatement, SqliteValue } from './wal/sqlite/driver.js';
export { defaultDriver } from './wal/sqlite/driver.js';
export type { SqliteDurability, SqliteWalOptions } from './wal/sqlite/options.js';
export { SqliteWal } from './wal/sqlite/sqlite-wal.js';
