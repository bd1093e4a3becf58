/** What a caller may ask of a reminder, checked where it is called, and the schedule that becomes of it. */
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import { nearestName } from '../runtime/nearest-name.js';
import { nextTime, type Recurrence } from './recurrence.js';
import type { EnqueueOptions } from './submission.js';

/** When a reminder is due: `cron` or `everyMs`, and the bounds of it. */
export interface ReminderSchedule {
  /**
   * Five fields (minute, hour, day of the month, month, day of the week), six with seconds before them, or seven with years
   * behind them; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
   */
  readonly cron?: string | undefined;
  /** Milliseconds from one run to the next, at least 100. Counted from `startAt`. */
  readonly everyMs?: number | undefined;
  /** IANA name of the time zone of `cron`, e.g. `Europe/Berlin`. Default UTC. */
  readonly timezone?: string | undefined;
  /**
   * Not due before (a Date, or milliseconds since the epoch). With `everyMs` the time of the first run, also one that has
   * passed, which gives the rhythm. Default: now, and with `everyMs` that much later.
   */
  readonly startAt?: number | Date | undefined;
  /** Not due after. Default: never ends. */
  readonly endAt?: number | Date | undefined;
  /** How often it is due at most, counted in times, whether they were missed or not: 1 to 10,000. */
  readonly times?: number | undefined;
  /**
   * What becomes of times at which nobody was there to run it. `skip`: one run makes up for all of them. `all`: each has
   * its run. Default `skip`.
   */
  readonly missed?: 'skip' | 'all' | undefined;
  /** Whether it runs although its run before has not ended; otherwise that time is left out. Default false, with `all` true. */
  readonly overlap?: boolean | undefined;
  /** As in `EnqueueOptions`, for each run. */
  readonly headers?: EnqueueOptions['headers'];
}

const OPTION_NAMES: readonly (keyof ReminderSchedule)[] = [
  'cron',
  'everyMs',
  'timezone',
  'startAt',
  'endAt',
  'times',
  'missed',
  'overlap',
  'headers',
];
export const EVERY_MS_MIN = 100;
const EVERY_MS_MAX = 3_155_760_000_000;
const TIMES_MAX = 10_000;
const WALL_TIME_MAX = 8_640_000_000_000_000;
const NAME_LENGTH_MAX = 256;
const CRON_LENGTH_MAX = 256;

/** @throws AtomicQueuesError `INVALID_PAYLOAD` unless it may be the name of a reminder. */
export function checkReminderName(name: unknown, subject: ErrorSubject): string {
  if (typeof name === 'string' && name.length > 0 && name.length <= NAME_LENGTH_MAX) return name;
  throw invalid(`The name of a reminder must be a string of 1 to ${NAME_LENGTH_MAX} characters`, name, subject);
}

/**
 * The schedule as it is stored, and the first time that it is due.
 * @throws AtomicQueuesError `INVALID_PAYLOAD`, naming the option and what is expected.
 */
export function recurrenceOf(
  name: string,
  schedule: ReminderSchedule,
  now: number,
  subject: ErrorSubject,
): { readonly recurrence: Recurrence; readonly firstAt: number } {
  if (typeof schedule !== 'object' || schedule === null)
    throw invalid('The schedule of a reminder must be an object with cron or everyMs', schedule, subject);
  for (const option in schedule) {
    if ((OPTION_NAMES as readonly string[]).includes(option)) continue;
    const near = nearestName(option, OPTION_NAMES);
    const hint = near === undefined ? '' : ` Did you mean "${near}"?`;
    throw refused(`A reminder has no option "${option}".${hint} Known: ${OPTION_NAMES.join(', ')}.`, subject);
  }
  const { cron, everyMs, timezone, times, missed = 'skip', overlap = missed === 'all' } = schedule;
  if ((cron === undefined) === (everyMs === undefined))
    throw refused('A reminder needs either cron or everyMs, and not both.', subject);
  if (missed !== 'skip' && missed !== 'all') throw invalid("missed must be 'skip' or 'all'", missed, subject);
  if (typeof overlap !== 'boolean') throw invalid('overlap must be true or false', overlap, subject);
  if (missed === 'all' && !overlap)
    throw refused(
      "missed: 'all' and overlap: false contradict each other: runs that are made up for stand in line.",
      subject,
    );
  if (everyMs !== undefined && !(Number.isFinite(everyMs) && everyMs >= EVERY_MS_MIN && everyMs <= EVERY_MS_MAX))
    throw invalid(`everyMs must be a number of milliseconds from ${EVERY_MS_MIN} to ${EVERY_MS_MAX}`, everyMs, subject);
  if (everyMs !== undefined && timezone !== undefined)
    throw refused('timezone is for cron: an interval has the same length everywhere.', subject);
  if (times !== undefined && !(Number.isInteger(times) && times >= 1 && times <= TIMES_MAX))
    throw invalid(`times must be a whole number from 1 to ${TIMES_MAX}`, times, subject);
  const interval = everyMs === undefined ? undefined : Math.ceil(everyMs);
  const startAt = timeOf('startAt', schedule.startAt, subject) ?? now + (interval ?? 0);
  const endAt = timeOf('endAt', schedule.endAt, subject);
  const recurrence: Recurrence = {
    v: 1,
    name,
    ...(cron !== undefined && { cron: checkedCron(cron, subject) }),
    ...(interval !== undefined && { everyMs: interval }),
    ...(timezone !== undefined && { timezone: checkedTimezone(timezone, subject) }),
    startAt,
    ...(endAt !== undefined && { endAt }),
    missed,
    overlap,
  };
  const firstAt = firstTime(recurrence, now, subject);
  if (times === undefined) return { recurrence, firstAt };
  return { recurrence: { ...recurrence, endAt: lastOf(recurrence, firstAt, times) }, firstAt };
}

function firstTime(recurrence: Recurrence, now: number, subject: ErrorSubject): number {
  const { cron, endAt } = recurrence;
  let first: number | undefined;
  try {
    first = nextTime(recurrence, now);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw refused(`cron "${cron ?? ''}" is not a pattern that can be read: ${why}`, subject, error);
  }
  if (first !== undefined) return first;
  const what = cron === undefined ? 'The interval' : `cron "${cron}"`;
  const until = endAt === undefined ? '' : ` between now and endAt (${new Date(endAt).toISOString()})`;
  throw refused(`${what} is never due${until}.`, subject);
}

/** The time at which it is due for the `times`-th time, or the last one before its end. */
function lastOf(recurrence: Recurrence, firstAt: number, times: number): number {
  const { everyMs } = recurrence;
  if (everyMs !== undefined) {
    const last = firstAt + (times - 1) * everyMs;
    return Math.min(last, recurrence.endAt ?? last);
  }
  let last = firstAt;
  for (let count = 1; count < times; count += 1) {
    const next = nextTime(recurrence, last);
    if (next === undefined) break;
    last = next;
  }
  return last;
}

function checkedCron(cron: unknown, subject: ErrorSubject): string {
  if (typeof cron !== 'string' || cron.length > CRON_LENGTH_MAX)
    throw invalid(`cron must be a string of at most ${CRON_LENGTH_MAX} characters`, cron, subject);
  const pattern = cron.trim();
  const fields = pattern.split(/\s+/).length;
  // The parser would also read a date as a pattern that is due once.
  if (!pattern.startsWith('@') && (fields < 5 || fields > 7))
    throw refused(`cron "${cron}" must have five, six or seven fields, or be one like "@daily".`, subject);
  return pattern;
}

function checkedTimezone(timezone: unknown, subject: ErrorSubject): string {
  if (typeof timezone !== 'string') throw invalid('timezone must be a string', timezone, subject);
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    return timezone;
  } catch (error) {
    throw refused(`There is no time zone "${timezone}"; give an IANA name like "Europe/Berlin".`, subject, error);
  }
}

function timeOf(name: string, value: number | Date | undefined, subject: ErrorSubject): number | undefined {
  if (value === undefined) return undefined;
  const time = typeof value === 'number' || value instanceof Date ? Math.ceil(Number(value)) : Number.NaN;
  if (Math.abs(time) <= WALL_TIME_MAX) return time;
  throw invalid(`${name} must be a Date or milliseconds since the epoch`, value, subject);
}

function invalid(what: string, value: unknown, subject: ErrorSubject): AtomicQueuesError {
  return refused(`${what}; got ${shown(value)}.`, subject);
}

/** In short: it may hold a secret. */
function shown(value: unknown): string {
  if (typeof value === 'string') return `a string of ${value.length} characters`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
}

function refused(text: string, subject: ErrorSubject, cause?: unknown): AtomicQueuesError {
  return new AtomicQueuesError('INVALID_PAYLOAD', text, { subject, ...(cause !== undefined && { cause }) });
}
