/**
 * A store as commands see it, whatever it is kept in: they read it, hand in wishes, and take the owner's place where there
 * is none.
 */
import type { ClusterView } from '../cluster/cluster-store.js';
import type { SharedWal } from '../wal/shared-wal.js';
import type { Wal } from '../wal/wal.js';
import { withFileStore } from './file-store.js';
import type { StoreAddress } from './store-address.js';

/** Shards that are asked at the same time. */
const SHARDS_AT_ONCE = 16;

export interface CommandStore {
  /** As people know it, without a password. */
  readonly name: string;
  readonly wal: Wal;
  /** All shards that there are, in order. */
  readonly shards: readonly number[];
  /** What only a store has that several nodes share. */
  readonly shared?: SharedStore | undefined;
  /**
   * Takes in what lies in a shard's inbox if no application owns the shard, and gives it up again at once. Starts and
   * interrupts no message: what was marked as started stays so, and a shard that its last owner did not release stays
   * unreleased, so that the next owner still sees that it crashed. False when an owner is at work.
   */
  takeIn(shard: number, session: string, number: number): Promise<boolean>;
  /**
   * Runs `work` while no other command changes the same store, so that each letter is counted by the one that moved it.
   * `waiting` is called once if that takes time.
   */
  oneAtATime<T>(timeoutMs: number, waiting: () => void, work: () => Promise<T>): Promise<T>;
}

export interface SharedStore {
  readonly wal: SharedWal;
  /** Slices of each service group. */
  readonly slices: number;
  readonly view: () => Promise<ClusterView>;
}

/** Opens an existing store for reading and offering, and closes it whatever happens. Never makes one. */
export async function withStore<T>(address: StoreAddress, work: (store: CommandStore) => Promise<T>): Promise<T> {
  if (address.kind === 'file') return withFileStore(address.path, work);
  // A client of Redis is not installed with every application.
  const { withRedisStore } = await import('./redis-store.js');
  return withRedisStore(address, work);
}

/** What each shard answers, in their order; a few are asked at a time. */
export async function eachShard<T>(shards: readonly number[], ask: (shard: number) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (let start = 0; start < shards.length; start += SHARDS_AT_ONCE) {
    answers.push(...(await Promise.all(shards.slice(start, start + SHARDS_AT_ONCE).map(ask))));
  }
  return answers;
}
