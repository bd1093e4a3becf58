/** `npm run bench`: runs the scenarios one after another, prints what they measured, writes it as JSON if asked to. */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type CommandLine, readCommandLine, USAGE } from './command-line.js';
import { describeEnvironment } from './environment.js';
import { isOurs } from './redis/described.js';
import { printComparison, printSystems, systemsOf } from './redis/report.js';
import {
  printAsked,
  printEnd,
  printEnvironment,
  printMore,
  printNotMeasured,
  printResults,
  printStart,
} from './report.js';
import { InvalidRow, NotMeasured } from './run.js';
import { LIBRARY, type Scenario, type ScenarioResult } from './scenario.js';
import { scenarios } from './scenarios.js';
import { invalidRow, summarize } from './summary.js';

async function main(commandLine: CommandLine): Promise<number> {
  const { timings, jsonPath, only } = commandLine;
  const chosen = scenarios.filter(({ name }) => commandLine.scenarios.includes(name));
  const systems = systemsOf(chosen);
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
    await printSystems(systems);
    for (const scenario of chosen) {
      if (timings.quick && !only && scenario.slow === true) {
        missing.set(scenario.name, 'left out in quick mode unless named with --only');
        continue;
      }
      printStart(scenario);
      const rows: ScenarioResult[] = [];
      for (const system of scenario.systems ?? [LIBRARY]) {
        const startedAt = performance.now();
        const about = scenario.systems === undefined ? '' : `${system} `;
        try {
          rows.push(summarize(scenario.name, system, await scenario.run({ timings, folder }, system)));
          printEnd(performance.now() - startedAt, about);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          console.error(`  ${about}${error instanceof InvalidRow ? 'IS INVALID: ' : ''}${reason}`);
          if (error instanceof InvalidRow) rows.push(invalidRow(scenario.name, system, reason));
          else missing.set(keyOf(scenario, system), (reason.split('\n')[0] as string).slice(0, 160));
          if (isFailure(error, system)) failures += 1;
        }
      }
      results.push(...(scenario.compare?.(rows) ?? rows));
    }
    const compared = results.filter((result) => chosen.find(({ name }) => name === result.scenario)?.systems);
    const alone = results.filter((result) => !compared.includes(result));
    printResults(alone);
    printMore(alone);
    printComparison(compared);
    printAsked(results, missing, commandLine.scenarios);
    printNotMeasured(missing);
    if (jsonPath !== undefined) {
      await mkdir(dirname(jsonPath), { recursive: true });
      await writeFile(
        jsonPath,
        `${JSON.stringify({ environment, systems, results, missing: Object.fromEntries(missing) }, null, 2)}\n`,
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return failures === 0 ? 0 : 1;
}

/** What is missing is named by its scenario, and by its system where a scenario has several. */
function keyOf(scenario: Scenario, system: string): string {
  return scenario.systems === undefined ? scenario.name : `${scenario.name} · ${system}`;
}

/** A peer that does not keep its promise, or does not run here, is no failure of the benchmark. */
function isFailure(error: unknown, system: string): boolean {
  if (error instanceof NotMeasured) return false;
  return !(error instanceof InvalidRow) || isOurs(system);
}

try {
  const commandLine = readCommandLine(process.argv.slice(2));
  if (commandLine === undefined) console.log(USAGE);
  else process.exitCode = await main(commandLine);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
