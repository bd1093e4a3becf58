/**
 * The outside world as the core sees it: clocks, timers, chance and fresh identifiers. Production uses
 * `systemRuntime`; tests and the simulation hand in their own.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from './clock.js';
import { type Random, systemRandom } from './random.js';
import { systemTimers, type Timers } from './timers.js';

export interface Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** A fresh identifier of lower-case letters and digits that no other call on any machine returns (80 random bits). */
  readonly freshId: () => string;
}

export const systemRuntime: Runtime = {
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  freshId: () =>
    BigInt(`0x${randomBytes(10).toString('hex')}`)
      .toString(36)
      .padStart(16, '0'),
};
