/** "Testing your handlers" in the README. */
import { createTestApp } from 'atomic-queues/testing';

const app = await createTestApp({
  config: { retry: { maxAttempts: 3 } },
  setup: (node) =>
    node.handle('account', 'withdraw', () => {
      throw new Error('no');
    }),
});
const { id } = await app.drive(app.bus.enqueue('account', 'withdraw', 'alice', { cents: 5 }));
await app.settle(); // all that can run without time passing has run (`drive` also moves the clock until it settles)
await app.advance(60_000); // retries, delays and deadlines of the next minute
console.log((await app.status(id)).state, (await app.inspect()).deadLetters.length); // failed 1
await app.stop();
