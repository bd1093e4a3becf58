/**
 * A store that the nodes of a cluster share, as commands use it. It knows the ports only.
 */
import type { ClusterStore } from '../cluster/cluster-store.js';
import type { Runtime } from '../runtime/runtime.js';
import { ShardHeldError, type SharedWal, type SignOfLife } from '../wal/shared-wal.js';
import { StaleEpochError } from '../wal/wal.js';
import type { CommandStore } from './command-store.js';

export interface SharedStoreOptions {
  readonly name: string;
  /** Started. What it forgets of verdicts when it owns a shard is the application's to decide: nothing. */
  readonly wal: SharedWal;
  /** Started. */
  readonly cluster: Pick<ClusterStore, 'view'>;
  readonly slices: number;
  readonly runtime: Runtime;
  readonly oneAtATime: CommandStore['oneAtATime'];
  /** An owner that gave no sign of life for so long is gone, milliseconds. Default 10,000: more than a lease. */
  readonly silenceMs?: number | undefined;
}

const SILENCE_MS = 10_000;
/** What a command calls itself where nodes give their names. */
const COMMAND_NODE = 'atomic-queues command';
/** More commits than any inbox needs. */
const COMMITS_MAX = 100_000;

export async function sharedStore(options: SharedStoreOptions): Promise<CommandStore> {
  const { name, wal, cluster, slices, oneAtATime } = options;
  const { bindings } = await cluster.view();
  const shards = bindings
    .map(({ index }) => index)
    .sort((left, right) => left - right)
    .flatMap((index) => Array.from({ length: slices }, (_, slice) => index * slices + slice));
  const standIn = new StandIn(options);
  return {
    name,
    wal,
    shards,
    shared: { wal, slices, view: () => cluster.view() },
    takeIn: (shard, session, number) => standIn.takeIn(shard, session, number),
    oneAtATime,
  };
}

/** Takes the place of owners that are not there. */
class StandIn {
  readonly #options: SharedStoreOptions;
  /** The last sign of life of each shard's owner, and since when it stands, by the monotonic clock. */
  readonly #seen = new Map<number, { readonly sign: SignOfLife; readonly since: number }>();

  constructor(options: SharedStoreOptions) {
    this.#options = options;
  }

  async takeIn(shard: number, session: string, number: number): Promise<boolean> {
    const { wal, runtime } = this.#options;
    const incarnation = runtime.freshId();
    const silent = this.#silent(shard);
    try {
      const { epoch, clean } = await wal.open(shard, incarnation, {
        node: COMMAND_NODE,
        ...(silent !== undefined && { silent }),
      });
      for (let commit = 1; commit <= COMMITS_MAX && (await wal.offerMark(shard, session)) < number; commit++) {
        await wal.commit({ shard, epoch, incarnation, number: commit, transitions: [] });
      }
      if (clean) await wal.release(shard, epoch, incarnation);
      this.#seen.delete(shard);
      return true;
    } catch (error) {
      // An application has just come.
      if (error instanceof StaleEpochError) return false;
      if (!(error instanceof ShardHeldError)) throw error;
      const seen = this.#seen.get(shard);
      if (seen === undefined || !isSame(seen.sign, error.sign)) {
        this.#seen.set(shard, { sign: error.sign, since: runtime.clock.monotonic() });
      }
      return false;
    }
  }

  /** The sign of life that has stood still for too long. */
  #silent(shard: number): SignOfLife | undefined {
    const { runtime, silenceMs = SILENCE_MS } = this.#options;
    const seen = this.#seen.get(shard);
    return seen !== undefined && runtime.clock.monotonic() - seen.since >= silenceMs ? seen.sign : undefined;
  }
}

export function isSame(left: SignOfLife, right: SignOfLife): boolean {
  return left.epoch === right.epoch && left.incarnation === right.incarnation && left.beat === right.beat;
}
