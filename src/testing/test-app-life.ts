/**
 * One life of a process in a test: a runtime whose timers die with it. What it had planned never happens after its end,
 * as after `kill -9`, while the virtual clock itself goes on for the lives that follow.
 */
import type { Runtime } from '../runtime/runtime.js';

export interface Life {
  readonly runtime: Runtime;
  /** Nothing that was planned through this life's timers happens any more. */
  end(): void;
}

export function beginLife(world: Runtime): Life {
  let alive = true;
  const whileAlive = (callback: () => void) => (): void => {
    if (alive) callback();
  };
  return {
    runtime: {
      clock: world.clock,
      random: world.random,
      freshId: world.freshId,
      timers: {
        set: (callback, delayMs) => world.timers.set(whileAlive(callback), delayMs),
        clear: (handle) => world.timers.clear(handle),
        defer: (callback) => world.timers.defer(whileAlive(callback)),
        keepAlive: () => world.timers.keepAlive(),
      },
    },
    end: () => {
      alive = false;
    },
  };
}
