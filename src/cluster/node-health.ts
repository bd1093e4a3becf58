/**
 * Watches whether the store's server answers. Every `checkEveryMs` it sends a PING; `failureThreshold` failures in a row,
 * time-outs included, make the node degraded, and one answer makes it healthy again. It only tells: what a degraded node
 * refuses is decided by those who listen.
 */
import type { TimerHandle, Timers } from '../runtime/timers.js';
import { TypedEvents } from '../runtime/typed-events.js';

export interface Health {
  /** Failures since the last answer, at most the threshold. */
  readonly failures: number;
  readonly degraded: boolean;
}

export const healthy: Health = { failures: 0, degraded: false };

/** The health after another PING. */
export function afterPing(health: Health, answered: boolean, failureThreshold: number): Health {
  if (answered) return healthy;
  const failures = Math.min(health.failures + 1, failureThreshold);
  return { failures, degraded: health.degraded || failures >= failureThreshold };
}

export interface NodeHealthOptions {
  readonly timers: Timers;
  /** Resolves when the server answered. It may reject or never settle. */
  readonly ping: () => Promise<unknown>;
  /** `redisHealthCheckMs`: milliseconds from one check's end to the next one. */
  readonly checkEveryMs: number;
  /** `redisHealthFailureThreshold`: failures in a row, 1 or more. */
  readonly failureThreshold: number;
  /** Milliseconds after which a PING without an answer has failed. Default: `checkEveryMs`. */
  readonly timeoutMs?: number | undefined;
}

export interface NodeHealthEvents {
  /** The server has not answered `failures` times in a row. `cause`: why the last one failed. */
  readonly degraded: { readonly failures: number; readonly cause: unknown };
  readonly recovered: Record<never, never>;
}

/** A server that hangs must not gather PINGs without limit; past this many, a check fails without sending one. */
const UNSETTLED_MAX = 10;

export class NodeHealth {
  readonly events = new TypedEvents<NodeHealthEvents>();
  private readonly options: NodeHealthOptions;
  private health: Health = healthy;
  private timer: TimerHandle | undefined;
  private isRunning = false;
  private unsettled = 0;
  /** Grows with every check, so that what belongs to an earlier one is known and ignored. */
  private check = 0;

  constructor(options: NodeHealthOptions) {
    if (!(options.failureThreshold >= 1)) {
      throw new RangeError(`failureThreshold is ${options.failureThreshold}; expected 1 or more.`);
    }
    this.options = options;
  }

  get degraded(): boolean {
    return this.health.degraded;
  }

  /** Begins with a check at once. Idempotent. */
  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.begin();
  }

  /** Ends all checks; what is still unanswered is ignored. Idempotent. */
  stop(): void {
    this.isRunning = false;
    this.check += 1;
    this.clearTimer();
  }

  private begin(): void {
    const { timers, timeoutMs, checkEveryMs } = this.options;
    this.check += 1;
    const check = this.check;
    const limitMs = timeoutMs ?? checkEveryMs;
    if (this.unsettled >= UNSETTLED_MAX) {
      this.end(check, false, new Error(`${this.unsettled} PINGs have no answer.`));
      return;
    }
    this.timer = timers.set(() => {
      // An event loop that stood still hears its timers before its sockets: let an answer that is there be heard.
      timers.defer(() => this.end(check, false, new Error(`No answer to a PING within ${limitMs} ms.`)));
    }, limitMs);
    this.unsettled += 1;
    void this.ping().then(
      () => this.settle(check, true, undefined),
      (cause: unknown) => this.settle(check, false, cause),
    );
  }

  /** A ping that throws instead of rejecting has failed as well. */
  private async ping(): Promise<void> {
    await this.options.ping();
  }

  private settle(check: number, answered: boolean, cause: unknown): void {
    this.unsettled -= 1;
    this.end(check, answered, cause);
  }

  private end(check: number, answered: boolean, cause: unknown): void {
    if (check !== this.check || !this.isRunning) return;
    this.check += 1;
    this.clearTimer();
    const { failureThreshold, timers, checkEveryMs } = this.options;
    const before = this.health;
    this.health = afterPing(before, answered, failureThreshold);
    this.timer = timers.set(() => this.begin(), checkEveryMs);
    if (this.health.degraded && !before.degraded) {
      this.events.emit('degraded', { failures: this.health.failures, cause });
    } else if (before.degraded && !this.health.degraded) this.events.emit('recovered', {});
  }

  private clearTimer(): void {
    if (this.timer !== undefined) this.options.timers.clear(this.timer);
    this.timer = undefined;
  }
}
