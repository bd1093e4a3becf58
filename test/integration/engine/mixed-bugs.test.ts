/** The lines in which everything meets have to find what they are for: each of these faults, put into the engine, shows. */
import { expect, it } from 'vitest';
import { EarlyRuns } from '../../../src/entity/early-runs.js';
import { EntityLine } from '../../../src/entity/entity-line.js';
import { ShardActors } from '../../../src/entity/shard-actors.js';
import { seededRandom } from '../../../src/runtime/random.js';
import { replaced } from '../../simulation/stage.js';
import { faultsOf } from './mixed-judge.js';
import { World } from './mixed-world.js';

const SEEDS_MAX = 400;

const PLANTED: Readonly<Record<string, () => () => void>> = {
  'an actor in memory remembers what ran before its message had to wait': () =>
    replaced(ShardActors, 'forget', () => () => {}),
  'what ran before its message was durable counts although something came first in line': () =>
    replaced(EarlyRuns, 'drop', () => () => {}),
  'a message that is on its way starts ahead of one that came from outside': () =>
    replaced(EntityLine, 'unmarkAppends', () => () => {}),
  'a message keeps its wish to start at once when something takes a place ahead of it': () =>
    replaced(
      EntityLine,
      'unmarkAppends',
      (original) =>
        function (this: EntityLine) {
          const wishes = this.items().flatMap(({ append }) => (append?.dispatch === true ? [append] : []));
          original.call(this as never);
          for (const append of wishes) append.dispatch = true;
        },
    ),
};

async function isFound(seed: number): Promise<boolean> {
  const world = new World(seededRandom(seed), {
    effects: seed % 3 === 0 ? 'any' : 'state',
    onFailure: 'dead-letter',
    onInterrupt: 'retry',
    queries: 'volatile',
    maxAttempts: 2,
    dispatchAhead: 3,
    residents: 100,
    removes: true,
  });
  try {
    await world.run(150);
    const faults = await faultsOf(world);
    await world.app.stop();
    return faults.length > 0;
  } catch {
    // The store refused what is illegal, and the node is lost.
    return true;
  }
}

it.each(Object.entries(PLANTED))('is found: %s', { timeout: 120_000 }, async (_name, plant) => {
  const putBack = plant();
  try {
    for (let seed = 1; seed <= SEEDS_MAX; seed += 1) if (await isFound(seed)) return;
  } finally {
    putBack();
  }
  expect.fail(`No seed up to ${SEEDS_MAX} found it.`);
});

it('finds nothing where nothing is planted', { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= 30; seed += 1) expect(await isFound(seed), `seed ${seed}`).toBe(false);
});
