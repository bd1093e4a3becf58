/** What is promised in figures, each measured by itself: `npm run chaos -- --measure NAME [--times N] [--seed S]`. */

import { LEASE_MS } from './faults.mjs';
import { spread } from './figures.mjs';
import { measureOutages } from './measures-redis.mjs';
import { Chance, sleep } from './random.mjs';
import { line } from './report.mjs';
import { runRound } from './round.mjs';

/** As many times in one round: its history has to fit into memory. */
const PER_ROUND = 8;
const ENTITIES = 24;

/** Every entity always has something to do, all of it sent by a process that owns nothing. */
export const steadyLoad = (node) =>
  node.handles ? undefined : { steady: true, clients: ENTITIES, entities: ENTITIES, paceMs: 15 };

/** Does `once` `times` times, in rounds of a few; `plan` says how. Resolves with the results of the rounds. */
export async function inRounds({ seed, times }, print, plan, once) {
  const results = [];
  for (let done = 0; done < times; done += PER_ROUND) {
    const count = Math.min(PER_ROUND, times - done);
    const result = await runRound(
      {
        seed: seed + done,
        servers: 'single',
        durability: 'async',
        appendfsync: 'everysec',
        load: steadyLoad,
        direct: true,
        ...plan(done),
        act: async (context) => {
          await sleep(2_000);
          for (let index = 0; index < count; index += 1) await once(context, done + index);
          await sleep(1_500);
        },
      },
      () => {},
    );
    results.push(result);
    print(`  ${done + count} of ${times}, ${result.violations.length} violation(s)`);
    for (const words of result.violations.slice(0, 5)) print(words);
    if (result.violations.length > 0) print(`Evidence: ${result.folder}`);
  }
  return results;
}

export function summary(results, print) {
  const sum = (pick) => results.reduce((total, result) => total + pick(result), 0);
  const violations = sum((result) => result.violations.length);
  print(`violations ${violations}, stale commits ${sum(({ counts }) => counts.staleCommits)}`);
  return violations === 0 ? 0 : 1;
}

async function kill({ seed, times = 10 }, print) {
  const results = await inRounds(
    { seed, times },
    print,
    () => ({}),
    async ({ cast }, index) => {
      const master = await cast.master();
      const others = cast.workers().filter((node) => node !== master);
      const victim = index % 2 === 0 && master !== undefined ? master : new Chance(seed + index).pick(others);
      cast.figures.kills.push({ node: victim.name, at: await victim.kill() });
      await sleep(4_000);
      await cast.start(victim);
      await sleep(2_000);
    },
  );
  print(
    line(
      'kill -9 to the next start elsewhere, per entity',
      spread(results.flatMap(({ figures }) => figures.takeoverMs)),
    ),
  );
  return summary(results, print);
}

async function leave({ seed, times = 10 }, print) {
  const results = await inRounds(
    { seed, times },
    print,
    () => ({}),
    async ({ cast }, index) => {
      const node = cast.workers()[index % 3];
      const at = Date.now();
      await node.stop();
      cast.figures.leaves.push({ node: node.name, at, doneAt: Date.now() });
      await sleep(1_500);
      await cast.start(node);
      await sleep(2_000);
    },
  );
  print(line('longest pause of an entity of the leaver', spread(results.flatMap(({ figures }) => figures.pauseMs))));
  print(`interrupted ${results.reduce((sum, { figures }) => sum + figures.interruptedByLeave, 0)}`);
  return summary(results, print);
}

async function stop({ seed, times = 8 }, print) {
  const busy = (node) => ({ clients: node.handles ? 6 : 12, paceMs: 12 });
  const results = await inRounds(
    { seed, times },
    print,
    () => ({ load: busy }),
    async ({ cast }, index) => {
      const node = cast.workers()[index % 3];
      node.freeze();
      await sleep(3 * LEASE_MS);
      node.thaw();
      await sleep(2_000);
    },
  );
  return summary(results, print);
}

async function stall({ seed, times = 6 }, print) {
  const at = [];
  const results = await inRounds(
    { seed, times },
    print,
    () => ({ keep: true }),
    async ({ cast, notes }, index) => {
      if (index % PER_ROUND === 0)
        notes.append({ type: 'fault', name: 'calm', node: 'parent', seq: 0, at: Date.now() });
      at.push(Date.now());
      await cast.workers()[index % 3].stall(1_200);
      await sleep(2_500);
    },
  );
  const opened = results.reduce((sum, { openedSinceCalm }) => sum + openedSinceCalm, 0);
  const interrupted = results.reduce((sum, { counts }) => sum + counts.ended.interrupted, 0);
  print(`event loop blocked for 1.2 s, ${at.length} times: shards opened anew ${opened}, interrupted ${interrupted}`);
  return Math.max(summary(results, print), opened + interrupted === 0 ? 0 : 1);
}

async function connections({ seed }, print) {
  let most = 0;
  const results = await inRounds(
    { seed, times: 1 },
    print,
    () => ({ load: undefined }),
    async ({ cast, servers }) => {
      for (const node of cast.workers()) {
        const found = await servers.primary.connections(`aq:${node.name}`);
        print(`  ${node.name}: ${found.map(({ name }) => name).join(', ')}`);
        most = Math.max(most, found.length);
      }
    },
  );
  print(`connections per node: ${most}`);
  return Math.max(summary(results, print), most > 0 && most <= 4 ? 0 : 1);
}

export const MEASURES = {
  kill,
  leave,
  stop,
  restart: (options, print) => measureOutages('restart', options, print, { inRounds, summary }),
  promotion: (options, print) => measureOutages('promotion', options, print, { inRounds, summary }),
  stall,
  connections,
};
