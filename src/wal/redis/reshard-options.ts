/** What a reshard is asked, and what it tells. */
import type { Runtime } from '../../runtime/runtime.js';
import type { SharedWal } from '../shared-wal.js';
import type { RedisClient } from './scripts.js';

export interface ReshardOptions {
  readonly client: RedisClient;
  readonly keyPrefix: string;
  /** Slices that each service group is to have. */
  readonly slices: number;
  /** Service groups that the store knows. */
  readonly groups: number;
  readonly runtime: Runtime;
  /** A started WAL on the store as it is; the reshard takes in with it what lies in the inboxes. Not used when resumed later. */
  readonly openWal: () => Promise<SharedWal>;
  /** Watches for at least a lease, and tells the names of the nodes that gave a sign of life meanwhile. */
  readonly watchNodes: () => Promise<readonly string[]>;
  /** Only tells what would be moved. */
  readonly dryRun?: boolean | undefined;
  /** Gives up an interrupted reshard whose copy was not whole: the store is what it was. `slices` means nothing then. */
  readonly abandon?: boolean | undefined;
  readonly progress?: ((progress: ReshardProgress) => void) | undefined;
  /** Called before each step; what it throws ends the reshard there, as a kill would. For tests. */
  readonly step?: ((name: string) => void | Promise<void>) | undefined;
}

export interface ReshardProgress {
  readonly phase: 'watch' | 'gather' | 'copy' | 'switch';
  readonly done: number;
  readonly total: number;
}

export interface ReshardReport {
  readonly from: number;
  readonly to: number;
  readonly groups: number;
  readonly pending: number;
  readonly deadLetters: number;
  readonly verdicts: number;
  /** Offers that came meanwhile, although nobody should have offered anything; they are in the quarantine. */
  readonly lateOffers: number;
  /** Whether an interrupted one was carried on. */
  readonly resumed: boolean;
  readonly dryRun: boolean;
}

/** The store is in use, or an interrupted reshard stands in the way. Nothing was changed. */
export class ReshardRefusedError extends Error {
  override readonly name = 'ReshardRefusedError';
}
