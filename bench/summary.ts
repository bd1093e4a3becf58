/** From the runs of a scenario to its result: medians of every figure, with the range beside them. */
import type { Figures } from './run.js';
import type { Asked, ScenarioResult } from './scenario.js';

const MAIN = ['messagesPerSecond', 'p50Ms', 'p99Ms', 'cpuMicrosPerMessage', 'ceilingPerSecond'] as const;

export function summarize(scenario: string, system: string, runs: readonly Figures[]): ScenarioResult {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run)))];
  const main: Partial<Record<(typeof MAIN)[number], number>> = {};
  const more: Record<string, number> = {};
  const range: Record<string, readonly [number, number]> = {};
  for (const name of names) {
    const values = runs.map((run) => run[name]).filter((value) => value !== undefined);
    values.sort((a, b) => a - b);
    const median = rounded(medianOf(values));
    if (isMain(name)) main[name] = median;
    else more[name] = median;
    range[name] = [rounded(values[0] as number), rounded(values.at(-1) as number)];
  }
  return { scenario, system, ...main, runs: runs.length, more, range };
}

/** A row without figures, for a system that did not keep what it promises. */
export function invalidRow(scenario: string, system: string, invalid: string): ScenarioResult {
  return { scenario, system, invalid, runs: 0, more: {}, range: {} };
}

/** The same row with more figures. */
export function withFigures(result: ScenarioResult, figures: Figures): ScenarioResult {
  const rounding = Object.entries(figures).map(([name, value]) => [name, rounded(value)] as const);
  return { ...result, more: { ...result.more, ...Object.fromEntries(rounding) } };
}

export function figureOf(result: ScenarioResult, name: string): number | undefined {
  return isMain(name) ? result[name] : result.more[name];
}

/** The figure that was asked for, in the unit of its limit; undefined when it was not measured. */
export function askedFigure(result: ScenarioResult, asked: Asked): number | undefined {
  const value = figureOf(result, asked.figure);
  if (asked.shareOf === undefined || value === undefined) return value;
  const whole = figureOf(result, asked.shareOf);
  return whole === undefined ? undefined : value / whole;
}

function isMain(name: string): name is (typeof MAIN)[number] {
  return (MAIN as readonly string[]).includes(name);
}

/** Of sorted values. */
function medianOf(values: readonly number[]): number {
  const middle = Math.floor(values.length / 2);
  const upper = values[middle] as number;
  return values.length % 2 === 1 ? upper : (upper + (values[middle - 1] as number)) / 2;
}

/** Four significant digits for small figures, whole numbers for large ones. */
function rounded(value: number): number {
  return value >= 1_000 ? Math.round(value) : Number(value.toPrecision(4));
}
