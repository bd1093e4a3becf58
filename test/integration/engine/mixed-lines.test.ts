/** Made-up lives with lines in which everything meets: `mixed-world.ts`. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/runtime/random.js';
import { faultsOf } from './mixed-judge.js';
import { World } from './mixed-world.js';

const FIRST = Number(process.env['SEED'] ?? 1);
const SEEDS = Number(process.env['SEEDS'] ?? (process.env['SEED'] === undefined ? 15 : 1));

describe('lines in which everything meets', () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    it(`keep state, order, verdicts and what was sent (I2, I4, I5, I7, M15, M17), seed ${seed}`, {
      timeout: 60_000,
    }, async () => {
      const random = seededRandom(seed);
      const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T;
      const world = new World(random, {
        effects: pick(['state', 'state', 'any']),
        onFailure: pick(['dead-letter', 'block']),
        onInterrupt: pick(['dead-letter', 'retry']),
        queries: pick(['volatile', 'volatile', 'durable']),
        maxAttempts: pick([1, 2]),
        dispatchAhead: pick([1, 1, 3]),
        residents: pick([1, 2, 100]),
        removes: pick([true, false]),
      });
      await world.run(150);
      const faults = await faultsOf(world);
      expect(faults, `SEED=${seed} npx vitest run test/integration/engine/mixed-lines.test.ts`).toEqual([]);
      await world.app.stop();
    });
  }
});
