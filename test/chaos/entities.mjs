/** The entity types of the load, each with another promise to keep, and what the checker must know of them. */

export const ENTITIES = {
  plain: {},
  again: { onInterrupt: 'retry', maxInterruptions: 100 },
  flaky: { retry: { maxAttempts: 3, backoff: 'fixed', backoffDelay: 20 } },
  ahead: { dispatchAhead: 8 },
};

export const RULES = {
  plain: {},
  again: { onInterrupt: 'retry', interruptionsMax: 100 },
  flaky: { maxAttempts: 3 },
  ahead: { dispatchAhead: 8 },
};
