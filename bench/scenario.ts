/** What a scenario is: what runs, of which systems, and what is asked of it. */
import type { Figures, RunContext } from './run.js';

export const LIBRARY = 'atomic-queues';

export interface Asked {
  /** For people. */
  readonly what: string;
  readonly figure: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly limit: string;
  /** How the figure is printed. */
  readonly digits?: number;
  /** Divides the figure by another one first, e.g. the ceiling; printed as a percentage. */
  readonly shareOf?: string;
  /** Whose row; default: this library's. */
  readonly system?: string;
}

export interface ScenarioResult {
  readonly scenario: string;
  /** The measured system: this library, or one that it is compared with. */
  readonly system: string;
  /** A promise of the system did not hold: why. There are no figures then. */
  readonly invalid?: string;
  readonly messagesPerSecond?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly cpuMicrosPerMessage?: number;
  readonly ceilingPerSecond?: number;
  readonly runs: number;
  /** Other medians of the scenario. */
  readonly more: Readonly<Record<string, number>>;
  /** Smallest and largest of the runs. */
  readonly range: Readonly<Record<string, readonly [number, number]>>;
}

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly asked: readonly Asked[];
  /** Takes too long for the quick mode; there it runs only when it is named. */
  readonly slow?: boolean;
  /** The systems that are measured, a row each, in this order. Default: this library alone, on its embedded store. */
  readonly systems?: readonly string[];
  readonly run: (context: RunContext, system: string) => Promise<readonly Figures[]>;
  /** Adds to the rows what they say about each other. */
  readonly compare?: (rows: readonly ScenarioResult[]) => ScenarioResult[];
}
