/** One measured run of a scenario: plain numbers under names, so that medians can be taken of all of them alike. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Latencies } from './latencies.js';
import type { LoadResult } from './load.js';
import type { Timings } from './timings.js';

export type Figures = Readonly<Record<string, number>>;

export interface RunContext {
  readonly timings: Timings;
  /** Where stores are made. */
  readonly folder: string;
}

/** The words that keep a scenario from being measured here, e.g. because a part is missing. */
export class NotMeasured extends Error {
  override readonly name = 'NotMeasured';
}

/** A promise of the measured system did not hold: its figures are worth nothing, and it is said so. */
export class InvalidRow extends Error {
  override readonly name = 'InvalidRow';
}

/** Gives `work` a folder of its own and removes it afterwards. */
export async function inFreshFolder<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'run-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function throughput(result: LoadResult): number {
  return (result.messages / result.elapsedMs) * 1_000;
}

export function closedFigures(result: LoadResult): Figures {
  return {
    messagesPerSecond: throughput(result),
    p50Ms: result.latencies.percentileMs(50),
    p99Ms: result.latencies.percentileMs(99),
    cpuMicrosPerMessage: result.cpuMicros / result.messages,
    messagesPerCommit: result.transitions / 3 / result.commits,
  };
}

export function openFigures(result: LoadResult): Figures {
  return {
    openPerSecond: throughput(result),
    openP50Ms: result.latencies.percentileMs(50),
    openP99Ms: result.latencies.percentileMs(99),
    openP999Ms: result.latencies.percentileMs(99.9),
    openSaturated: result.saturated ? 1 : 0,
  };
}

export function latencyFigures(latencies: Latencies): Figures {
  return { p50Ms: latencies.percentileMs(50), p99Ms: latencies.percentileMs(99) };
}
