/**
 * Somebody who waits until all that had been offered before they came has been taken in (M2): told by the answers of the
 * commits that began since. One commit need not take in everything: stores bound it, and may take first what they had
 * looked at before.
 */
import type { CommitAnswer } from './wal.js';

/** Called after a read of the inbox, or with what the shard was lost to. */
export type Reader = (lost: Error | undefined) => void;

export class InboxRead {
  /** Offers that may have been there before, at most; undefined until the first answer. */
  private left: number | undefined;

  constructor(readonly done: Reader) {}

  /** Another commit that began since has been answered; returns whether the read is over. */
  answered({ taken, quarantined = 0, offersLeft }: CommitAnswer, offersTakenMax: number): boolean {
    const entered = taken.length + quarantined;
    if (offersLeft === undefined) return entered < offersTakenMax;
    // The oldest go first, so that what came later is not waited for.
    this.left = Math.min(offersLeft, this.left === undefined ? offersLeft : this.left - entered);
    return this.left <= 0;
  }
}
