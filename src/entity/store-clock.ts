/**
 * Wall time as the store tells it: due times and deadlines are its word (M14), and the clock of a node may be an hour off.
 * Between two words of the store it goes on with the node's monotonic clock; before the first one it is the node's own.
 */
import type { Clock } from '../runtime/clock.js';

export class StoreClock implements Clock {
  private said: { readonly at: number; readonly monotonicMs: number } | undefined;

  constructor(private readonly local: Clock) {}

  now(): number {
    const { local, said } = this;
    return said === undefined ? local.now() : Math.floor(said.at + local.monotonic() - said.monotonicMs);
  }

  monotonic(): number {
    return this.local.monotonic();
  }

  /** The store has just said what time it is. */
  storeSays(now: number): void {
    this.said = { at: now, monotonicMs: this.local.monotonic() };
  }
}
