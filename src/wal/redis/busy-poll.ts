/**
 * Busy polling: keeps the event loop awake while a call that somebody waits for is on its way to the server, where that makes
 * answers come sooner. The loop looks for input again and again instead of sleeping until the system wakes it; everything
 * else that is ready runs in between. Owns one immediate while it polls.
 *
 * Only a call that is under way alone is polled for. With several, an answer comes soon anyway, and whoever sleeps until
 * then does more at once.
 */
import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../../runtime/clock.js';
import type { Timers } from '../../runtime/timers.js';
import { BusyPollPolicy, ROUND_TRIP_MAX_MS } from './busy-poll-policy.js';

export interface BusyPollOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** What is deferred runs when the loop has looked for input once more. */
  readonly timers: Pick<Timers, 'defer'>;
}

export class BusyPoll {
  private readonly policy = new BusyPollPolicy();
  private underWay = 0;
  private until = 0;
  private isPolling = false;

  constructor(private readonly options: BusyPollOptions) {}

  /** A call that has just been sent. Its failures are its sender's. */
  follow(call: Promise<unknown>): void {
    const { policy } = this;
    this.underWay += 1;
    const isAlone = this.underWay === 1;
    const { block } = policy;
    const sentAt = this.options.clock.monotonic();
    call.then(
      () => {
        this.underWay -= 1;
        if (isAlone) policy.took(block, this.options.clock.monotonic() - sentAt);
      },
      () => {
        this.underWay -= 1;
      },
    );
    if (!isAlone || !policy.polls) return;
    this.until = sentAt + ROUND_TRIP_MAX_MS;
    if (this.isPolling) return;
    this.isPolling = true;
    this.options.timers.defer(this.turn);
  }

  /** Bound: a turn after the first one must not hold on to what the handler around the first call had in its context. */
  private readonly turn = AsyncResource.bind((): void => {
    if (this.underWay === 1 && this.options.clock.monotonic() < this.until) this.options.timers.defer(this.turn);
    else this.isPolling = false;
  });
}
