import { describe, expect, it } from 'vitest';
import { checkHistory } from '../../../src/testing/history-checker.js';
import { explain } from '../../../src/testing/history-report.js';
import { RULES, runWorld } from './generated-world.js';

const chosen = process.env['ENGINE_SEED'];
const seeds = chosen === undefined ? Array.from({ length: 400 }, (_, index) => index + 1) : [Number(chosen)];
const BATCH = 100;

describe('a made-up life with faults, crashes and restarts', () => {
  const batches = Array.from({ length: Math.ceil(seeds.length / BATCH) }, (_, index) =>
    seeds.slice(index * BATCH, (index + 1) * BATCH),
  );
  const seen = new Set<string>();
  it.each(batches.map((batch) => [batch[0], batch] as const))(
    'keeps I1 to I8, seeds from %i',
    { timeout: 60_000 },
    async (_first, batch) => {
      for (const seed of batch) {
        const repeat = `seed ${seed}; repeat with ENGINE_SEED=${seed} npx vitest run test/integration/engine/generated.test.ts`;
        const { events, faults } = await runWorld(seed).catch((error: unknown) => {
          throw new Error(repeat, { cause: error });
        });
        const report = checkHistory(events, RULES);
        expect(report.ok, `${repeat}\n${explain(report)}`).toBe(true);
        expect(report.notes, `${repeat}`).toEqual([]);
        expect(faults, `${repeat}`).toEqual([]);
        for (const event of events)
          seen.add(
            event.type === 'ended' ? event.state : event.type === 'enqueueRejected' ? `${event.code}` : event.type,
          );
      }
    },
  );

  it.runIf(chosen === undefined)('meets every end of a message and every kind of trouble', () => {
    const wanted = [
      'completed',
      'failed',
      'interrupted',
      'expired',
      'cancelled',
      'retried',
      'promoted',
      'replayed',
      'crashed',
      'nodeStopped',
      'paused',
      'STORE_DEGRADED',
      'SHUTTING_DOWN',
      'REPLY_TIMEOUT',
      'DEADLOCK',
      'WORKER_LIMIT_EXCEEDED',
      'QUEUE_DEPTH_EXCEEDED',
      'HANDLER_TIMEOUT',
    ];
    expect([...seen]).toEqual(expect.arrayContaining(wanted));
  });
});
