/**
 * What an owner does now and then: look for offers, forget verdicts that nobody can ask for, notice handlers that do not
 * settle, let idle actors go. Owns three timers.
 */
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { TimerHandle, Timers } from '../runtime/timers.js';
import { StaleEpochError } from '../wal/wal.js';
import type { Executor } from './executor.js';

export interface HousekeepingOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly cleanupIntervalMs: number;
  /** How often an idle owner looks for offers from other processes, milliseconds. Default 100. */
  readonly offerPollMs?: number | undefined;
  readonly poll: () => void;
  /** Forgets at most so many verdicts; returns how many went. */
  readonly cleanUp: (limit: number) => Promise<number>;
  readonly executor: Executor;
  /** Lets actors go that were idle for their time. */
  readonly sweepActors: (now: number) => void;
  /** Somebody else owns the shard. */
  readonly lost: (error: Error) => void;
}

const OFFER_POLL_MS = 100;
/** Verdicts forgotten in one go; more go in the next turns of the event loop. */
const CLEANUP_BATCH = 500;
/** A handler without a time limit is reported as stuck after this long, milliseconds. */
const STUCK_AFTER_MS = 30_000;
/** How often running handlers are looked at for that, and actors for having been idle, milliseconds. */
const SWEEP_MS = 1_000;

export class Housekeeping {
  private readonly handles = new Map<string, TimerHandle>();
  private active = false;

  constructor(private readonly options: HousekeepingOptions) {}

  start(): void {
    if (this.active) return;
    this.active = true;
    this.every('poll', this.options.offerPollMs ?? OFFER_POLL_MS, this.options.poll);
    this.every('cleanup', this.options.cleanupIntervalMs, () => void this.cleanUpAll());
    this.every('sweep', SWEEP_MS, () => this.sweep());
  }

  stop(): void {
    this.active = false;
    for (const handle of this.handles.values()) this.options.timers.clear(handle);
    this.handles.clear();
  }

  private sweep(): void {
    this.options.sweepActors(this.options.clock.monotonic());
    this.findStuck();
  }

  private findStuck(): void {
    const { executor, clock } = this.options;
    if (executor.running.size === 0) return;
    const now = clock.monotonic();
    for (const item of executor.running) if (now - item.startedAt >= STUCK_AFTER_MS) executor.reportStuck(item);
  }

  private async cleanUpAll(): Promise<void> {
    try {
      while (this.active && (await this.options.cleanUp(CLEANUP_BATCH)) >= CLEANUP_BATCH) {
        await new Promise<void>((resolve) => this.options.timers.defer(resolve));
      }
    } catch (error) {
      if (this.active && error instanceof StaleEpochError) this.options.lost(error);
      else if (this.active) this.options.logger.error('Cleaning up the store failed; it is tried again.', error);
    }
  }

  private every(name: string, delayMs: number, callback: () => void): void {
    const tick = (): void => {
      if (!this.active) return;
      callback();
      this.handles.set(name, this.options.timers.set(tick, delayMs));
    };
    this.handles.set(name, this.options.timers.set(tick, delayMs));
  }
}
