/**
 * Real processes on a real store, killed at random moments under load, 30 times. One seed alone:
 * `CRASH_SEED=17 npx vitest run test/e2e/crash.test.ts`; without it the seeds are new in each run.
 */
import { expect, test } from 'vitest';
import { discard, runCampaign } from './crash/campaign.js';
import { campaignSeeds, expectClean, nodeBinaries, prepare } from './crash/campaign-test.js';

const CAMPAIGNS = 3;
const KILLS_PER_CAMPAIGN = 10;
/** A planted bug shows when a kill finds something to lose; one that comes too early finds nothing, so there are a few. */
const KILLS_PER_BUG = 4;

prepare();

test.for(campaignSeeds(CAMPAIGNS))(
  'survives kills at random moments under load: nothing lost, doubled or out of order (I1-I8), seed %i',
  async (seed) => {
    const report = await runCampaign({ seed, kills: KILLS_PER_CAMPAIGN, nodes: nodeBinaries().slice(0, 1) });
    expectClean(report, `CRASH_SEED=${seed} npx vitest run test/e2e/crash.test.ts`);
  },
);

test('catches a store that keeps nothing of what it has called durable (I1)', async () => {
  const report = await runCampaign({ seed: 1, kills: KILLS_PER_BUG, nodes: nodeBinaries().slice(0, 1), bug: 'forget' });
  expect(report.fromHistory.join('\n')).toContain('I1 (accepted means durable)');
  expect(report.fromEffects.join('\n')).toContain('has vanished');
  discard(report);
});

test('catches an engine whose starts were not durable: it runs a command twice (I2)', async () => {
  const report = await runCampaign({
    seed: 1,
    kills: KILLS_PER_BUG,
    nodes: nodeBinaries().slice(0, 1),
    bug: 'forget-starts',
  });
  expect(report.fromHistory.join('\n')).toContain('I2 (at most one start per attempt)');
  expect(report.fromEffects.join('\n')).toMatch(/of type (plain|hot) started 2 times/);
  discard(report);
});
