/** Points in time as people type them: `2026-03-01T12:00:00Z`, or how long ago: `30m`, `2h`, `7d`. */
import { InvalidArgumentError } from 'commander';

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const RELATIVE = /^(\d{1,9})([smhdw])$/;
const ISO = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Wall milliseconds since the epoch. A date alone is midnight UTC; a date with a time and no zone is local time.
 * @throws InvalidArgumentError for anything else.
 */
export function parseTime(text: string, now: number): number {
  const trimmed = text.trim();
  const relative = RELATIVE.exec(trimmed);
  if (relative !== null) return now - Number(relative[1]) * (UNIT_MS[relative[2] as string] as number);
  const time = ISO.test(trimmed) ? Date.parse(trimmed.replace(' ', 'T')) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new InvalidArgumentError(
    'Use an ISO time such as 2026-03-01T12:00:00Z, or how long ago: 30s, 30m, 2h, 7d, 2w.',
  );
}

/** `30s`, `2m`, or plain milliseconds: how long to wait. */
export function parseDuration(text: string): number {
  const relative = RELATIVE.exec(text.trim());
  const durationMs =
    relative === null ? Number(text) : Number(relative[1]) * (UNIT_MS[relative[2] as string] as number);
  if (Number.isSafeInteger(durationMs) && durationMs > 0) return durationMs;
  throw new InvalidArgumentError('Use a duration such as 30s or 2m, or whole milliseconds.');
}

/** A whole number within bounds. */
export function parseCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Use a whole number from ${min} to ${max}.`);
  };
}
