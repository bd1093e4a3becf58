/** Everything that can be read from the store, by its owner or by another process. Never writes, never waits for a lock. */

import type { AttemptRecord, DeadLetter, OutboxEntry, ShardCounts, StoredMessage, Verdict } from '../transition.js';
import type {
  BlockedMessage,
  DeadLetterFilterQuery,
  DeadLetterQuery,
  DeadLetterRef,
  DueMessages,
  EntityRef,
  MessageHead,
  PausedLine,
  Reminder,
  ReminderQuery,
  StatusRecord,
} from '../wal.js';
import type { SqliteDatabase, SqliteValue } from './driver.js';
import { type IdPlaces, splitId } from './ids.js';
import { countLetters, findLetterIds, findLetters } from './letter-search.js';
import { headPage, messagePage } from './pages.js';
import { LETTER_COLUMNS, type LetterRow, letterOfRow, type VerdictRow } from './records.js';
import { HEAD_COLUMNS, type HeadRow, headOfRow, type MessageRow, messageOfRow, stateOf } from './rows.js';
import { countsOf, readNumbers, readPaused } from './shard-row.js';
import { Statements } from './statements.js';
import { fromText, toText } from './text.js';

const BLOCKED_COLUMNS = `${HEAD_COLUMNS}, id, history`.replace('seq', 'm.seq');

export class StoreReads {
  readonly #statements: Statements;

  constructor(db: SqliteDatabase) {
    this.#statements = new Statements(db);
  }

  scan(afterSeq: number, limit: number): MessageHead[] {
    return headPage(this.#statements, afterSeq, limit).map(headOfRow);
  }

  load(seqs: readonly number[]): StoredMessage[] {
    if (seqs.length === 1) {
      const row = this.#statements.get<MessageRow>(
        'SELECT * FROM messages WHERE seq = ? AND seq > 0',
        seqs[0] as number,
      );
      return row === undefined ? [] : [messageOfRow(row)];
    }
    return messagePage(this.#statements, seqs).map(messageOfRow);
  }

  due(now: number, limit: number): DueMessages {
    const asked = Math.max(0, limit);
    const rows = this.#statements.all<{ id: string; at: number; recurrence: string | null }>(
      'SELECT id, not_before AS at, recurrence FROM delayed ORDER BY not_before, place LIMIT ?',
      asked + 1,
    );
    const ids: string[] = [];
    const recurring: Record<string, { recurrence: string; notBefore: number }> = {};
    let nextDueAt: number | undefined;
    let recur = false;
    for (const { id, at, recurrence } of rows) {
      if (at > now || ids.length >= asked) {
        nextDueAt = at;
        break;
      }
      const name = fromText(id);
      ids.push(name);
      if (recurrence === null) continue;
      recurring[name] = { recurrence, notBefore: at };
      recur = true;
    }
    return { ids, ...(nextDueAt !== undefined && { nextDueAt }), ...(recur && { recurring }) };
  }

  reminders(query: ReminderQuery): Reminder[] {
    const { entityType, entityId, after = 0, limit } = query;
    const values: SqliteValue[] = [after];
    let only = '';
    if (entityType !== undefined) {
      only += ' AND entity_type = ?';
      values.push(toText(entityType));
    }
    if (entityId !== undefined) {
      only += ' AND entity_id = ?';
      values.push(toText(entityId));
    }
    const index = entityType !== undefined && entityId !== undefined ? 'reminders_by_entity' : 'reminders_by_place';
    const rows = this.#statements.all<{ place: number; message: string }>(
      `SELECT place, message FROM delayed INDEXED BY ${index}
        WHERE recurrence IS NOT NULL AND place > ?${only} ORDER BY place LIMIT ?`,
      ...values,
      Math.max(0, limit),
    );
    return rows.map(({ place, message }) => ({ order: place, message: JSON.parse(message) as StoredMessage }));
  }

  blocked(afterSeq: number, limit: number): BlockedMessage[] {
    const rows = this.#statements.all<HeadRow & Pick<MessageRow, 'id' | 'history'>>(
      `SELECT ${BLOCKED_COLUMNS} FROM blocked AS b CROSS JOIN messages AS m ON m.seq = b.seq
        WHERE b.seq > ? ORDER BY b.seq LIMIT ?`,
      afterSeq,
      Math.max(0, limit),
    );
    return rows.map((row) => {
      const last = row.history === null ? undefined : (JSON.parse(row.history) as AttemptRecord[]).at(-1);
      const error = last?.error === undefined ? {} : { error: last.error };
      return { ...headOfRow(row), id: fromText(row.id), blockedAt: last?.at ?? 0, ...error };
    });
  }

  paused(): PausedLine[] {
    return readPaused(this.#statements);
  }

  status(id: string, now: number): StatusRecord | undefined {
    const places = this.#places(id);
    const pending = this.#pending(id, places);
    if (pending !== undefined) return pending;
    const letter = this.#letter(places.letter);
    if (letter !== undefined) {
      const { entityType, entityId, attempt } = letter.message;
      const verdict = { state: letter.reason, ...(letter.error !== undefined && { error: letter.error }) };
      return { id, state: letter.reason, entityType, entityId, attempt, verdict };
    }
    const kept =
      places.verdict === null
        ? undefined
        : this.#statements.get<VerdictRow>('SELECT * FROM verdicts WHERE number = ?', places.verdict);
    if (kept === undefined || kept.expires_at <= now) return undefined;
    const verdict = JSON.parse(kept.verdict) as Verdict;
    return {
      id,
      state: verdict.state,
      entityType: fromText(kept.entity_type),
      entityId: fromText(kept.entity_id),
      attempt: 0,
      verdict,
    };
  }

  counts(): ShardCounts {
    return countsOf(readNumbers(this.#statements));
  }

  deadLetters(query: DeadLetterQuery): Promise<DeadLetter[]> {
    return findLetters(this.#statements, query);
  }

  deadLetterIds(query: DeadLetterQuery): Promise<DeadLetterRef[]> {
    return findLetterIds(this.#statements, query);
  }

  deadLetterCount(filter: DeadLetterFilterQuery): Promise<number> {
    return countLetters(this.#statements, filter);
  }

  deadLetter(id: string): DeadLetter | undefined {
    return this.#letter(this.#places(id).letter);
  }

  actorStates(entities: readonly EntityRef[], now: number): (string | undefined)[] {
    const sql = `SELECT state FROM actor_state WHERE entity_type = ? AND entity_id = ?
      AND (expires_at IS NULL OR expires_at > ?)`;
    return entities.map(
      ({ entityType, entityId }) =>
        this.#statements.get<{ state: string }>(sql, toText(entityType), toText(entityId), now)?.state,
    );
  }

  outbox(limit: number): OutboxEntry[] {
    const rows = this.#statements.all<{ number: number; epoch: number; target_shard: number; append: string }>(
      'SELECT number, epoch, target_shard, append FROM outbox ORDER BY place LIMIT ?',
      Math.max(0, limit),
    );
    return rows.map(({ number, epoch, target_shard: targetShard, append }) => ({
      number,
      epoch,
      targetShard,
      append: JSON.parse(append) as OutboxEntry['append'],
    }));
  }

  sessionMark(session: string): number {
    return (
      this.#statements.get<{ mark: number }>('SELECT mark FROM sessions WHERE session = ?', toText(session))?.mark ?? 0
    );
  }

  #places(id: string): IdPlaces {
    const { prefix, n } = splitId(id);
    const sql = 'SELECT seq, delayed, letter, verdict FROM ids WHERE prefix = ? AND n = ?';
    const pointers = this.#statements.get<IdPlaces>(sql, prefix, n) ?? {
      seq: null,
      delayed: null,
      letter: null,
      verdict: null,
    };
    return pointers.seq === null && n > 0 ? { ...pointers, seq: n } : pointers;
  }

  #pending(id: string, places: IdPlaces): StatusRecord | undefined {
    const row =
      places.seq === null
        ? undefined
        : this.#statements.get<Pick<MessageRow, 'id' | 'state' | 'entity_type' | 'entity_id' | 'attempt'>>(
            'SELECT id, state, entity_type, entity_id, attempt FROM messages WHERE seq = ?',
            places.seq,
          );
    if (row?.id === toText(id)) {
      return {
        id,
        state: stateOf(row.state),
        entityType: fromText(row.entity_type),
        entityId: fromText(row.entity_id),
        attempt: row.attempt,
      };
    }
    if (places.delayed === null) return undefined;
    const delayed = this.#statements.get<{ message: string }>(
      'SELECT message FROM delayed WHERE place = ?',
      places.delayed,
    );
    if (delayed === undefined) return undefined;
    const { state, entityType, entityId, attempt } = JSON.parse(delayed.message) as StoredMessage;
    return { id, state, entityType, entityId, attempt };
  }

  #letter(number: number | null): DeadLetter | undefined {
    if (number === null) return undefined;
    const sql = `SELECT ${LETTER_COLUMNS} FROM dead_letters WHERE number = ?`;
    const row = this.#statements.get<LetterRow>(sql, number);
    return row === undefined ? undefined : letterOfRow(row);
  }
}
