/** The simulation itself: it repeats, and it meets what it is for. */
import { describe, expect, it } from 'vitest';
import { runSimulation } from '../../src/testing/simulation/simulation-run.js';

describe('the simulated cluster', () => {
  it('gives the same trace for the same seed, and another one for another seed', async () => {
    for (const seed of [3, 14, 159]) {
      const [first, second, other] = [
        await runSimulation({ seed }),
        await runSimulation({ seed }),
        await runSimulation({ seed: seed + 1 }),
      ];
      expect(second.traceHash).toBe(first.traceHash);
      expect(other.traceHash).not.toBe(first.traceHash);
    }
  });

  it('meets every end of a message and every kind of trouble', { timeout: 120_000 }, async () => {
    const met = new Map<string, number>();
    for (let seed = 1; seed <= 150; seed += 1) {
      const { events } = await runSimulation({ seed });
      for (const event of events) {
        const names =
          event.type === 'ended'
            ? [event.state]
            : event.type === 'enqueueRejected'
              ? [`${event.code}`]
              : event.type === 'opened' && event.taken === true
                ? ['taken']
                : event.type === 'retried'
                  ? [`retried ${event.reason}`]
                  : [event.type];
        for (const name of names) met.set(name, (met.get(name) ?? 0) + 1);
      }
    }
    const wanted = [
      ...['completed', 'failed', 'interrupted', 'expired', 'cancelled'],
      ...['retried failed', 'retried interrupted', 'promoted', 'replayed', 'purged', 'paused', 'resumed', 'duplicate'],
      ...['crashed', 'nodeStopped', 'opened', 'taken'],
      ...['STORE_DEGRADED', 'SHUTTING_DOWN', 'REPLY_TIMEOUT', 'DEADLOCK', 'INDETERMINATE'],
    ];
    expect([...met.keys()]).toEqual(expect.arrayContaining(wanted));
  });
});
