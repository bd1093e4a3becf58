/**
 * The server's wall time as far as a node can know it without asking. Every answer tells the server's time at some moment
 * between sending and receiving; the guess stays where it is while it agrees with that, and otherwise moves to the nearest
 * time that does. The commit script refuses a guess that is far off.
 */
import type { Clock } from '../../runtime/clock.js';

export class StoreTime {
  /** Server time less local monotonic time. */
  #offsetMs: number;

  constructor(private readonly local: Clock) {
    this.#offsetMs = local.now() - local.monotonic();
  }

  now(): number {
    return Math.floor(this.local.monotonic() + this.#offsetMs);
  }

  monotonic(): number {
    return this.local.monotonic();
  }

  /** The server's time was `serverMs` at some moment after `sentAt` and before now, by the local monotonic clock. */
  learn(serverMs: number, sentAt: number): void {
    // The server tells whole milliseconds.
    const latest = serverMs + 1 - sentAt;
    const earliest = serverMs - this.local.monotonic();
    this.#offsetMs = Math.min(latest, Math.max(earliest, this.#offsetMs));
  }
}
