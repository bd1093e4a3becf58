/** The runtime of commands: the library's timers let a process end, but a command must live until what it waits for has happened. */
import { type Runtime, systemRuntime } from '../runtime/runtime.js';

export const commandRuntime: Runtime = {
  ...systemRuntime,
  timers: { ...systemRuntime.timers, set: (callback, delayMs) => setTimeout(callback, delayMs) },
};
