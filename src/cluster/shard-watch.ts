/**
 * Proof of silence (M6): whether a shard's sign of life stood still for one full lease, by the watcher's own monotonic
 * clock. Pure; the watcher says when it sent each read and when the answer came.
 *
 * Only what the reads prove is counted: from the receipt of the first read that showed the sign to the sending of the last
 * read that showed it. The store answered the first one before its receipt and the last one after its sending, so between
 * those two moments the sign was the same, and since everything that an owner does makes it grow, the owner did nothing.
 * An owner counts its lease from before its last renewal was sent, which was before the first receipt; so when that time is
 * as long as a lease, the lease is over.
 *
 * A pause of the watcher between two reads is harmless: two reads a lease apart that show the same sign prove the silence
 * of all the time between them, whether the watcher was awake or not. A pause between an answer's arrival and its receipt
 * only makes the proven time shorter. What the owner does after the last read is caught by the store: it opens the shard
 * only while the sign is still the one of the proof.
 *
 * Two limits. A store that was rolled back (a fail-over that lost writes) may show an old sign again; then two owners may
 * believe in their lease for a moment, and the epochs alone keep the former one from writing (M8, M9). And the clocks of
 * two machines may tick at different speed: the owner's safety margin (`lease.ts`) covers some percent.
 */
import type { OpenClaim, SignOfLife } from '../wal/shared-wal.js';

/** What is known of one shard. */
interface Watched {
  /** The highest epoch that is known of. */
  readonly epochSeen: number;
  /** Undefined: not read since it was last left unwatched. */
  readonly still: Stillness | undefined;
}

interface Stillness {
  readonly sign: SignOfLife;
  /** Receipt of the first read in a row that showed this sign, monotonic milliseconds. */
  readonly sinceMs: number;
  /** Sending of the latest read that showed it. Before `sinceMs` as long as only one did. */
  readonly untilMs: number;
}

/** By shard number. */
export type ShardWatch = ReadonlyMap<number, Watched>;

export interface SignsRead {
  readonly shards: readonly number[];
  /** One for each of `shards`, in order, as `SharedWal.signs` answers. */
  readonly signs: readonly SignOfLife[];
  /** Monotonic milliseconds just before the read was sent. */
  readonly sentAtMs: number;
  /** Monotonic milliseconds when its answer was looked at. */
  readonly receivedAtMs: number;
}

export const nothingWatched: ShardWatch = new Map();

/** Another read. Reads may overlap and are handed in as their answers come. */
export function signsRead(watch: ShardWatch, read: SignsRead): ShardWatch {
  if (read.receivedAtMs < read.sentAtMs) throw new RangeError('A read cannot be answered before it was sent.');
  const next = new Map(watch);
  read.shards.forEach((shard, index) => {
    const sign = read.signs[index];
    if (sign === undefined) throw new RangeError(`The read of ${read.shards.length} signs has no answer at ${index}.`);
    const before = watch.get(shard);
    const still = before?.still;
    next.set(shard, {
      epochSeen: Math.max(before?.epochSeen ?? 0, sign.epoch),
      still:
        still !== undefined && isSameSign(still.sign, sign)
          ? { ...still, untilMs: Math.max(still.untilMs, read.sentAtMs) }
          : // One read proves no time: the next one that shows the same is the first to do so.
            { sign, sinceMs: read.receivedAtMs, untilMs: read.sentAtMs },
    });
  });
  return next;
}

/** Nobody watches these shards any more (they are owned here); only the epochs seen are kept. */
export function unwatched(watch: ShardWatch, shards: readonly number[]): ShardWatch {
  const next = new Map(watch);
  for (const shard of shards) {
    const before = next.get(shard);
    if (before !== undefined) next.set(shard, { epochSeen: before.epochSeen, still: undefined });
  }
  return next;
}

/** An epoch that this node met elsewhere, e.g. its own: the next one it opens with must be higher (M8). */
export function epochMet(watch: ShardWatch, shard: number, epoch: number): ShardWatch {
  const before = watch.get(shard);
  if (before !== undefined && before.epochSeen >= epoch) return watch;
  return new Map(watch).set(shard, { epochSeen: epoch, still: before?.still });
}

/** Milliseconds for which the shard's sign is proven to have stood still; 0 when nothing is proven. */
export function stillForMs(watch: ShardWatch, shard: number): number {
  const still = watch.get(shard)?.still;
  return still === undefined ? 0 : Math.max(0, still.untilMs - still.sinceMs);
}

/**
 * What to open the shard with: without `silent` when the last read showed no owner or this very incarnation, with it when
 * the owner's silence is proven, undefined when the shard may not be opened yet.
 */
export function claimOf(
  watch: ShardWatch,
  shard: number,
  opener: { readonly node: string; readonly incarnation: string; readonly leaseMs: number },
): OpenClaim | undefined {
  const watched = watch.get(shard);
  if (watched?.still === undefined) return undefined;
  const { sign } = watched.still;
  const claim = { node: opener.node, epochSeen: watched.epochSeen };
  if (sign.incarnation === undefined || sign.incarnation === opener.incarnation) return claim;
  return stillForMs(watch, shard) >= opener.leaseMs ? { ...claim, silent: sign } : undefined;
}

function isSameSign(a: SignOfLife, b: SignOfLife): boolean {
  return a.epoch === b.epoch && a.incarnation === b.incarnation && a.beat === b.beat;
}
