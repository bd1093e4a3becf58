/**
 * Busy polling: keeps the event loop awake while a call that somebody waits for is on its way to the server, where that makes
 * answers come sooner. The loop looks for input again and again instead of sleeping until the system wakes it; everything
 * else that is ready runs in between. Owns one immediate while it polls.
 */
import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../../runtime/clock.js';
import { BusyPollPolicy, ROUND_TRIP_MAX_MS } from './busy-poll-policy.js';

export interface BusyPollOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Runs a callback in the next turn of the event loop. Default: `setImmediate`. */
  readonly nextTurn?: ((callback: () => void) => void) | undefined;
}

export class BusyPoll {
  private readonly policy = new BusyPollPolicy();
  private readonly nextTurn: (callback: () => void) => void;
  private underWay = 0;
  private until = 0;
  private isPolling = false;

  constructor(private readonly options: BusyPollOptions) {
    this.nextTurn = options.nextTurn ?? setImmediate;
  }

  /** A call that has just been sent. Its failures are its sender's. */
  follow(call: Promise<unknown>): void {
    const { policy } = this;
    const { block } = policy;
    const sentAt = this.options.clock.monotonic();
    this.underWay += 1;
    call.then(
      () => {
        this.underWay -= 1;
        policy.took(block, this.options.clock.monotonic() - sentAt);
      },
      () => {
        this.underWay -= 1;
      },
    );
    if (!policy.polls) return;
    this.until = sentAt + ROUND_TRIP_MAX_MS;
    if (this.isPolling) return;
    this.isPolling = true;
    this.nextTurn(this.turn);
  }

  /** Bound: a turn after the first one must not hold on to what the handler around the first call had in its context. */
  private readonly turn = AsyncResource.bind((): void => {
    if (this.underWay > 0 && this.options.clock.monotonic() < this.until) this.nextTurn(this.turn);
    else this.isPolling = false;
  });
}
