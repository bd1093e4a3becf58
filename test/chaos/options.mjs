/** The command line of the chaos run. */
import { BUGS } from './child-bugs.mjs';
import { FAULTS } from './faults.mjs';
import { MEASURES } from './measures.mjs';

const SERVERS = ['single', 'replica', 'cluster'];

export const USAGE = `npm run chaos -- [options]
  --minutes N       how long new rounds are begun; default 5
  --rounds N        as many rounds instead
  --seed S          of the first round; the next ones count on from there. Default: by the clock
  --only A,B        only these faults: ${Object.keys(FAULTS).join(', ')}
  --servers KIND    only ${SERVERS.join(', ')}; default: in turn
  --durability D    only async or replicated(1), with --servers replica or cluster, which then has replicas
  --faults N        faults per round; default 5
  --bug A,B         plant bugs, which must make the run fail: ${BUGS.join(', ')}
  --keep            keep the evidence of clean rounds, too
  --measure NAME    measure instead: ${Object.keys(MEASURES).join(', ')}
  --times N         how often the measured thing is done`;

export function readOptions(args) {
  const options = { minutes: 5, seed: Date.now() % 1_000_000_000, servers: SERVERS };
  const list = [...args];
  while (list.length > 0) {
    const name = list.shift();
    if (name === '--keep') {
      options.keep = true;
      continue;
    }
    if (name === '--help') return { ...options, help: true };
    const value = list.shift();
    if (value === undefined) throw new Error(`${name} needs a value.\n${USAGE}`);
    switch (name) {
      case '--minutes':
      case '--rounds':
      case '--times':
      case '--seed':
        options[name.slice(2)] = number(name, value);
        break;
      case '--only':
        options.only = value.split(',').map((each) => oneOf(name, each, Object.keys(FAULTS)));
        break;
      case '--servers':
        options.servers = value.split(',').map((each) => oneOf(name, each, SERVERS));
        break;
      case '--faults':
        options.faultsMax = number(name, value);
        break;
      case '--durability':
        options.durability = oneOf(name, value, ['async', 'replicated(1)']);
        break;
      case '--bug':
        options.bugs = value.split(',').map((each) => oneOf(name, each, BUGS));
        break;
      case '--measure':
        options.measure = oneOf(name, value, Object.keys(MEASURES));
        break;
      default:
        throw new Error(`There is no option ${name}.\n${USAGE}`);
    }
  }
  return options;
}

function number(name, value) {
  const found = Number(value);
  if (Number.isFinite(found) && found >= 0) return found;
  throw new Error(`${name} needs a number and got ${value}.`);
}

function oneOf(name, value, choices) {
  if (choices.includes(value)) return value;
  throw new Error(`${name} knows no ${value}; it takes ${choices.join(', ')}.`);
}
