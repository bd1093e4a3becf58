/** The handlers of the load: each does what its message says. A handler that is told to stop says so in the history. */
import { ENTITIES, isVolatile } from './entities.mjs';

/** Attempts that throw, by what the message says. */
const FAILURES = { fail: Number.POSITIVE_INFINITY, 'fail once': 1, 'fail twice': 2 };

export function addHandlers({ node, recorder }) {
  const run = (payload, context) => {
    const { act, ms, call } = payload;
    if (context.attempt <= (FAILURES[act] ?? 0)) throw new Error(`${call} fails`);
    if (act !== 'slow') return { call };
    const { id, attempt, signal } = context;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve({ call }), ms);
      signal.addEventListener('abort', () => {
        // From here on nobody may think that the entity is in good hands here.
        recorder.record({ type: 'abandoned', id, attempt });
        clearTimeout(timer);
        reject(new Error(`${call} was told to stop`));
      });
    });
  };
  const answer = (payload, context) => {
    // Nothing else tells which question it is: a volatile query leaves nothing in the store.
    if (isVolatile({ kind: 'query', ...context })) recorder.linked(payload.call, context.id);
    return run(payload, context);
  };
  for (const type of Object.keys(ENTITIES)) {
    node.handle(type, 'do', run);
    node.handle(type, 'ask', answer, { kind: 'query' });
  }
}
