/** What is printed: the environment, a table of measurements, a table of what is asked, and what is not measured. */
import Table from 'cli-table3';
import type { Environment } from './environment.js';
import { LIBRARY, type Scenario, type ScenarioResult } from './scenario.js';
import { scenarios } from './scenarios.js';
import { askedFigure } from './summary.js';

export const PLAIN = { style: { head: [], border: [] } };

const NOT_MEASURED = [
  'power loss, other disks and file systems, a machine with more cores, other Node versions than this one',
  'handlers that do something: the ones here return at once, so handler time comes on top',
  'HTTP, or producers in other processes: the load generator runs in the same process and thread as the library',
  'payloads of other sizes than about 130 bytes; retries, delays, deadlines, messageId',
  'hours of load: the growth of the store over time and its cleanup',
  'the CPU of the load generator alone: it is inside the CPU figures',
];

export function printEnvironment(environment: Environment): void {
  const { node, platform, cores, memoryGiB, sqlite, sqliteDriver, fileSystem, loadAverageBefore, mode, runs } =
    environment;
  console.log(
    `Node ${node}, ${platform}, ${cores} cores, ${memoryGiB} GiB · SQLite ${sqlite} (${sqliteDriver}) on ${fileSystem} · ` +
      `load average before ${loadAverageBefore} · ${mode} mode, medians of ${runs} runs, of 3 in recovery-million and 1 in idle-million (smallest–largest)`,
  );
}

export function printResults(results: readonly ScenarioResult[]): void {
  const table = new Table({
    ...PLAIN,
    head: [
      'scenario',
      'messages/s',
      'bare loop /s',
      'share',
      'p50 / p99 ms',
      'open loop 70 %: p50 / p99 / p99.9 ms',
      'CPU µs',
    ],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const result of results) {
    const { messagesPerSecond, ceilingPerSecond, p50Ms, p99Ms, cpuMicrosPerMessage, more } = result;
    if (messagesPerSecond === undefined) continue;
    const range = result.range['messagesPerSecond'];
    const saturated = (more['openSaturated'] ?? 0) > 0 ? 'not held: ' : '';
    table.push([
      result.scenario,
      `${thousands(messagesPerSecond)}${range === undefined ? '' : `\n(${thousands(range[0])}–${thousands(range[1])})`}`,
      ceilingPerSecond === undefined ? '' : thousands(ceilingPerSecond),
      ceilingPerSecond === undefined ? '' : percent(messagesPerSecond / ceilingPerSecond),
      p50Ms === undefined || p99Ms === undefined ? '' : `${ms(p50Ms)} / ${ms(p99Ms)}`,
      more['openP50Ms'] === undefined
        ? ''
        : `${saturated}${[more['openP50Ms'], more['openP99Ms'], more['openP999Ms']].map((value) => ms(value ?? 0)).join(' / ')}`,
      cpuMicrosPerMessage === undefined ? '' : cpuMicrosPerMessage.toFixed(1),
    ]);
  }
  if (table.length > 0) console.log(table.toString());
}

/** What a scenario measured besides, in a line of its own. */
export function printMore(results: readonly ScenarioResult[]): void {
  for (const { scenario, more } of results) {
    const rest = Object.entries(more).filter(([name]) => !name.startsWith('open'));
    if (rest.length === 0) continue;
    console.log(`${scenario}: ${rest.map(([name, value]) => `${name} ${plain(value)}`).join(', ')}`);
  }
}

export function printAsked(
  results: readonly ScenarioResult[],
  missing: ReadonlyMap<string, string>,
  chosen: readonly string[],
): void {
  const table = new Table({
    ...PLAIN,
    head: ['asked (2 cores)', 'limit', 'measured', ''],
    colAligns: ['left', 'right', 'right', 'left'],
  });
  for (const scenario of scenarios) {
    if (!chosen.includes(scenario.name)) continue;
    for (const asked of scenario.asked) {
      const system = asked.system ?? LIBRARY;
      const result = results.find((each) => each.scenario === scenario.name && each.system === system);
      const value = result === undefined ? undefined : askedFigure(result, asked);
      if (value === undefined) {
        const isMissing = missing.has(scenario.name) || missing.has(`${scenario.name} · ${system}`);
        table.push([asked.what, asked.limit, '', isMissing ? 'see below' : 'not measured']);
        continue;
      }
      const holds =
        (asked.atLeast === undefined || value >= asked.atLeast) &&
        (asked.atMost === undefined || value <= asked.atMost);
      const text =
        asked.shareOf !== undefined
          ? percent(value)
          : asked.digits === undefined
            ? thousands(value)
            : value.toFixed(asked.digits);
      table.push([asked.what, asked.limit, text, holds ? 'holds' : 'FALLS SHORT']);
    }
  }
  console.log(table.toString());
}

export function printNotMeasured(missing: ReadonlyMap<string, string>): void {
  console.log('Not measured here:');
  for (const [name, reason] of missing) console.log(`  - ${name}: ${reason}`);
  for (const line of NOT_MEASURED) console.log(`  - ${line}`);
}

export function printEnd(durationMs: number, system: string): void {
  console.error(`  ${system}took ${(durationMs / 1_000).toFixed(1)} s`);
}

export function printStart(scenario: Scenario): void {
  console.error(`${scenario.name}: ${scenario.about} …`);
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function ms(value: number): string {
  return value < 1 ? value.toFixed(3) : value < 100 ? value.toFixed(2) : value.toFixed(0);
}

export function plain(value: number): string {
  return value >= 1_000 ? thousands(value) : String(value);
}
