/**
 * Whether it pays to keep the event loop awake while calls are on their way, found out by trying: now and then a block of
 * calls goes the other way, and when it did better twice in a row, that way is kept from then on. Pure.
 *
 * What polling saves is the time that a sleeping thread needs to be woken, which is a few microseconds on some machines and
 * as long as the rest of the round trip on others (virtual ones above all). Where the processor has other work, calls take
 * longer for being polled for, and that is seen as well. Not seen is a limit of processor time that is used up sooner: its
 * stalls come too seldom for a block.
 */

/** Calls of one block. */
const BLOCK = 64;
/** Polling has to take this share of the time off. */
const WORTH = 0.15;
/** Blocks from one try of the other way to the next, and to the next when it did better. */
const TRIED_AFTER = 32;
const TRIED_AGAIN_AFTER = 1;
/** Longer round trips are not waited for awake, milliseconds: a network's, or those of a machine that has enough to do. */
export const ROUND_TRIP_MAX_MS = 0.6;
/** One call is not worth more in the mean of its block, milliseconds. */
const OUTLIER_MS = 100;
/** A block changes the mean of the way that is kept by this share of the difference. */
const SHARE = 0.25;

export class BusyPollPolicy {
  private number = 0;
  private isPolling = false;
  private calls = 0;
  private sum = 0;
  /** The way that is kept, and what its calls took lately. */
  private keepsPolling = false;
  private keptMean: number | undefined;
  private lastKept = 0;
  private blocksToTry = 1;
  private betterTries = 0;

  /** Number of the present block; a call counts for the block in which it began. */
  get block(): number {
    return this.number;
  }

  /** Whether calls that begin now are polled for. */
  get polls(): boolean {
    return this.isPolling;
  }

  /** A call that began in this block took so long, milliseconds. */
  took(block: number, ms: number): void {
    if (block !== this.number) return;
    this.calls += 1;
    this.sum += Math.min(ms, OUTLIER_MS);
    if (this.calls < BLOCK) return;
    const mean = this.sum / this.calls;
    this.calls = 0;
    this.sum = 0;
    this.number += 1;
    if (this.isPolling === this.keepsPolling) this.keptWayTook(mean);
    else this.otherWayTook(mean);
  }

  private keptWayTook(mean: number): void {
    this.lastKept = mean;
    this.keptMean = this.keptMean === undefined ? mean : this.keptMean + (mean - this.keptMean) * SHARE;
    if (mean > ROUND_TRIP_MAX_MS) {
      if (this.keepsPolling) this.keep(false, undefined);
      return;
    }
    this.blocksToTry -= 1;
    if (this.blocksToTry <= 0) this.isPolling = !this.keepsPolling;
  }

  private otherWayTook(mean: number): void {
    // A stall long ago is still in the mean, and must not make the other way look better than it is.
    const kept = Math.min(this.keptMean as number, this.lastKept);
    const isBetter = this.keepsPolling ? !isWorth(kept, mean) : isWorth(mean, kept);
    this.isPolling = this.keepsPolling;
    this.betterTries = isBetter ? this.betterTries + 1 : 0;
    this.blocksToTry = isBetter ? TRIED_AGAIN_AFTER : TRIED_AFTER;
    if (this.betterTries === 2) this.keep(!this.keepsPolling, mean);
  }

  private keep(polls: boolean, mean: number | undefined): void {
    this.isPolling = polls;
    this.keepsPolling = polls;
    this.keptMean = mean;
    this.lastKept = mean ?? 0;
    this.betterTries = 0;
    this.blocksToTry = TRIED_AFTER;
  }
}

function isWorth(polling: number, sleeping: number): boolean {
  return sleeping <= ROUND_TRIP_MAX_MS && polling < sleeping * (1 - WORTH);
}
