/**
 * How long whoever waits relies on hints before it looks into the store: a multiple of what waits took lately that a hint
 * ended. With a backlog every wait is long; to look after each of them would cost the cluster most when it can least afford
 * it (measured: a tenth of a loaded node's time). A lost hint is noticed within the upper limit all the same. Pure.
 */

/** The shortest and the longest patience, milliseconds. */
export const PATIENCE_MIN_MS = 250;
export const PATIENCE_MAX_MS = 2_000;
/** Waits of one line differ by about twice their average; the rest is for those that are slower than usual. */
const MULTIPLE = 4;
/** A wait changes the average by this share of the difference. */
const SHARE = 1 / 16;

export class Patience {
  private averageMs = 0;

  get ms(): number {
    return Math.min(PATIENCE_MAX_MS, Math.max(PATIENCE_MIN_MS, MULTIPLE * this.averageMs));
  }

  /** A hint ended a wait after so long. */
  hintCame(afterMs: number): void {
    this.averageMs += (afterMs - this.averageMs) * SHARE;
  }

  /** A look found what a hint should have told: some are lost. */
  hintMissed(): void {
    this.averageMs /= 2;
  }
}
