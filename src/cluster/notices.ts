/**
 * Waiting for what this node learns of the cluster: looked at again with each news, and often enough without any. Owns the
 * one timer of the one wait that there is at a time.
 */
import type { Runtime } from '../runtime/runtime.js';

export class Notices {
  private noticed: () => void = () => {};

  constructor(private readonly runtime: Runtime) {}

  /** There is news. */
  notice(): void {
    this.noticed();
  }

  /**
   * Resolves when it is so, or after `limitMs`.
   * @param oftenMs how often it is looked at without news
   * @param refresh asks for news after each look
   */
  async until(isSo: () => boolean, limitMs: number, oftenMs: number, refresh?: () => Promise<unknown>): Promise<void> {
    const { clock } = this.runtime;
    const endsAt = clock.monotonic() + limitMs;
    while (!isSo() && clock.monotonic() < endsAt) {
      await this.next(oftenMs);
      await refresh?.();
    }
  }

  private async next(limitMs: number): Promise<void> {
    const { timers } = this.runtime;
    await new Promise<void>((resolve) => {
      const timer = timers.set(resolve, limitMs);
      this.noticed = () => {
        timers.clear(timer);
        resolve();
      };
    });
    this.noticed = () => {};
  }
}
