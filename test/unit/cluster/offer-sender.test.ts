/** What hands offers in: what it does with lost answers is in the simulation; here, that it ends. */
import { expect, it } from 'vitest';
import { OfferSender } from '../../../src/cluster/offer-sender.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';

it('begins no timer for an answer that is lost after it was stopped', async () => {
  const runtime = new VirtualRuntime();
  let loseAnswer: (error: Error) => void = () => {};
  const sender = new OfferSender({
    wal: {
      offer: () =>
        new Promise((_, reject) => {
          loseAnswer = reject;
        }),
    },
    clock: runtime.clock,
    timers: runtime.timers,
    shard: 0,
    freshSession: runtime.freshId,
    owner: () => undefined,
    idPrefix: () => 'p',
    depthMax: 0,
    detached: (callback) => callback(),
  });
  const offered = sender.offer({ type: 'cancel', id: 'any' });
  const refused = offered.catch((error: unknown) => error);
  await runtime.settle();
  sender.stop();
  loseAnswer(new StoreUnavailableError('The connection is gone.', 'unknown', true));
  await runtime.settle();
  expect(runtime.pending.timers).toBe(0);
  expect(await refused).toMatchObject({ applied: 'unknown' });
  expect(sender.idle).toBe(true);
});
