/** What a round does, drawn from its seed: the servers, their settings, and the faults in their order. */
import { FAULTS } from './faults.mjs';
import { Chance } from './random.mjs';

const FAULTS_PER_ROUND = 5;

/** `only`: names of faults; every kind that fits the servers comes before any comes twice. */
export function planRound(seed, { servers: kinds, only, durability, bugs, keep, faultsMax = FAULTS_PER_ROUND }) {
  const chance = new Chance(seed);
  const servers = kinds[seed % kinds.length];
  const picked = chance.pick(['replicated(1)', 'async']);
  const level = servers === 'single' ? 'async' : (durability ?? picked);
  const names = servers === 'cluster' && level !== 'async' ? [servers, 'replicated cluster'] : [servers];
  const fitting = Object.keys(FAULTS).filter(
    (name) => (only === undefined || only.includes(name)) && FAULTS[name].servers.some((each) => names.includes(each)),
  );
  if (fitting.length === 0)
    throw new Error(`None of the faults ${only?.join(', ')} can happen to servers "${servers}".`);
  const faults = [];
  while (faults.length < faultsMax) faults.push(...chance.shuffled(fitting));
  return {
    seed,
    servers,
    durability: level,
    appendfsync: chance.pick(['everysec', 'always']),
    faults: faults.slice(0, faultsMax),
    dense: chance.happens(0.3) || bugs !== undefined,
    bugs,
    keep,
  };
}
