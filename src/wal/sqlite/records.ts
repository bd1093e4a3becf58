/**
 * What the shard keeps beside the line: delayed messages, dead letters, verdicts, idempotency keys, actor state, outbox,
 * pauses and the marks of producer sessions. Small writes inside a commit's transaction; which of them a transition
 * makes is decided in `transitions.ts`.
 */
import type { Envelope, ErrorDescription } from '../../message/envelope.js';
import type { DeadLetter, DeadLetterReason, StoredMessage, Verdict } from '../transition.js';
import type { Ids } from './ids.js';
import type { ShardNumbers } from './shard-row.js';
import type { Statements } from './statements.js';
import { fromText, toText } from './text.js';

export interface LetterRow {
  readonly number: number;
  readonly id: string;
  readonly reason: string;
  readonly died_at: number;
  readonly error: string | null;
  readonly message: string;
}

export const LETTER_COLUMNS = 'number, id, reason, died_at, error, message';

export function letterOfRow(row: LetterRow): DeadLetter {
  return {
    id: fromText(row.id),
    number: row.number,
    reason: row.reason as DeadLetterReason,
    ...(row.error !== null && { error: JSON.parse(row.error) as ErrorDescription }),
    diedAt: row.died_at,
    message: JSON.parse(row.message) as StoredMessage,
  };
}

export interface VerdictRow {
  readonly number: number;
  readonly expires_at: number;
  readonly id: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly message_id: string | null;
  readonly verdict: string;
}

export class Records {
  constructor(
    private readonly statements: Statements,
    private readonly ids: Ids,
  ) {}

  addDelayed(message: StoredMessage): void {
    const row = this.statements.get<{ place: number }>('SELECT coalesce(max(place), 0) + 1 AS place FROM delayed');
    const place = row?.place ?? 1;
    this.statements.run(
      'INSERT INTO delayed VALUES (?, ?, ?, ?)',
      place,
      message.notBefore,
      toText(message.id),
      JSON.stringify(message),
    );
    this.ids.set(message.id, 'delayed', place);
  }

  delayed(place: number): StoredMessage | undefined {
    const row = this.statements.get<{ message: string }>('SELECT message FROM delayed WHERE place = ?', place);
    return row === undefined ? undefined : (JSON.parse(row.message) as StoredMessage);
  }

  removeDelayed(id: string, place: number): void {
    this.statements.run('DELETE FROM delayed WHERE place = ?', place);
    this.ids.clear(id, 'delayed');
  }

  addLetter(
    numbers: ShardNumbers,
    message: StoredMessage,
    reason: DeadLetterReason,
    error: ErrorDescription | undefined,
    now: number,
  ): void {
    const number = numbers.next_letter;
    numbers.next_letter += 1;
    numbers.dead_letters += 1;
    this.statements.run(
      'INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      number,
      toText(message.id),
      toText(message.entityType),
      toText(message.entityId),
      toText(message.name),
      reason,
      now,
      error === undefined ? null : JSON.stringify(error),
      JSON.stringify(message),
    );
    this.ids.set(message.id, 'letter', number);
  }

  letter(number: number): DeadLetter | undefined {
    const row = this.statements.get<LetterRow>(`SELECT ${LETTER_COLUMNS} FROM dead_letters WHERE number = ?`, number);
    return row === undefined ? undefined : letterOfRow(row);
  }

  removeLetter(numbers: ShardNumbers, letter: DeadLetter): void {
    this.statements.run('DELETE FROM dead_letters WHERE number = ?', letter.number);
    this.ids.clear(letter.id, 'letter');
    numbers.dead_letters -= 1;
  }

  keepVerdict(numbers: ShardNumbers, message: StoredMessage, verdict: Verdict, expiresAt: number): void {
    const row = this.statements.get<{ number: number }>('SELECT coalesce(max(number), 0) + 1 AS number FROM verdicts');
    const number = row?.number ?? 1;
    this.statements.run(
      'INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?)',
      number,
      expiresAt,
      toText(message.id),
      toText(message.entityType),
      toText(message.entityId),
      message.messageId === undefined ? null : toText(message.messageId),
      JSON.stringify(verdict),
    );
    this.ids.set(message.id, 'verdict', number);
    numbers.verdicts += 1;
  }

  verdict(number: number): VerdictRow | undefined {
    return this.statements.get<VerdictRow>('SELECT * FROM verdicts WHERE number = ?', number);
  }

  /** Verdicts with the earliest time first, then in the order of keeping. */
  oldestVerdicts(limit: number, until: number): VerdictRow[] {
    return this.statements.all<VerdictRow>(
      'SELECT * FROM verdicts WHERE expires_at <= ? ORDER BY expires_at, number LIMIT ?',
      until,
      limit,
    );
  }

  forgetVerdict(numbers: ShardNumbers, row: VerdictRow): void {
    this.statements.run('DELETE FROM verdicts WHERE number = ?', row.number);
    this.ids.clear(fromText(row.id), 'verdict');
    if (row.message_id !== null) {
      this.statements.run(
        'DELETE FROM message_ids WHERE entity_type = ? AND entity_id = ? AND message_id = ? AND id = ?',
        row.entity_type,
        row.entity_id,
        row.message_id,
        row.id,
      );
    }
    numbers.verdicts -= 1;
  }

  /** The id of the message that an idempotency key stands for. */
  idOfMessageId(entityType: string, entityId: string, messageId: string): string | undefined {
    const sql = 'SELECT id FROM message_ids WHERE entity_type = ? AND entity_id = ? AND message_id = ?';
    const id = this.statements.get<{ id: string }>(sql, toText(entityType), toText(entityId), toText(messageId))?.id;
    return id === undefined ? undefined : fromText(id);
  }

  /** All four as SQLite text. */
  setMessageId(entityType: string, entityId: string, messageId: string, id: string): void {
    this.statements.run('INSERT OR REPLACE INTO message_ids VALUES (?, ?, ?, ?)', entityType, entityId, messageId, id);
  }

  setActorState(entityType: string, entityId: string, state: string | null): void {
    if (state === null) {
      this.statements.run(
        'DELETE FROM actor_state WHERE entity_type = ? AND entity_id = ?',
        toText(entityType),
        toText(entityId),
      );
    } else {
      this.statements.run(
        'INSERT OR REPLACE INTO actor_state VALUES (?, ?, ?)',
        toText(entityType),
        toText(entityId),
        state,
      );
    }
  }

  addOutgoing(targetShard: number, message: Envelope): void {
    this.statements.run(
      'INSERT INTO outbox_numbers VALUES (?, 1) ON CONFLICT DO UPDATE SET number = number + 1',
      targetShard,
    );
    this.statements.run(
      'INSERT INTO outbox(target_shard, number, message) SELECT target_shard, number, ? FROM outbox_numbers WHERE target_shard = ?',
      JSON.stringify(message),
      targetShard,
    );
  }

  setPaused(entityType: string, entityId: string | undefined, paused: boolean): void {
    const type = toText(entityType);
    const id = entityId === undefined ? null : toText(entityId);
    this.statements.run('DELETE FROM paused WHERE entity_type = ? AND entity_id IS ?', type, id);
    if (paused) this.statements.run('INSERT INTO paused VALUES (?, ?)', type, id);
  }

  sessionMark(session: string): number {
    return (
      this.statements.get<{ mark: number }>('SELECT mark FROM sessions WHERE session = ?', toText(session))?.mark ?? 0
    );
  }

  setSessionMark(session: string, mark: number): void {
    this.statements.run('INSERT OR REPLACE INTO sessions VALUES (?, ?)', toText(session), mark);
  }
}
