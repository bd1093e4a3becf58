/** What a caller wrote beside a message, checked at the door: nothing unknown, nothing contradictory, nothing enormous. */
import { AtomicQueuesError } from '../message/errors.js';
import { isPoisonedKey } from '../runtime/name-rule.js';
import { nearestName } from '../runtime/nearest-name.js';
import type { WaitOptions } from './submission.js';

const MESSAGE_ID_LENGTH_MAX = 256;
/** Longest delay and deadline: a hundred years, milliseconds. */
const DELAY_MS_MAX = 3_155_760_000_000;
/** The last wall time that a Date can hold. */
const WALL_TIME_MAX = 8_640_000_000_000_000;
/** Characters of all header names and values of a message. */
const HEADERS_LENGTH_MAX = 65_536;

interface Subject {
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
}

const OPTION_NAMES: readonly (keyof WaitOptions)[] = [
  'messageId',
  'expiresInMs',
  'delayMs',
  'runAt',
  'headers',
  'timeoutMs',
  'cancelOnTimeout',
];
/** What only the store can do; a volatile query is not in it. */
const STORED_ONLY: readonly (keyof WaitOptions)[] = ['messageId', 'expiresInMs', 'delayMs', 'runAt'];

/** @throws AtomicQueuesError `INVALID_PAYLOAD`, naming the option and what is expected. */
export function checkOptions(options: WaitOptions, subject: Subject, isVolatile: boolean): void {
  for (const name in options) {
    if ((OPTION_NAMES as readonly string[]).includes(name)) continue;
    const near = nearestName(name, OPTION_NAMES);
    throw new AtomicQueuesError(
      'INVALID_PAYLOAD',
      `There is no option "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`} Known: ${OPTION_NAMES.join(', ')}.`,
      { subject },
    );
  }
  const stored = isVolatile ? STORED_ONLY.find((name) => options[name] !== undefined) : undefined;
  if (stored !== undefined) {
    throw new AtomicQueuesError(
      'INVALID_PAYLOAD',
      `"${subject.name}" is a query that is not stored, and "${stored}" needs the store. Leave it out, or set queries: 'durable' for entity type "${subject.entityType}".`,
      { subject },
    );
  }
  const { messageId, delayMs, runAt, expiresInMs, headers, timeoutMs } = options;
  if (
    messageId !== undefined &&
    (typeof messageId !== 'string' || messageId.length === 0 || messageId.length > MESSAGE_ID_LENGTH_MAX)
  ) {
    throw invalid(`messageId must be a string of 1 to ${MESSAGE_ID_LENGTH_MAX} characters`, messageId, subject);
  }
  checkDuration('delayMs', delayMs, subject);
  checkDuration('expiresInMs', expiresInMs, subject);
  checkDuration('timeoutMs', timeoutMs, subject);
  if (runAt !== undefined && !(isTime(runAt) && Math.abs(Number(runAt)) <= WALL_TIME_MAX))
    throw invalid('runAt must be a Date or milliseconds since the epoch', runAt, subject);
  if (delayMs !== undefined && runAt !== undefined)
    throw invalid('delayMs and runAt contradict each other: give one of them', { delayMs, runAt }, subject);
  if (headers !== undefined) checkHeaders(headers, subject);
}

function checkDuration(name: string, value: number | undefined, subject: Subject): void {
  if (value === undefined || (Number.isFinite(value) && value >= 0 && value <= DELAY_MS_MAX)) return;
  throw invalid(`${name} must be a number of milliseconds from 0 to ${DELAY_MS_MAX}`, value, subject);
}

function checkHeaders(headers: unknown, subject: Subject): void {
  const prototype: unknown = typeof headers === 'object' && headers !== null ? Object.getPrototypeOf(headers) : headers;
  if (prototype !== Object.prototype && prototype !== null)
    throw invalid('headers must be a plain object of strings', headers, subject);
  let length = 0;
  for (const [name, value] of Object.entries(headers as object)) {
    if (typeof value !== 'string' || isPoisonedKey(name))
      throw invalid(`headers must be a plain object of strings; look at "${name}"`, value, subject);
    length += name.length + value.length;
  }
  if (length > HEADERS_LENGTH_MAX)
    throw invalid(`headers may have ${HEADERS_LENGTH_MAX} characters in all`, length, subject);
}

function invalid(what: string, value: unknown, subject: Subject): AtomicQueuesError {
  return new AtomicQueuesError('INVALID_PAYLOAD', `${what}; got ${describe(value)}.`, { subject });
}

/** The store counts in whole milliseconds; nothing may happen earlier than asked for. */
export function wholeMs(value: number | Date | undefined): number | undefined {
  return value === undefined ? undefined : Math.ceil(Number(value));
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' || value instanceof Date;
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `a string of ${value.length} characters`;
  if (value instanceof Date)
    return Number.isNaN(value.getTime()) ? 'an invalid Date' : `the Date ${value.toISOString()}`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
