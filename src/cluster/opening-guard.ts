/**
 * When a shard may be opened whose openings keep ending badly (M13). One bad message is caught before this: it runs alone
 * and its interruptions are counted. This is for a shard that ends the process of whoever opens it, e.g. because what is
 * in it does not fit into memory: it must not take one node after the other with it, nor the other shards of each.
 *
 * From `OPENINGS_TRUSTED` openings in a row on that no owner survived, the shard is held back: for a time that doubles with
 * each further one, and it is opened only while no other opening of this node is fresh, so that it is known which shard a
 * dying node died of. It is never given up for good: a fault that has nothing to do with the shard, such as a release that
 * does not start, must not need an operator for every shard afterwards. An operator may open it at once
 * (`SharedWal.forgetOpenings`).
 *
 * Pure, but for what it has seen; times are monotonic milliseconds.
 */
import type { SignOfLife } from '../wal/shared-wal.js';

/** Openings in a row without a survivor that are nothing unusual: a few nodes killed in a row, a deploy that was stopped. */
export const OPENINGS_TRUSTED = 3;
const HOLD_FIRST_MS = 2_000;
const HOLD_MAX_MS = 300_000;

/** Milliseconds for which a shard with so many openings is held back. */
export function holdBackMs(openings: number): number {
  if (openings < OPENINGS_TRUSTED) return 0;
  return Math.min(HOLD_MAX_MS, HOLD_FIRST_MS * 2 ** Math.min(30, openings - OPENINGS_TRUSTED));
}

interface Suspect {
  readonly openings: number;
  readonly sinceMs: number;
}

export class OpeningGuard {
  private readonly suspects = new Map<number, Suspect>();

  /** Shards that are held back, with the openings that each has had. */
  get heldBack(): ReadonlyMap<number, number> {
    return new Map([...this.suspects].map(([shard, { openings }]) => [shard, openings]));
  }

  /** A look at the shard. Returns whether it is held back from now on and was not at the last look. */
  seen(shard: number, sign: SignOfLife | undefined, nowMs: number): boolean {
    const openings = sign?.openings ?? 0;
    const before = this.suspects.get(shard);
    if (openings < OPENINGS_TRUSTED) {
      this.suspects.delete(shard);
      return false;
    }
    if (before?.openings === openings) return false;
    this.suspects.set(shard, { openings, sinceMs: nowMs });
    return true;
  }

  /** The shard is not this node's to open any more, or it has opened it. */
  forget(shard: number): void {
    this.suspects.delete(shard);
  }

  /** @param anyFresh whether this node has opened something that has not shown yet that it is harmless. */
  mayOpen(shard: number, nowMs: number, anyFresh: boolean): boolean {
    const suspect = this.suspects.get(shard);
    if (suspect === undefined) return true;
    return !anyFresh && nowMs - suspect.sinceMs >= holdBackMs(suspect.openings);
  }
}

/** For people. */
export function heldBackText(shard: number, openings: number): string {
  return `Shard ${shard} was opened ${openings} times in a row and no node survived it: it is held back for ${holdBackMs(openings)} ms. "quarantine --reopen ${shard}" lets it be opened at once.`;
}
