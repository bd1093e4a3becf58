/**
 * When a reminder is due: the schedule as it stands in the store, and the times that follow from it. Pure; the clock is an
 * argument. Cron patterns are croner's, with its answers to clocks that are put forward or back.
 *
 * The text in the store is JSON with a version, and nobody but the owner of the shard reads it.
 */
import { Cron } from 'croner';

export interface Recurrence {
  readonly v: 1;
  /** The reminder's name: one of its entity. */
  readonly name: string;
  /** One of the two; none in a reminder that was forgotten. */
  readonly cron?: string | undefined;
  readonly everyMs?: number | undefined;
  /** Of `cron`: an IANA name. Default UTC. */
  readonly timezone?: string | undefined;
  /** Wall time of the first run; with `everyMs` all others are counted from it. */
  readonly startAt: number;
  /** Wall time after which it is not due any more. */
  readonly endAt?: number | undefined;
  /** Runs that fell into a time without an owner: at most one of them is made up for, or `all`. */
  readonly missed: 'skip' | 'all';
  /** Whether it runs although the run before has not ended. */
  readonly overlap: boolean;
}

/** What the owner of a shard does with a reminder that is due. */
export type ReminderPlan =
  /** A copy takes its place in line, and the reminder waits until `notBefore`. */
  | { readonly type: 'run'; readonly notBefore: number; readonly overlap: boolean }
  /** It has no time left, or was forgotten: it goes. */
  | { readonly type: 'over' }
  /** Its schedule cannot be read here. */
  | { readonly type: 'unreadable' };

/** Cron patterns that are ready to be asked; most reminders of an application share few. */
const PATTERNS_MAX = 500;
const patterns = new Map<string, Cron>();

/**
 * The first time after `after` at which it is due; undefined when there is none.
 * @throws what croner throws for a pattern or a time zone that it does not know.
 */
export function nextTime(recurrence: Recurrence, after: number): number | undefined {
  const { cron, everyMs, startAt, endAt } = recurrence;
  const from = Math.max(after, startAt - 1);
  let next: number | undefined;
  if (everyMs !== undefined) next = startAt + (Math.floor((from - startAt) / everyMs) + 1) * everyMs;
  else if (cron !== undefined) next = patternOf(cron, recurrence.timezone).nextRun(new Date(from))?.getTime();
  return next === undefined || (endAt !== undefined && next > endAt) ? undefined : next;
}

/** @param notBefore the time that it is due for. */
export function planReminder(text: string, notBefore: number, now: number): ReminderPlan {
  const recurrence = readRecurrence(text);
  if (recurrence === undefined) return { type: 'unreadable' };
  try {
    const { missed, overlap } = recurrence;
    const from = missed === 'all' ? notBefore : Math.max(notBefore, now);
    const next = nextTime(recurrence, from);
    if (next !== undefined) return { type: 'run', notBefore: next, overlap };
    // The last run. A time at which nothing is due shows, when it has come, that all is over.
    if (nextTime(recurrence, notBefore - 1) === undefined) return { type: 'over' };
    return { type: 'run', notBefore: from + 1, overlap };
  } catch {
    return { type: 'unreadable' };
  }
}

/** Undefined when it is no schedule of this version. */
export function readRecurrence(text: string): Recurrence | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { v, name, cron, everyMs, timezone, startAt, endAt, missed, overlap } = value as Partial<
    Record<keyof Recurrence, unknown>
  >;
  const isReadable =
    v === 1 &&
    typeof name === 'string' &&
    (cron === undefined || typeof cron === 'string') &&
    (everyMs === undefined || (isTime(everyMs) && everyMs > 0)) &&
    (timezone === undefined || typeof timezone === 'string') &&
    isTime(startAt) &&
    (endAt === undefined || isTime(endAt)) &&
    (missed === 'skip' || missed === 'all') &&
    typeof overlap === 'boolean';
  return isReadable ? (value as Recurrence) : undefined;
}

/** A schedule that is never due: it takes the place of one that is forgotten together with a completion. */
export function forgottenRecurrence(name: string, now: number): Recurrence {
  return { v: 1, name, startAt: now, missed: 'skip', overlap: false };
}

export function isForgotten({ cron, everyMs }: Recurrence): boolean {
  return cron === undefined && everyMs === undefined;
}

function patternOf(cron: string, timezone = 'UTC'): Cron {
  const key = `${timezone}\n${cron}`;
  let pattern = patterns.get(key);
  if (pattern === undefined) {
    // Without a function it starts no timer.
    pattern = new Cron(cron, { timezone });
    if (patterns.size >= PATTERNS_MAX) patterns.clear();
    patterns.set(key, pattern);
  }
  return pattern;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}
