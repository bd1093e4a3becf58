/**
 * What a check of a history found: violations with their proof, and counts. Owns the words of the report and the
 * sentences that show it; finding is the business of the checker.
 */
import type { FinalState } from '../wal/transition.js';
import type { HistoryEvent } from './history.js';

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8';

/** An event and its position in the log, from 0. */
export interface Seen<E extends HistoryEvent = HistoryEvent> {
  readonly position: number;
  readonly event: E;
}

export interface Violation {
  readonly invariant: Invariant;
  /** The message concerned, or the one that was wronged. */
  readonly messageId?: string | undefined;
  /** `type/id` of the entity concerned. */
  readonly entity?: string | undefined;
  /** What is wrong, in a sentence. */
  readonly words: string;
  /** The few events that prove it, in log order. */
  readonly proof: readonly Seen[];
}

export interface HistoryCounts {
  readonly events: number;
  readonly crashes: number;
  readonly commands: number;
  readonly queries: number;
  readonly starts: number;
  readonly rejected: number;
  readonly ended: Readonly<Record<FinalState, number>>;
  /** Commands without a verdict in the log whose fate no `final` snapshot tells. */
  readonly undecided: number;
  /** All that were found, also those beyond `violationsMax`. */
  readonly violations: number;
  /** Work done by the checker, in events looked at and records visited: grows as the log does. */
  readonly steps: number;
}

export interface HistoryReport {
  readonly ok: boolean;
  /** In order of discovery, at most `violationsMax`. */
  readonly violations: readonly Violation[];
  readonly counts: HistoryCounts;
  /** Oddities of the log itself, such as missing numbers: the verdict may be worth less. */
  readonly notes: readonly string[];
}

const TITLES: Readonly<Record<Invariant, string>> = {
  I1: 'accepted means durable',
  I2: 'at most one start per attempt',
  I3: 'one writer',
  I4: 'FIFO per entity',
  I5: 'one verdict',
  I6: 'epochs only grow',
  I7: 'nothing vanishes',
  I8: 'refuse at the door',
};

/** The report in plain sentences, one paragraph per violation. */
export function explain(report: HistoryReport): string {
  const { counts } = report;
  const head = `${counts.events} events, ${counts.commands} commands, ${counts.queries} queries, ${counts.starts} starts, ${counts.crashes} crashes`;
  const notes = report.notes.map((note) => `Note: ${note}`);
  if (report.ok) return [`No violation in ${head}.`, ...notes].join('\n');
  const left = counts.violations - report.violations.length;
  return [
    `${counts.violations} violation(s) in ${head}.`,
    ...report.violations.map(explainViolation),
    ...(left > 0 ? [`… and ${left} more.`] : []),
    ...notes,
  ].join('\n');
}

export function explainViolation(violation: Violation): string {
  const place = violation.entity === undefined ? '' : ` on ${violation.entity}`;
  return [
    `${violation.invariant} (${TITLES[violation.invariant]})${place}: ${violation.words}`,
    ...violation.proof.map(({ position, event }) => `    #${position} ${JSON.stringify(event, shorten)}`),
  ].join('\n');
}

function shorten(_key: string, value: unknown): unknown {
  if (typeof value === 'string' && value.length > 80) return `${value.slice(0, 77)}…`;
  if (Array.isArray(value) && value.length > 5)
    return [...(value as unknown[]).slice(0, 5), `… ${value.length - 5} more`];
  return value;
}
