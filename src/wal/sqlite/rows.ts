/** How a message in line is written as a row of `messages`, and read back. */
import type { AttemptRecord, PendingState, StoredMessage } from '../transition.js';
import type { MessageHead } from '../wal.js';
import { STATE_BLOCKED, STATE_DISPATCHED, STATE_ENQUEUED } from './schema.js';
import { fromText, toText } from './text.js';

/** What is usual is null, so that the usual row is small. */
export interface MessageRow {
  readonly seq: number;
  readonly state: number;
  readonly attempt: number;
  readonly flags: number;
  readonly not_before: number | null;
  readonly expires_at: number | null;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly name: string;
  readonly interruptions: number | null;
  readonly id: string;
  readonly kind: string | null;
  readonly enqueued_at: number;
  readonly message_id: string | null;
  readonly headers: string | null;
  readonly history: string | null;
  readonly replay_of: string | null;
  readonly payload: string;
  /** JSON text of `Reminder`: what a message in line keeps of having been a reminder. */
  readonly reminder: string | null;
}

type Reminder = Pick<StoredMessage, 'recurrence' | 'lastRunId'>;

export type HeadRow = Pick<
  MessageRow,
  'seq' | 'entity_type' | 'entity_id' | 'name' | 'state' | 'attempt' | 'interruptions' | 'not_before' | 'expires_at'
>;

/** What a completion with a state must know of its message. */
export type SettlingRow = Pick<MessageRow, 'seq' | 'state' | 'flags' | 'entity_type' | 'entity_id'>;

export const HEAD_COLUMNS = 'seq, state, attempt, not_before, expires_at, entity_type, entity_id, name, interruptions';

const STATES: Readonly<Record<number, PendingState>> = {
  [STATE_ENQUEUED]: 'enqueued',
  [STATE_DISPATCHED]: 'dispatched',
  [STATE_BLOCKED]: 'blocked',
};
const STATE_NUMBERS: Readonly<Record<PendingState, number>> = {
  enqueued: STATE_ENQUEUED,
  dispatched: STATE_DISPATCHED,
  blocked: STATE_BLOCKED,
};

export function stateOf(state: number): PendingState {
  const name = STATES[state];
  if (name === undefined) throw new Error(`The store has a message in the unknown state ${state}.`);
  return name;
}

export function messageOfRow(row: MessageRow): StoredMessage {
  return {
    id: fromText(row.id),
    kind: row.kind === 'query' ? 'query' : 'command',
    entityType: fromText(row.entity_type),
    entityId: fromText(row.entity_id),
    name: fromText(row.name),
    payload: row.payload,
    ...(row.headers !== null && { headers: JSON.parse(row.headers) as Record<string, string> }),
    ...(row.message_id !== null && { messageId: fromText(row.message_id) }),
    seq: row.seq,
    state: stateOf(row.state),
    attempt: row.attempt,
    interruptions: row.interruptions ?? 0,
    enqueuedAt: row.enqueued_at,
    notBefore: row.not_before ?? 0,
    expiresAt: row.expires_at ?? 0,
    history: row.history === null ? [] : (JSON.parse(row.history) as AttemptRecord[]),
    ...(row.replay_of !== null && { replayOf: fromText(row.replay_of) }),
    ...(row.reminder !== null && (JSON.parse(row.reminder) as Reminder)),
  };
}

export function rowOfMessage(message: StoredMessage, flags: number): MessageRow {
  const { headers, messageId, replayOf, history } = message;
  return {
    seq: message.seq,
    state: STATE_NUMBERS[message.state],
    attempt: message.attempt,
    flags,
    not_before: message.notBefore === 0 ? null : message.notBefore,
    expires_at: message.expiresAt === 0 ? null : message.expiresAt,
    entity_type: toText(message.entityType),
    entity_id: toText(message.entityId),
    name: toText(message.name),
    interruptions: message.interruptions === 0 ? null : message.interruptions,
    id: toText(message.id),
    kind: message.kind === 'command' ? null : message.kind,
    enqueued_at: message.enqueuedAt,
    message_id: messageId === undefined ? null : toText(messageId),
    headers: headers === undefined ? null : JSON.stringify(headers),
    history: history.length === 0 ? null : JSON.stringify(history),
    replay_of: replayOf === undefined ? null : toText(replayOf),
    payload: message.payload,
    reminder: reminderOf(message),
  };
}

function reminderOf({ recurrence, lastRunId }: Reminder): string | null {
  return recurrence === undefined && lastRunId === undefined ? null : JSON.stringify({ recurrence, lastRunId });
}

export function headOfRow(row: HeadRow): MessageHead {
  return {
    seq: row.seq,
    entityType: fromText(row.entity_type),
    entityId: fromText(row.entity_id),
    name: fromText(row.name),
    state: stateOf(row.state),
    attempt: row.attempt,
    interruptions: row.interruptions ?? 0,
    notBefore: row.not_before ?? 0,
    expiresAt: row.expires_at ?? 0,
  };
}
