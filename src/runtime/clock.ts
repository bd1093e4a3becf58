/**
 * The two clocks of a node. Everything that needs the time gets this port, so that the same core runs under a virtual
 * clock. Wall time is for what people and other processes read; monotonic time is for measuring how long something took.
 */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch, whole numbers. It may jump in both directions. */
  now(): number;
  /** Milliseconds since an arbitrary point, with fractions. It never goes back. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
