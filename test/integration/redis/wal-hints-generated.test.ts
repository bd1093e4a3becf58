/** Made-up lives of a shard in which hints, told verdicts, lost answers and formats meet, and faults that they have to find. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/runtime/random.js';
import { serverOfFile } from '../../redis/server-of-file.js';
import { HintedLife } from './hinted-life.js';

const FIRST = Number(process.env['SEED'] ?? 1);
const SEEDS = Number(process.env['SEEDS'] ?? (process.env['SEED'] === undefined ? 8 : 1));
const PLANTED_SEEDS_MAX = 8;

const redis = serverOfFile();

const seeds = Array.from({ length: SEEDS }, (_, index) => FIRST + index);

it.each(seeds)(
  'takes every offer in once and in order, and tells every verdict as it is (I2, I4, I5), seed %i',
  { timeout: 60_000 },
  async (seed) => {
    const life = new HintedLife(redis, seededRandom(seed));
    await life.live();
    expect(
      await life.outcome(),
      `SEED=${seed} npx vitest run test/integration/redis/wal-hints-generated.test.ts`,
    ).toEqual({ taken: life.offered, unheard: [], untrue: [], left: [] });
  },
);

const replaced = (what: string, by: string) => (script: string) => {
  const planted = script.replace(what, by);
  if (planted === script) throw new Error(`The script has no ${what} any more: what replaces it has to move.`);
  return planted;
};

async function isFound(seed: number, plant: (script: string) => string): Promise<boolean> {
  const life = new HintedLife(redis, seededRandom(seed), plant);
  try {
    await life.live();
  } catch {
    return true;
  }
  const { taken, ...faults } = await life.outcome();
  return Object.values(faults).flat().length > 0 || taken.join() !== life.offered.join();
}

describe('is found when planted:', () => {
  it.each([
    ['what a hint brings is believed', replaced('if first[at] ~= ARGV[16 + at] then', 'if false then')],
    [
      'another head loses the body that stands in it',
      replaced("string.sub(old, string.find(old, '\\n', 1, true) or #old + 1)", "''"),
    ],
    ['a verdict counts as told and is not', replaced('redis.pcall(command, ARGV[at + 3], ARGV[at + 4])', '')],
    ['a commit is applied under any number', replaced('if meta[3] ~= ARGV[3] then', 'if false then')],
  ])('%s', { timeout: 60_000 }, async (_name, plant) => {
    for (let seed = 1; seed <= PLANTED_SEEDS_MAX; seed += 1) if (await isFound(seed, plant)) return;
    expect.fail(`No seed up to ${PLANTED_SEEDS_MAX} found it.`);
  });
});

it('finds nothing where nothing is planted', { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= PLANTED_SEEDS_MAX; seed += 1)
    expect(await isFound(seed, (script) => script), `seed ${seed}`).toBe(false);
});
