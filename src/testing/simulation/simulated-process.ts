/**
 * One process of the simulated cluster: a `Runtime` of its own on top of the world's virtual clock. Its wall clock jumps and
 * its monotonic clock drifts; it can be paused, as by SIGSTOP or a blocked event loop (what became due meanwhile is held
 * back and then runs all at once), and it can be killed (nothing of it ever runs again).
 *
 * Everything from outside (answers of the store, messages of other nodes) comes in through `deliver`, so a pause holds it
 * back and a death drops it.
 */
import type { Clock } from '../../runtime/clock.js';
import { type Random, seededRandom } from '../../runtime/random.js';
import type { Runtime } from '../../runtime/runtime.js';
import type { TimerHandle, Timers } from '../../runtime/timers.js';

export interface SimulatedProcessOptions {
  readonly name: string;
  readonly world: Runtime;
  readonly seed: number;
  /** How fast its monotonic clock ticks; 1.01: one percent too fast. Default 1. */
  readonly rate?: number | undefined;
  /** How far its wall clock is off at the start, milliseconds. Default 0. */
  readonly wallOffsetMs?: number | undefined;
}

interface OwnTimer {
  readonly world: TimerHandle;
  isOver: boolean;
}

export class SimulatedProcess implements Runtime {
  readonly name: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly freshId: () => string;
  isAlive = true;
  private readonly world: Runtime;
  private readonly rate: number;
  private readonly bornAtMs: number;
  private wallOffsetMs: number;
  private pauses = 0;
  private held: (() => void)[] = [];
  private live = 0;

  constructor(options: SimulatedProcessOptions) {
    const { world, name } = options;
    this.name = name;
    this.world = world;
    this.rate = options.rate ?? 1;
    this.wallOffsetMs = options.wallOffsetMs ?? 0;
    this.bornAtMs = world.clock.monotonic();
    this.random = seededRandom(options.seed);
    this.freshId = world.freshId;
    this.clock = {
      now: () => Math.floor(world.clock.now() + this.wallOffsetMs),
      monotonic: () => (world.clock.monotonic() - this.bornAtMs) * this.rate,
    };
    this.timers = {
      set: (callback, delayMs) => this.set(callback, delayMs),
      clear: (handle) => this.clear(handle as OwnTimer),
      defer: (callback) => world.timers.defer(() => this.deliver(callback)),
      keepAlive: () => () => {},
    };
  }

  get isPaused(): boolean {
    return this.pauses > 0;
  }

  /** Whether its code can run now. */
  get runs(): boolean {
    return this.isAlive && !this.isPaused;
  }

  /** Timers that are set: 0 after a clean stop. */
  get timersLeft(): number {
    return this.live;
  }

  /** Runs a callback in this process: now, after the pause, or never. */
  deliver(callback: () => void): void {
    if (!this.isAlive) return;
    if (this.isPaused) this.held.push(callback);
    else callback();
  }

  /** For what its handlers do: as a timer of its own, but no business of the library's. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.world.timers.set(() => this.deliver(resolve), ms);
    });
  }

  /** Stops it for so long, milliseconds of the world's time. Pauses may overlap. */
  pause(ms: number): void {
    this.pauses += 1;
    this.world.timers.set(() => {
      this.pauses -= 1;
      if (this.pauses === 0) this.resume();
    }, ms);
  }

  /** `kill -9`. */
  kill(): void {
    this.isAlive = false;
    this.held = [];
  }

  jumpWallClock(ms: number): void {
    this.wallOffsetMs += ms;
  }

  private resume(): void {
    const { held } = this;
    this.held = [];
    // Each in a turn of its own, in the order in which they became due: timers and sockets of one waking event loop.
    for (const callback of held) this.world.timers.defer(() => this.deliver(callback));
  }

  private set(callback: () => void, delayMs: number): TimerHandle {
    this.live += 1;
    const timer: OwnTimer = {
      isOver: false,
      world: this.world.timers.set(
        () =>
          this.deliver(() => {
            // One that was cleared by something that ran before it, in the same awakening.
            if (timer.isOver) return;
            timer.isOver = true;
            this.live -= 1;
            callback();
          }),
        Math.max(0, delayMs) / this.rate,
      ),
    };
    return timer;
  }

  private clear(timer: OwnTimer): void {
    if (timer.isOver) return;
    timer.isOver = true;
    this.live -= 1;
    this.world.timers.clear(timer.world);
  }
}
