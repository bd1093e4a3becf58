/** The handlers of the load: each does what its message says. A handler that is told to stop says so in the history. */
import { ENTITIES } from './entities.mjs';

export function addHandlers({ node, recorder }) {
  const run = (payload, context) => {
    const { act, ms, call } = payload;
    if (act === 'fail' || (act === 'fail once' && context.attempt === 1)) throw new Error(`${call} fails`);
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
  for (const type of Object.keys(ENTITIES)) {
    node.handle(type, 'do', run);
    node.handle(type, 'ask', (payload) => ({ call: payload.call }), { kind: 'query' });
  }
}
