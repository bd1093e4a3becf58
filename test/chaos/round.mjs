/**
 * One round: servers, processes and load from nothing; faults one after the other; then everything is healed, the load
 * ends, what is left is drained, and the judge reads what happened.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cast } from './cast.mjs';
import { FAULTS } from './faults.mjs';
import { judge } from './judge.mjs';
import { parentNotes } from './node-process.mjs';
import { Observer } from './observer.mjs';
import { Chance, sleep } from './random.mjs';
import { startServers } from './servers.mjs';

const WARM_UP_MS = 1_500;
/** What is broken on purpose may never come to its end, milliseconds. */
const DRAINED_WITH_BUGS_MS = 5_000;

/** `dense`: few entities that always have a handler at work and others waiting. */
const LOADS = {
  wide: { paceMs: 12, entities: 6, operators: true },
  dense: { paceMs: 4, entities: 4, cold: 4, slowShare: 0.6, slowMs: 40, operators: true },
};

/**
 * Runs `plan`: `{seed, servers, durability, appendfsync, faults: [names], bugs?}`; instead of `faults` an `act` of its own,
 * and a `load` of its own. Resolves with `{violations, losses,
 * figures, counts, folder}`; the folder with the evidence is left there when there are violations.
 */
export async function runRound(plan, say) {
  const chance = new Chance(plan.seed);
  const folder = mkdtempSync(join(tmpdir(), `aq-chaos-${plan.seed}-`));
  const history = join(folder, 'history.jsonl');
  const notes = parentNotes(history);
  const servers = await startServers(plan.servers, plan);
  const round = { folder, history, notes };
  const cast = new Cast({ ...plan, round, servers });
  cast.load = plan.load ?? ((node) => ({ ...LOADS[plan.dense ? 'dense' : 'wide'], clients: node.handles ? 6 : 10 }));
  const wrong = [];
  let final;
  try {
    await cast.begin();
    await sleep(WARM_UP_MS);
    await (plan.act ?? actFaults)({ cast, servers, chance, say, notes, plan });
    await servers.heal();
    for (const node of cast.all()) node.thaw();
    for (const node of [...cast.workers(), ...cast.producers()]) await cast.start(node);
    cast.workers()[0].tidy();
    await Promise.all(cast.all().map((node) => node.quiet()));
    final = await finish(cast, servers, plan);
  } catch (error) {
    wrong.push(`the round broke off: ${error.stack ?? error}`);
  } finally {
    await cast.dispose();
  }
  notes.close();
  const result = await judge({ history, final, wrong, lossy: cast.lossy, figures: cast.figures });
  await servers.dispose();
  if (result.violations.length === 0 && plan.keep !== true) rmSync(folder, { recursive: true, force: true });
  return { ...result, folder };
}

async function actFaults({ plan, notes, cast, servers, chance, say }) {
  for (const name of plan.faults) {
    notes.append({ type: 'fault', name, node: 'parent', seq: 0, at: Date.now() });
    await FAULTS[name].run({ cast, servers, chance, say });
    await sleep(chance.between(300, 1_500));
  }
}

/** Waits until nothing is left to do, stops the nodes, and reads what the store holds. */
export async function finish(cast, servers, { durability = 'async', bugs } = {}) {
  const observer = await Observer.start(servers.observer(), durability);
  try {
    const left = await observer.drained(bugs === undefined ? undefined : DRAINED_WITH_BUGS_MS);
    for (const node of cast.producers()) await node.stop();
    await Promise.all(cast.all().map((node) => node.stop()));
    return { left, events: await observer.final() };
  } finally {
    await observer.stop();
  }
}
