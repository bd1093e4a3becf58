/** `npm run bench`: runs the scenarios one after another, prints what they measured, writes it as JSON if asked to. */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type CommandLine, readCommandLine, USAGE } from './command-line.js';
import { describeEnvironment } from './environment.js';
import {
  printAsked,
  printEnd,
  printEnvironment,
  printMore,
  printNotMeasured,
  printResults,
  printStart,
} from './report.js';
import { NotMeasured } from './run.js';
import { scenarios } from './scenarios.js';
import { type ScenarioResult, summarize } from './summary.js';

async function main(commandLine: CommandLine): Promise<number> {
  const { timings, jsonPath, only } = commandLine;
  const folder = await mkdtemp(join(commandLine.folder, 'atomic-queues-bench-'));
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      // The measuring process notices that its parent is gone and ends too.
      rmSync(folder, { recursive: true, force: true });
      process.exit(code);
    });
  }
  const results: ScenarioResult[] = [];
  const missing = new Map<string, string>();
  let failures = 0;
  try {
    const environment = await describeEnvironment(folder, timings.quick ? 'quick' : 'full', timings.runs);
    printEnvironment(environment);
    for (const scenario of scenarios) {
      if (!commandLine.scenarios.includes(scenario.name)) continue;
      if (timings.quick && !only && scenario.slow === true) {
        missing.set(scenario.name, 'left out in quick mode unless named with --only');
        continue;
      }
      printStart(scenario);
      const startedAt = performance.now();
      try {
        results.push(summarize(scenario.name, await scenario.run({ timings, folder })));
        printEnd(performance.now() - startedAt);
      } catch (error) {
        if (!(error instanceof NotMeasured)) failures += 1;
        const reason = error instanceof Error ? error.message : String(error);
        console.error(`  ${reason}`);
        missing.set(scenario.name, (reason.split('\n')[0] as string).slice(0, 160));
      }
    }
    printResults(results);
    printMore(results);
    printAsked(results, missing, commandLine.scenarios);
    printNotMeasured(missing);
    if (jsonPath !== undefined) {
      await mkdir(dirname(jsonPath), { recursive: true });
      await writeFile(
        jsonPath,
        `${JSON.stringify({ environment, results, missing: Object.fromEntries(missing) }, null, 2)}\n`,
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return failures === 0 ? 0 : 1;
}

try {
  const commandLine = readCommandLine(process.argv.slice(2));
  if (commandLine === undefined) console.log(USAGE);
  else process.exitCode = await main(commandLine);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
