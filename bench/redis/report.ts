/** What is printed of scenarios with several systems: who is compared, a table of rows, and the ratios between them. */
import Table from 'cli-table3';
import { ms, PLAIN, plain, thousands } from '../report.js';
import { NotMeasured } from '../run.js';
import type { Scenario, ScenarioResult } from '../scenario.js';
import { describedSystem, isOurs, versionsOf } from './described.js';
import { redisProgram } from './redis-server.js';

export interface SystemOfReport {
  readonly versions: string;
  readonly guarantees: string;
  readonly unfair: string;
  readonly inOrder: boolean;
}

/** The systems of these scenarios, by name. */
export function systemsOf(chosen: readonly Scenario[]): Readonly<Record<string, SystemOfReport>> {
  const names = new Set(chosen.flatMap(({ systems }) => systems ?? []));
  return Object.fromEntries(
    [...names].map((name) => {
      const system = describedSystem(name);
      const { guarantees, unfair, inOrder } = system;
      return [name, { versions: versionsOf(system), guarantees, unfair, inOrder }];
    }),
  );
}

export async function printSystems(systems: Readonly<Record<string, SystemOfReport>>): Promise<void> {
  if (Object.keys(systems).length === 0) return;
  try {
    console.log(`On ${(await redisProgram()).version}, append-only file flushed every second, fresh for each run:`);
  } catch (error) {
    if (!(error instanceof NotMeasured)) throw error;
  }
  for (const [name, { versions, guarantees, unfair }] of Object.entries(systems)) {
    console.log(`  ${name} (${versions}): ${guarantees}.\n    Unfair: ${unfair}`);
  }
}

/** These have columns of their own. */
const SHOWN = ['commandsPerMessage', 'connections', 'addPerSecond'];

export function printComparison(rows: readonly ScenarioResult[]): void {
  if (rows.length === 0) return;
  const table = new Table({
    ...PLAIN,
    head: ['scenario', 'system', 'messages/s', 'added/s', 'ours ÷ it', 'p50 / p99 ms', 'CPU µs', 'commands', 'conn.'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const row of rows) table.push(lineOf(row, rows));
  console.log(table.toString());
  for (const row of rows) {
    const rest = Object.entries(row.more).filter(([name]) => !SHOWN.includes(name) && !name.startsWith('times:'));
    if (rest.length === 0) continue;
    console.log(`${row.scenario}, ${row.system}: ${rest.map(([name, value]) => `${name} ${plain(value)}`).join(', ')}`);
  }
}

function lineOf(row: ScenarioResult, rows: readonly ScenarioResult[]): string[] {
  if (row.invalid !== undefined) return [row.scenario, row.system, `INVALID: ${row.invalid}`, '', '', '', '', '', ''];
  const { messagesPerSecond, p50Ms, p99Ms, cpuMicrosPerMessage, more } = row;
  const range = row.range['messagesPerSecond'];
  const spread = range === undefined ? '' : `\n(${thousands(range[0])}–${thousands(range[1])})`;
  const ours = rows.find((each) => each.scenario === row.scenario && isOurs(each.system))?.messagesPerSecond;
  const number = (value: number | undefined, show: (value: number) => string): string =>
    value === undefined ? '' : show(value);
  return [
    row.scenario,
    row.system,
    number(messagesPerSecond, (value) => `${thousands(value)}${spread}`),
    number(more['addPerSecond'], thousands),
    ours === undefined || messagesPerSecond === undefined || isOurs(row.system)
      ? ''
      : (ours / messagesPerSecond).toFixed(2),
    p50Ms === undefined || p99Ms === undefined ? '' : `${ms(p50Ms)} / ${ms(p99Ms)}`,
    number(cpuMicrosPerMessage, (value) => value.toFixed(1)),
    number(more['commandsPerMessage'], (value) => value.toFixed(3)),
    number(more['connections'], thousands),
  ];
}
