/**
 * When a failed attempt is followed by another one. Pure: the caller adds the delay to the store's time (M14).
 */
export interface RetryPolicy {
  /** Attempts in all, the first included. 1: never again (strictly once). */
  readonly maxAttempts: number;
  readonly backoff: 'fixed' | 'exponential';
  /** Delay before the second attempt, milliseconds. */
  readonly backoffDelay: number;
  /** The delay never grows past this, milliseconds. */
  readonly maxDelay: number;
}

/** Milliseconds to wait after attempt number `attempt` failed, or undefined when no attempt is left. */
export function retryDelayMs(policy: RetryPolicy, attempt: number): number | undefined {
  if (attempt >= policy.maxAttempts) return undefined;
  const delay = policy.backoff === 'fixed' ? policy.backoffDelay : policy.backoffDelay * 2 ** (attempt - 1);
  return Math.min(delay, policy.maxDelay);
}
