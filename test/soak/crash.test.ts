/**
 * The long form of `test/e2e/crash.test.ts`: 300 kills, on Node 20 and on Node 24 in turn by chance. One seed alone:
 * `CRASH_SEED=17 npm run test:soak -- test/soak/crash.test.ts`.
 */
import { test } from 'vitest';
import { runCampaign } from '../e2e/crash/campaign.js';
import { campaignSeeds, expectClean, nodeBinaries, prepare } from '../e2e/crash/campaign-test.js';

const CAMPAIGNS = 20;
const KILLS_PER_CAMPAIGN = 15;

prepare();

test.for(campaignSeeds(CAMPAIGNS))(
  'survives 15 kills at random moments under load on one store, whatever Node comes next (I1-I8), seed %i',
  async (seed) => {
    const report = await runCampaign({ seed, kills: KILLS_PER_CAMPAIGN, nodes: nodeBinaries() });
    expectClean(report, `CRASH_SEED=${seed} npm run test:soak -- test/soak/crash.test.ts`);
  },
);
