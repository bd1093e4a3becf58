/**
 * What the shard keeps beside the line: delayed messages, dead letters, verdicts, idempotency keys, the outbox, pauses,
 * what is blocked and the marks of producer sessions. Small writes inside a commit's transaction; which of them a transition
 * makes is decided in `transitions.ts`.
 */
import type { ErrorDescription } from '../../message/envelope.js';
import type { DeadLetter, DeadLetterReason, OutboxEntry, StoredMessage, Verdict } from '../transition.js';
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

const FORGET_MESSAGE_ID =
  'DELETE FROM message_ids WHERE entity_type = ? AND entity_id = ? AND message_id = ? AND id = ?';

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

  addDelayed(numbers: ShardNumbers, message: StoredMessage): void {
    const place = numbers.next_delayed;
    numbers.next_delayed += 1;
    const { recurrence = null } = message;
    this.statements.run(
      'INSERT INTO delayed(place, not_before, id, message, recurrence, entity_type, entity_id) VALUES (?, ?, ?, ?, ?, ?, ?)',
      place,
      message.notBefore,
      toText(message.id),
      JSON.stringify(message),
      recurrence,
      recurrence === null ? null : toText(message.entityType),
      recurrence === null ? null : toText(message.entityId),
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
      this.statements.run(FORGET_MESSAGE_ID, row.entity_type, row.entity_id, row.message_id, row.id);
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

  /** The message's idempotency key stands for nothing any more, unless it stands for another message. */
  forgetMessageId({ id, entityType, entityId, messageId }: StoredMessage): void {
    if (messageId === undefined) return;
    this.statements.run(FORGET_MESSAGE_ID, toText(entityType), toText(entityId), toText(messageId), toText(id));
  }

  /** The entry gets the next number of its target in this epoch. */
  addOutgoing(epoch: number, targetShard: number, append: OutboxEntry['append']): OutboxEntry {
    const row = this.statements.get<{ number: number }>(
      `INSERT INTO outbox_numbers(target_shard, epoch, number) VALUES (?, ?, 1)
        ON CONFLICT DO UPDATE SET number = iif(epoch = excluded.epoch, number + 1, 1), epoch = excluded.epoch
        RETURNING number`,
      targetShard,
      epoch,
    );
    const number = row?.number ?? 1;
    this.statements.run(
      'INSERT INTO outbox(target_shard, epoch, number, append) VALUES (?, ?, ?, ?)',
      targetShard,
      epoch,
      number,
      JSON.stringify(append),
    );
    return { number, epoch, targetShard, append };
  }

  hasOutgoing(targetShard: number): boolean {
    return this.statements.get('SELECT 1 FROM outbox WHERE target_shard = ? LIMIT 1', targetShard) !== undefined;
  }

  /** Removes the oldest entries of the outbox. Returns how many there were of them. */
  removeOutgoing(count: number): number {
    return this.statements.run(
      'DELETE FROM outbox WHERE place IN (SELECT place FROM outbox ORDER BY place LIMIT ?)',
      count,
    );
  }

  setBlocked(numbers: ShardNumbers, seq: number, blocked: boolean): void {
    this.statements.run(blocked ? 'INSERT INTO blocked VALUES (?)' : 'DELETE FROM blocked WHERE seq = ?', seq);
    numbers.blocked += blocked ? 1 : -1;
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
