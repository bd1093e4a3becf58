/**
 * A message as other languages write it into an inbox: the fields of `docs/protocol.md` and no others. It is held to what
 * the library's own door allows, and to its place: in the wrong shard it would run beside its entity's other messages.
 */
import { entityKey } from '../../message/entity-key.js';
import type { Envelope } from '../../message/envelope.js';
import { sliceOf } from '../../message/shard-of.js';
import { entityTypeFault, isPoisonedKey, wireNameFault } from '../../runtime/name-rule.js';
import { copyOffer } from '../offered-transition.js';
import { IllegalTransitionError, type Offer } from '../wal.js';

type Fields = Readonly<Record<string, unknown>>;

const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  ...['entityType', 'entityId', 'name', 'payload'],
  ...['id', 'kind', 'messageId', 'replyTo', 'headers', 'delayMs', 'runAt', 'expiresInMs'],
]);
const ENTITY_ID_LENGTH_MAX = 512;
const ID_LENGTH_MAX = 512;
const MESSAGE_ID_LENGTH_MAX = 256;
const HEADERS_LENGTH_MAX = 65_536;
/** A hundred years, milliseconds. */
const DELAY_MS_MAX = 3_155_760_000_000;
/** The last wall time that a Date can hold. */
const WALL_TIME_MAX = 8_640_000_000_000_000;

export interface Place {
  readonly shard: number;
  readonly slices: number;
  readonly newId: () => string;
}

/** The message as an offer without a session. @throws IllegalTransitionError, saying which field is wrong. */
export function plainOffer(value: unknown, place: Place): Offer {
  if (!isObject(value)) throw refused('it is no JSON object');
  for (const field of Object.keys(value)) {
    if (!KNOWN_FIELDS.has(field)) throw refused(`it has the unknown field ${JSON.stringify(field.slice(0, 100))}`);
  }
  const { id, kind = 'command', payload, headers, messageId, replyTo } = value;
  checkNames(value, place);
  if (id !== undefined) checkText('id', id, ID_LENGTH_MAX);
  if (kind !== 'command' && kind !== 'query') throw refused('kind must be "command" or "query"');
  if (messageId !== undefined) checkText('messageId', messageId, MESSAGE_ID_LENGTH_MAX);
  if (replyTo !== undefined) checkText('replyTo', replyTo, ID_LENGTH_MAX);
  if (headers !== undefined) checkHeaders(headers);
  const message: Envelope = {
    ...(value as unknown as Envelope),
    id: (id ?? place.newId()) as string,
    kind,
    payload: payloadText(payload),
  };
  const transition = { type: 'append', message, ...timesOf(value) } as const;
  // A message of its own has no session: nothing but its ids tell whether it is there already.
  return { ...copyOffer({ session: '-', number: 0, transition }), session: '' };
}

function checkNames({ entityType, entityId, name }: Fields, { shard, slices }: Place): void {
  for (const [field, found] of Object.entries({ entityType, entityId, name }))
    if (found === undefined) throw refused(`it has no ${field}`);
  const fault = entityTypeFault(entityType);
  if (fault !== undefined) throw refused(`entityType must be ${fault}`);
  checkText('entityId', entityId, ENTITY_ID_LENGTH_MAX);
  const nameFault = wireNameFault(name);
  if (nameFault !== undefined) throw refused(`name must be ${nameFault}`);
  const slice = sliceOf(entityKey(entityType as string, entityId as string), slices);
  if (slice === shard % slices) return;
  throw refused(`its entity is in slice ${slice}, and this is shard ${shard}, slice ${shard % slices} of ${slices}`);
}

function checkText(field: string, value: unknown, lengthMax: number): void {
  if (typeof value === 'string' && value.length > 0 && value.length <= lengthMax) return;
  throw refused(`${field} must be a string of 1 to ${lengthMax} characters`);
}

function checkHeaders(headers: unknown): void {
  if (!isObject(headers)) throw refused('headers must be an object of strings');
  let length = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string' || isPoisonedKey(name)) throw refused('headers must be an object of strings');
    length += name.length + value.length;
  }
  if (length > HEADERS_LENGTH_MAX) throw refused(`headers may have ${HEADERS_LENGTH_MAX} characters in all`);
}

function timesOf({ delayMs, runAt, expiresInMs }: Fields): { delayMs?: number; runAt?: number; expiresInMs?: number } {
  const times: { delayMs?: number; runAt?: number; expiresInMs?: number } = {};
  if (delayMs !== undefined) times.delayMs = whole('delayMs', delayMs, DELAY_MS_MAX);
  if (expiresInMs !== undefined) times.expiresInMs = whole('expiresInMs', expiresInMs, DELAY_MS_MAX);
  if (runAt !== undefined) times.runAt = whole('runAt', runAt, WALL_TIME_MAX);
  if (times.delayMs !== undefined && times.runAt !== undefined)
    throw refused('delayMs and runAt contradict each other: give one of them');
  return times;
}

function whole(field: string, value: unknown, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw refused(`${field} must be a whole number of milliseconds from 0 to ${max}`);
}

/** A payload that is text already must be JSON; any other is written as JSON. */
function payloadText(payload: unknown): string {
  if (payload === undefined) throw refused('it has no payload');
  if (typeof payload !== 'string') return JSON.stringify(payload);
  try {
    JSON.parse(payload);
  } catch {
    throw refused('payload is a string that is not JSON text');
  }
  return payload;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(why: string): IllegalTransitionError {
  return new IllegalTransitionError(`Unusable message: ${why}.`);
}
