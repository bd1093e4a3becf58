/** `npm run bench -- [--quick] [--json FILE] [--only a,b] [--redis | --embedded] [--dir FOLDER]` */
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { redisScenarios } from './redis/scenarios.js';
import { embeddedScenarios, scenarioNames } from './scenarios.js';
import { FULL, QUICK, type Timings } from './timings.js';

export interface CommandLine {
  readonly timings: Timings;
  readonly jsonPath: string | undefined;
  /** In the order in which they run. */
  readonly scenarios: readonly string[];
  readonly only: boolean;
  readonly folder: string;
}

export const USAGE = `npm run bench [-- options]
  --quick        short runs, about five minutes in all; figures are rougher
  --json FILE    writes { environment, systems, results, missing } to FILE
  --only a,b     only these scenarios: ${scenarioNames.join(', ')}
  --redis        only the scenarios on Redis and the orders workload
  --embedded     only the scenarios on the embedded store
  --dir FOLDER   stores are made below this folder; default: the system's folder for temporary files`;

/** @throws Error that tells what is wrong; undefined: the user asked for help. */
export function readCommandLine(args: readonly string[]): CommandLine | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' },
      json: { type: 'string' },
      only: { type: 'string' },
      redis: { type: 'boolean' },
      embedded: { type: 'boolean' },
      dir: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return undefined;
  const wanted = values.only?.split(',').map((name) => name.trim());
  const unknown = wanted?.find((name) => !scenarioNames.includes(name));
  if (unknown !== undefined) {
    throw new Error(`There is no scenario "${unknown}". There are: ${scenarioNames.join(', ')}.`);
  }
  if ([wanted, values.redis, values.embedded].filter((each) => each !== undefined).length > 1) {
    throw new Error('Only one of --only, --redis and --embedded can be given.');
  }
  const kind =
    values.redis === true
      ? redisScenarios
      : values.embedded === true
        ? embeddedScenarios
        : [...embeddedScenarios, ...redisScenarios];
  return {
    timings: values.quick === true ? QUICK : FULL,
    jsonPath: values.json === undefined ? undefined : resolve(values.json),
    scenarios: scenarioNames.filter((name) => (wanted ?? kind.map((scenario) => scenario.name)).includes(name)),
    only: wanted !== undefined,
    folder: resolve(values.dir ?? tmpdir()),
  };
}
