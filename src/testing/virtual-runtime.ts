/**
 * A `Runtime` whose time moves only when a test moves it. It owns both clocks, the timers, the queue of deferred
 * callbacks, the seeded chance and the identifiers, so that the same seed and the same calls give the same run.
 *
 * Between any two callbacks it lets every promise that can settle do so: it waits for a real turn of Node's event loop,
 * which begins only when the microtask queue is empty. Work that waits for a real disk or socket is not seen by it.
 */
import type { Clock } from '../runtime/clock.js';
import { type Random, seededRandom } from '../runtime/random.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TimerHandle, Timers } from '../runtime/timers.js';
import { VirtualTimerHeap } from './virtual-timer-heap.js';

/** Taken at import, so that a test that replaces the global timers does not stop the virtual clock. */
const realImmediate = globalThis.setImmediate;

export interface VirtualRuntimeOptions {
  /** Seed of chance and of the identifiers. Default 1. */
  readonly seed?: number | undefined;
  /** Wall time at the start, milliseconds since the epoch. Default 2025-01-01T00:00:00Z. */
  readonly startAtMs?: number | undefined;
  /** Real turns of the event loop after each callback. Default 1, which settles every chain of promises. */
  readonly turnsPerStep?: number | undefined;
  /** Callbacks that one `advance` or `settle` may run before it fails as endless. Default 1,000,000. */
  readonly stepsMax?: number | undefined;
}

export class VirtualRuntime implements Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly freshId: () => string;

  private readonly heap = new VirtualTimerHeap();
  private readonly turnsPerStep: number;
  private readonly stepsMax: number;
  private deferred: (() => void)[] = [];
  private monotonicMs = 0;
  private wallOffsetMs: number;
  private moving = false;

  constructor(options: VirtualRuntimeOptions = {}) {
    const seed = (options.seed ?? 1) >>> 0;
    this.wallOffsetMs = options.startAtMs ?? Date.UTC(2025, 0, 1);
    this.turnsPerStep = Math.max(1, options.turnsPerStep ?? 1);
    this.stepsMax = options.stepsMax ?? 1_000_000;
    this.random = seededRandom(seed);
    const idPrefix = seed.toString(36).padStart(7, '0');
    let ids = 0;
    this.freshId = () => {
      ids += 1;
      return idPrefix + ids.toString(36).padStart(9, '0');
    };
    this.clock = {
      now: () => Math.floor(this.wallOffsetMs + this.monotonicMs),
      monotonic: () => this.monotonicMs,
    };
    this.timers = {
      // Node turns every delay below 1 ms into 1 ms; a timer therefore never fires without time moving.
      set: (callback, delayMs): TimerHandle => this.heap.add(callback, this.monotonicMs + (delayMs >= 1 ? delayMs : 1)),
      clear: (handle) => this.heap.remove(handle),
      defer: (callback) => {
        this.deferred.push(callback);
      },
      // A test's process lives as long as the test.
      keepAlive: () => () => {},
    };
  }

  /** Timers that are set and deferred callbacks that have not run: both 0 after a clean stop. */
  get pending(): { readonly timers: number; readonly deferred: number } {
    return { timers: this.heap.size, deferred: this.deferred.length };
  }

  /** Milliseconds until the next timer fires; undefined when none is set. */
  get nextTimerInMs(): number | undefined {
    const dueAt = this.heap.nextDueAt;
    return dueAt === undefined ? undefined : Math.max(0, dueAt - this.monotonicMs);
  }

  /**
   * Moves both clocks on by `ms` milliseconds and runs what becomes due on the way, each at its own time, in order of
   * due time and, where that is equal, in the order in which it was set. What a callback throws ends the move.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0))
      throw new RangeError(`advance(${ms}): time moves forward only; use jumpWallClock to set wall time back.`);
    await this.move(this.monotonicMs + ms);
  }

  /** Runs everything that is ready now, and what that makes ready, without moving time. */
  async settle(): Promise<void> {
    await this.move(this.monotonicMs);
  }

  /** Moves to the next timer and runs it, as often as there is one, but not more than `limitMs` milliseconds in all. */
  async runUntilIdle(limitMs: number): Promise<void> {
    const end = this.monotonicMs + limitMs;
    await this.settle();
    for (let waitMs = this.nextTimerInMs; waitMs !== undefined; waitMs = this.nextTimerInMs) {
      if (this.monotonicMs + waitMs > end) return;
      await this.advance(waitMs);
    }
  }

  /** Sets the wall clock on (back, if negative) by `ms` milliseconds, as an operator or NTP would. Timers do not notice. */
  jumpWallClock(ms: number): void {
    this.wallOffsetMs += ms;
  }

  private async move(target: number): Promise<void> {
    if (this.moving) throw new Error('The virtual clock is already moving: await the first call before the next one.');
    this.moving = true;
    try {
      let steps = 0;
      await this.drain();
      for (let callback = this.nextCallback(target); callback !== undefined; callback = this.nextCallback(target)) {
        steps += 1;
        if (steps > this.stepsMax) {
          throw new Error(
            `The run does not come to rest: ${this.stepsMax} callbacks ran up to ${this.monotonicMs} ms.`,
          );
        }
        callback();
        await this.drain();
      }
      this.monotonicMs = target;
    } finally {
      this.moving = false;
    }
  }

  /** Deferred callbacks belong to the present turn, so they go before any timer. */
  private nextCallback(target: number): (() => void) | undefined {
    const deferred = this.deferred.shift();
    if (deferred !== undefined) return deferred;
    const dueAt = this.heap.nextDueAt;
    if (dueAt === undefined || dueAt > target) return undefined;
    this.monotonicMs = Math.max(this.monotonicMs, dueAt);
    return this.heap.take();
  }

  private async drain(): Promise<void> {
    for (let turn = 0; turn < this.turnsPerStep; turn += 1) {
      await new Promise<void>((resolve) => {
        realImmediate(resolve);
      });
    }
  }
}
