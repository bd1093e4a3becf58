/** What a user can say about the embedded store. */
import type { Clock } from '../../runtime/clock.js';
import type { RetentionOptions } from '../wal.js';
import type { SqliteDriver } from './driver.js';

export type SqliteDurability = 'commit' | 'fsync';

export interface SqliteWalOptions {
  /** The store's file. Its folder must exist. */
  readonly path: string;
  /** `owner` commits, and there is one at a time; `reader` reads and offers, also while an owner is at work. Default `owner`. */
  readonly role?: 'owner' | 'reader' | undefined;
  /**
   * What a resolved commit survives. `commit` (default): the end of the process, however sudden. `fsync`: also the end of
   * the power, for the price of one disk flush per batch.
   */
  readonly durability?: SqliteDurability | undefined;
  /** Default: the system's clock. */
  readonly clock?: Clock | undefined;
  /** Names a new store. Default: 80 random bits. */
  readonly freshId?: (() => string) | undefined;
  /** Default: `node:sqlite`, or `@photostructure/sqlite` where Node has none. */
  readonly driver?: SqliteDriver | undefined;
  /** Refuses a store with another id; a new store gets this one. Default: any. */
  readonly clusterId?: string | undefined;
  /** Defaults as in `RetentionOptions`. */
  readonly retention?: Partial<RetentionOptions> | undefined;
  /** The log is copied into the store from this size on, bytes. It stays below two and a half times that. Default 24 MiB. */
  readonly logBytes?: number | undefined;
  /**
   * Checks with an index at each start that no message of the entity waits ahead (I4), as the pure model does. The owner
   * holds every line and keeps that order anyway; this finds faults in it, for about a third of the throughput. Default false.
   */
  readonly verifyLineOrder?: boolean | undefined;
}
