/** From the configuration to the store that it names. */

import { AtomicQueuesError } from '../message/errors.js';
import type { ResolvedConfig } from '../runtime/config.js';
import type { Runtime } from '../runtime/runtime.js';
import { MemoryWal } from '../wal/memory/memory-wal.js';
import type { SqliteDriver } from '../wal/sqlite/driver.js';
import { SqliteWal } from '../wal/sqlite/sqlite-wal.js';
import type { Wal } from '../wal/wal.js';

export function openStore(config: ResolvedConfig, runtime: Runtime): Wal {
  const retention = { entryTtlMs: config.wal.entryTTL * 1000, verdictsMax: config.wal.verdictsMax };
  if (!config.wal.enabled) return new MemoryWal({ clock: runtime.clock, retention, clusterId: runtime.freshId() });
  return new SqliteWal({
    path: config.store.path,
    durability: config.store.durability,
    driver: driverOf(config),
    clock: runtime.clock,
    retention,
    freshId: runtime.freshId,
  });
}

function driverOf(config: ResolvedConfig): SqliteDriver | undefined {
  const { driver } = config.store;
  if (driver === undefined || typeof (driver as Partial<SqliteDriver>).open === 'function') {
    return driver as SqliteDriver | undefined;
  }
  throw new AtomicQueuesError(
    'CONFIG_INVALID',
    'store.driver must have a method open(path, options) that returns a database; see docs.',
  );
}
