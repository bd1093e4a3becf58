/** The entity types of the load, each with another promise to keep, and what the checker must know of them. */

export const ENTITIES = {
  plain: {},
  again: { onInterrupt: 'retry', maxInterruptions: 100 },
  flaky: { retry: { maxAttempts: 3, backoff: 'fixed', backoffDelay: 20 } },
  ahead: { dispatchAhead: 8 },
  kept: { queries: 'durable' },
  careful: { onFailure: 'block', retry: { maxAttempts: 2, backoff: 'fixed', backoffDelay: 20 } },
};

export const RULES = {
  plain: {},
  again: { onInterrupt: 'retry', interruptionsMax: 100 },
  flaky: { maxAttempts: 3 },
  ahead: { dispatchAhead: 8 },
  kept: { queries: 'durable' },
  careful: { maxAttempts: 2 },
};

/** Whether a message is a query that is in no store. */
export function isVolatile({ kind, entityType }) {
  return kind === 'query' && ENTITIES[entityType]?.queries !== 'durable';
}
