/**
 * What a caller says about which letters, checked before anything is read or removed: a condition that is misspelt or
 * empty by accident would take in every letter.
 */
import { AtomicQueuesError } from '../runtime/error.js';
import { nearestName } from '../runtime/nearest-name.js';
import type { DeadLetterReason } from '../wal/transition.js';
import type { DeadLetterFilter, ListOptions } from './dead-letters.js';

const REASONS: readonly DeadLetterReason[] = ['failed', 'interrupted', 'expired'];
const CONDITIONS: readonly (keyof DeadLetterFilter)[] = ['entityType', 'entityId', 'name', 'reason', 'since', 'until'];
const PAGING: readonly (keyof ListOptions)[] = ['limit', 'cursor'];
/** The last wall time that a Date can hold. */
const WALL_TIME_MAX = 8_640_000_000_000_000;

export interface FilterRules {
  /** Also `limit` and `cursor`, which may be undefined. */
  readonly paging?: boolean;
  /** Whether a condition may be spelt out as undefined. */
  readonly undefinedIsAbsent: boolean;
}

/** @throws AtomicQueuesError `INVALID_PAYLOAD`, naming the key and what is expected. */
export function checkFilter(filter: unknown, { paging = false, undefinedIsAbsent }: FilterRules): void {
  const prototype: unknown = typeof filter === 'object' && filter !== null ? Object.getPrototypeOf(filter) : undefined;
  if (prototype !== Object.prototype && prototype !== null) {
    throw invalid(
      `A filter is a plain object with any of ${CONDITIONS.join(', ')}; {} takes in every letter. Got ${describe(filter)}.`,
    );
  }
  const known: readonly string[] = paging ? [...CONDITIONS, ...PAGING] : CONDITIONS;
  for (const [key, value] of Object.entries(filter as object)) {
    if (!known.includes(key)) {
      const near = nearestName(key, known);
      const hint = near === undefined ? '' : ` Did you mean "${near}"?`;
      throw invalid(`A filter of dead letters has no "${key}".${hint} Known: ${known.join(', ')}.`);
    }
    if (value !== undefined) checkCondition(key, value);
    else if (!undefinedIsAbsent && !(PAGING as readonly string[]).includes(key)) {
      throw invalid(`"${key}" is undefined, which would take in more letters than asked for. Leave the key out.`);
    }
  }
}

/** @throws AtomicQueuesError `INVALID_PAYLOAD` for what is no id. */
export function checkLetterId(id: unknown): void {
  if (typeof id === 'string' && id.length > 0) return;
  throw invalid(`The id of a dead letter is a string; got ${describe(id)}.`);
}

function checkCondition(key: string, value: unknown): void {
  switch (key) {
    case 'reason':
      if ((REASONS as readonly unknown[]).includes(value)) return;
      throw invalid(`"reason" must be ${REASONS.join(', ')}; got ${describe(value)}.`);
    case 'since':
    case 'until':
      if ((typeof value === 'number' || value instanceof Date) && Math.abs(Number(value)) <= WALL_TIME_MAX) return;
      throw invalid(`"${key}" must be a Date or milliseconds since the epoch; got ${describe(value)}.`);
    case 'limit':
    case 'cursor':
      if (Number.isSafeInteger(value)) return;
      throw invalid(`"${key}" must be a whole number; got ${describe(value)}.`);
    default:
      if (typeof value === 'string') return;
      throw invalid(`"${key}" must be a string; got ${describe(value)}.`);
  }
}

function invalid(message: string): AtomicQueuesError {
  return new AtomicQueuesError('INVALID_PAYLOAD', message);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return value.length > 64 ? `a string of ${value.length} characters` : `"${value}"`;
  if (value instanceof Date) return 'a Date that is none';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
