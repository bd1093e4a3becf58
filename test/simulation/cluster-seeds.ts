/**
 * Runs simulated clusters for many seeds. Every file `cluster-*.test.ts` takes its share, so that they run side by side.
 *
 * `AQ_SEED=17 npx vitest run test/simulation` repeats one seed; `AQ_SEEDS=1-100000` runs a range.
 */
import { describe, expect, it } from 'vitest';
import { explainRun, runSimulation } from '../../src/testing/simulation/simulation-run.js';

/** Files that share the seeds. */
const FILES = 4;
const SEEDS_DEFAULT = '1-2000';
const BATCH = 100;

function seedsOf(file: number): number[] {
  const one = process.env['AQ_SEED'];
  if (one !== undefined) return file === 0 ? [Number(one)] : [];
  const [from = 1, to = 0] = (process.env['AQ_SEEDS'] ?? SEEDS_DEFAULT).split('-').map(Number);
  if (!(from >= 0) || !(to >= from)) throw new Error('AQ_SEEDS expects a range of whole numbers, such as 1-2000.');
  const seeds: number[] = [];
  for (let seed = from; seed <= to; seed += 1) if (seed % FILES === file) seeds.push(seed);
  return seeds;
}

/** The share of one file, counted from 0. */
export function clusterSeeds(file: number): void {
  const seeds = seedsOf(file);
  const batches = Array.from({ length: Math.ceil(seeds.length / BATCH) }, (_, index) =>
    seeds.slice(index * BATCH, (index + 1) * BATCH),
  );
  describe.skipIf(seeds.length === 0)('a cluster with troubles of every kind', () => {
    it.each(batches.map((batch) => [batch[0], batch] as const))(
      'keeps I1 to I8 and comes to rest, seeds from %i',
      { timeout: 300_000 },
      async (_first, batch) => {
        for (const seed of batch) {
          const run = await runSimulation({ seed });
          if (run.ok && run.report.notes.length === 0) continue;
          const repeat = `Repeat with: AQ_SEED=${seed} npx vitest run test/simulation/cluster-0.test.ts`;
          expect.fail(`${repeat}\n${explainRun(run)}`);
        }
      },
    );
  });
}
