/** The simulation has to find what it is for: each of these faults, put into the cluster, makes it fail. */
import { describe, expect, it } from 'vitest';
import { runSimulation, type SimulationRun } from '../../src/testing/simulation/simulation-run.js';
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs.js';

const wordsOf = (run: SimulationRun): readonly string[] => [
  ...run.faults,
  ...run.report.violations.map(({ words }) => words),
];

async function catchingSeed({ seams, patch, caughtBy, focus, seedsMax }: PlantedBug): Promise<number | undefined> {
  const putBack = patch?.();
  try {
    for (let seed = 1; seed <= seedsMax; seed += 1) {
      const run = await runSimulation({ seed, seams, focus });
      if (wordsOf(run).some((words) => caughtBy.test(words))) return seed;
    }
    return undefined;
  } finally {
    putBack?.();
  }
}

describe('a fault that is planted in the cluster', () => {
  it.each(Object.entries(PLANTED_BUGS))('is found: %s', { timeout: 300_000 }, async (_name, bug) => {
    const seed = await catchingSeed(bug);
    expect(seed, `No seed up to ${bug.seedsMax} found it.`).toBeDefined();
  });
});
