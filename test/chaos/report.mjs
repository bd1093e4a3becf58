/** The table of a chaos run, as text. */
import { spread } from './figures.mjs';

const COLUMNS = [
  'seed',
  'servers',
  'durability',
  'aof',
  'faults',
  'commands',
  'queries',
  'operations',
  'starts',
  'violations',
  'losses',
];

export class Report {
  #rounds = [];

  add(plan, result) {
    this.#rounds.push({ plan, result });
  }

  get violations() {
    return this.#rounds.reduce((sum, { result }) => sum + result.violations.length, 0);
  }

  text() {
    const rows = this.#rounds.map(({ plan, result }) => [
      plan.seed,
      plan.servers,
      plan.durability,
      plan.appendfsync,
      plan.faults.join(' '),
      result.counts.commands,
      result.counts.queries,
      result.counts.operations,
      result.counts.starts,
      result.violations.length,
      result.losses.length,
    ]);
    return [table([COLUMNS, ...rows]), '', ...this.#figures()].join('\n');
  }

  #figures() {
    const all = (name) => this.#rounds.flatMap(({ result }) => result.figures[name]);
    const sum = (pick) => this.#rounds.reduce((total, { result }) => total + pick(result), 0);
    const lossy = this.#rounds.filter(({ plan }) => plan.durability === 'async');
    return [
      `rounds ${this.#rounds.length}, commands ${sum(({ counts }) => counts.commands)}, queries ${sum(({ counts }) => counts.queries)}, operations ${sum(({ counts }) => counts.operations)}, starts ${sum(({ counts }) => counts.starts)}, crashes ${sum(({ counts }) => counts.crashes)}`,
      `violations ${this.violations}, stale commits ${sum(({ counts }) => counts.staleCommits)}, commits whose answer was lost ${sum(({ counts }) => counts.doubts)}`,
      `facts lost within what Redis documents (async or everysec only) ${sum(({ losses }) => losses.length)}, in ${lossy.filter(({ result }) => result.losses.length > 0).length} rounds`,
      line('kill -9 of a node to the next start elsewhere, per shard', spread(all('takeoverMs'))),
      line('throughput back after Redis takes writes again', spread(all('backMs'))),
    ];
  }
}

export function line(what, { count, p50, p99, max }) {
  return `${what}: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms (${count})`;
}

export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => String(cell).padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
