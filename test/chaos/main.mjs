/** Runs rounds until the time is over and prints what came of them; see `options.mjs`. Resolves with the exit code. */
import { MEASURES } from './measures.mjs';
import { readOptions, USAGE } from './options.mjs';
import { planRound } from './plan.mjs';
import { Report } from './report.mjs';
import { runRound } from './round.mjs';

const VIOLATIONS_SHOWN = 10;

export async function main(args, print) {
  const options = readOptions(args);
  if (options.help) {
    print(USAGE);
    return 0;
  }
  if (options.measure !== undefined) return MEASURES[options.measure](options, print);
  const report = new Report();
  const endsAt = performance.now() + options.minutes * 60_000;
  const isOver = (round) => (options.rounds === undefined ? performance.now() >= endsAt : round >= options.rounds);
  for (let round = 0; !isOver(round); round += 1) {
    const plan = planRound(options.seed + round, options);
    const startedAt = performance.now();
    const say = (words) => print(`  ${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5)} s  ${words}`);
    print(`seed ${plan.seed}: ${plan.servers}, ${plan.durability}, AOF ${plan.appendfsync}`);
    const result = await runRound(plan, say);
    report.add(plan, result);
    if (result.violations.length === 0) continue;
    for (const words of ofEachKind(result.violations).slice(0, VIOLATIONS_SHOWN)) print(words);
    print(`${result.violations.length} violation(s). Evidence: ${result.folder}`);
    print(`Repeat: ${commandFor(plan, options)}`);
  }
  print('');
  print(report.text());
  print(
    `Repeat all: npm run chaos -- ${args.includes('--seed') ? '' : `--seed ${options.seed} `}${args.join(' ')}`.trimEnd(),
  );
  return report.violations === 0 ? 0 : 1;
}

/** The first one of each kind comes first: a kind is a sentence without its names and numbers. */
function ofEachKind(violations) {
  const kinds = new Set();
  const [first, others] = [[], []];
  for (const words of violations) {
    const kind = words
      .split('\n')[0]
      .split(' on ')
      .map((part) => part.replace(/^\S+\/\S+|\S*\d\S*/g, '…'))
      .join(' on ');
    (kinds.has(kind) ? others : first).push(words);
    kinds.add(kind);
  }
  return [...first, ...others];
}

function commandFor({ seed, servers, durability }, { only, bugs, faultsMax }) {
  return [
    `npm run chaos -- --rounds 1 --seed ${seed} --servers ${servers}`,
    ...(servers !== 'single' ? [`--durability '${durability}'`] : []),
    ...(only === undefined ? [] : [`--only ${only.join(',')}`]),
    ...(faultsMax === undefined ? [] : [`--faults ${faultsMax}`]),
    ...(bugs === undefined ? [] : [`--bug ${bugs.join(',')}`]),
  ].join(' ');
}
