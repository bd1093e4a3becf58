/**
 * When something runs. Two ways only: after a delay, or at the end of the current turn of the event loop, when
 * everything that is ready now has been heard. Group commit gathers until `defer` fires.
 */
export type TimerHandle = object;

export interface Timers {
  /** Runs `callback` once, `delayMs` milliseconds from now or later. A pending timer does not keep the process alive. */
  set(callback: () => void, delayMs: number): TimerHandle;
  /** Takes a timer back; one that has fired or was taken back already is ignored. */
  clear(handle: TimerHandle): void;
  /** Runs `callback` once at the end of the current turn. Keeps the process alive until it has run. */
  defer(callback: () => void): void;
  /** Keeps the process alive until the returned function is called. */
  keepAlive(): () => void;
}

/** Node's timers hold 31 bits of milliseconds; a longer delay is cut to this and re-checked when it fires. */
const DELAY_MS_MAX = 2_147_483_647;

export const systemTimers: Timers = {
  set: (callback, delayMs) => setTimeout(callback, Math.min(Math.max(0, delayMs), DELAY_MS_MAX)).unref(),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
  defer: (callback) => {
    setImmediate(callback);
  },
  keepAlive: () => {
    const handle = setInterval(() => {}, DELAY_MS_MAX);
    return () => clearInterval(handle);
  },
};
