/**
 * The messages in line, as the owner writes them. Within a commit the usual moves (append, dispatch, complete) are only
 * noted, and written together: a statement per row when they are few, one statement for many when they are many
 * (measured: 0.4 instead of 1 to 3 µs for each dispatch and delete). Any other look at the table writes the notes first.
 *
 * Owns `messages`, and two small pictures of it in memory: the messages in flight (all of them; they are as few as the
 * running handlers), and some that wait and were appended lately, which saves reading their row when they are dispatched.
 */
import type { StoredMessage } from '../transition.js';
import { insertMessages } from './message-inserts.js';
import { settlingPage } from './pages.js';
import { HEAD_COLUMNS, type HeadRow, type MessageRow, rowOfMessage, type SettlingRow } from './rows.js';
import { STATE_DISPATCHED } from './schema.js';
import type { Statements } from './statements.js';

/** From this many rows on, one statement for all of them is faster than one each. */
const SET_ROWS_MIN = 8;
/** Waiting messages whose flags are kept in memory at most. */
const RECENT_MAX = 65_536;

/**
 * What is kept of a message in flight. The entity only if it started with its append, as those of idle entities do: its
 * strings are in memory anyway while the handler runs, and those of thousands that wait would not be.
 */
type KnownRow = Pick<MessageRow, 'flags'> & Partial<Pick<MessageRow, 'entity_type' | 'entity_id'>>;

/** What a dispatch must know of a waiting message. */
export type WaitingRow = Pick<MessageRow, 'seq' | 'state' | 'attempt' | 'not_before' | 'expires_at' | 'flags'>;
const WAITING_COLUMNS = 'seq, state, attempt, not_before, expires_at, flags';

export class Line {
  #inFlight = new Map<number, KnownRow>();
  /** Flags of some waiting messages that never started and have neither back-off nor deadline. */
  readonly #recent = new Map<number, number>();
  #fetched = new Map<number, WaitingRow>();
  readonly #settling = new Map<number, SettlingRow>();
  #inserts: MessageRow[] = [];
  #starts: number[] = [];
  #removals: number[] = [];
  /** Places whose entry of `#inFlight` this commit changed, and what it was. */
  #undo: { readonly seq: number; readonly before: KnownRow | undefined }[] = [];

  constructor(private readonly statements: Statements) {}

  get inFlight(): number {
    return this.#inFlight.size;
  }

  placesInFlight(): number[] {
    return [...this.#inFlight.keys()];
  }

  isInFlight(seq: number): boolean {
    return this.#inFlight.has(seq);
  }

  flagsInFlight(seq: number): number | undefined {
    return this.#inFlight.get(seq)?.flags;
  }

  /** Flags of a message that certainly waits, never started and is due; undefined: look at its row. */
  flagsRecent(seq: number): number | undefined {
    return this.#recent.get(seq);
  }

  /** Reads the messages in flight anew, `count` of them; the search ends when it has found them. */
  readInFlight(count: number): HeadRow[] {
    const rows = this.statements.all<HeadRow & { flags: number }>(
      `SELECT ${HEAD_COLUMNS}, flags FROM messages WHERE state = ${STATE_DISPATCHED} ORDER BY seq LIMIT ?`,
      count,
    );
    this.#inFlight = new Map(rows.map((row) => [row.seq, known(row)]));
    this.#recent.clear();
    return rows;
  }

  append(row: MessageRow): void {
    this.#inserts.push(row);
    if (row.state === STATE_DISPATCHED) this.#mark(row.seq, known(row));
    else if (row.expires_at === null && this.#recent.size < RECENT_MAX) this.#recent.set(row.seq, row.flags);
  }

  /** Marks a waiting message as started; its attempt grows by one. */
  start(seq: number, flags: number): void {
    this.#starts.push(seq);
    this.#recent.delete(seq);
    this.#mark(seq, { flags });
  }

  /** Takes a message out of the line, whatever its state. */
  remove(seq: number): void {
    this.#removals.push(seq);
    this.#recent.delete(seq);
    this.#fetched.delete(seq);
    this.#settling.delete(seq);
    this.#unmark(seq);
  }

  /** Writes a changed message over its row. */
  replace(before: MessageRow, message: StoredMessage): void {
    this.flush();
    const row = rowOfMessage(message, before.flags);
    this.#recent.delete(row.seq);
    this.#fetched.delete(row.seq);
    this.#settling.delete(row.seq);
    if (row.state === STATE_DISPATCHED) this.#mark(row.seq, known(row));
    else this.#unmark(row.seq);
    this.statements.run(
      'UPDATE messages SET state = ?, attempt = ?, not_before = ?, interruptions = ?, history = ? WHERE seq = ?',
      row.state,
      row.attempt,
      row.not_before,
      row.interruptions,
      row.history,
      row.seq,
    );
  }

  /** The whole row of a message in line. */
  row(seq: number): MessageRow | undefined {
    this.flush();
    return this.statements.get<MessageRow>('SELECT * FROM messages WHERE seq = ? AND seq > 0', seq);
  }

  /** The row that was appended last in this commit, if it has this place and is not written yet. */
  appended(seq: number): MessageRow | undefined {
    const last = this.#inserts[this.#inserts.length - 1];
    return last?.seq === seq ? last : undefined;
  }

  /** What a dispatch needs; undefined when the message has left the line. */
  waiting(seq: number): WaitingRow | undefined {
    const fetched = this.#fetched.get(seq);
    if (fetched !== undefined) return fetched;
    this.flush();
    return this.statements.get<WaitingRow>(`SELECT ${WAITING_COLUMNS} FROM messages WHERE seq = ?`, seq);
  }

  /** Reads what the dispatches of a commit will need in one go. Only worth it when they are many. */
  fetchWaiting(seqs: readonly number[]): void {
    if (seqs.length < SET_ROWS_MIN) return;
    const rows = this.statements.all<WaitingRow>(
      'SELECT m.seq, m.state, m.attempt, m.not_before, m.expires_at, m.flags FROM json_each(?) AS asked CROSS JOIN messages AS m ON m.seq = asked.value',
      JSON.stringify(seqs),
    );
    for (const row of rows) this.#fetched.set(row.seq, row);
  }

  /** The entity of a message that is about to complete; undefined when it is not in line. Its state is the row's. */
  settling(seq: number): SettlingRow | undefined {
    const fetched = this.#settling.get(seq) ?? this.#known(seq);
    if (fetched !== undefined) return fetched;
    this.flush();
    return this.statements.get<SettlingRow>(
      'SELECT seq, state, flags, entity_type, entity_id FROM messages WHERE seq = ? AND seq > 0',
      seq,
    );
  }

  /** Reads what the completions of a commit will need in one go, as they stand before it, unless it is known. */
  fetchSettling(seqs: readonly number[]): void {
    const unknown = seqs.filter((seq) => this.#known(seq) === undefined);
    if (unknown.length < SET_ROWS_MIN) return;
    for (const row of settlingPage(this.statements, unknown)) this.#settling.set(row.seq, row);
  }

  /** Writes what was noted. Inserts first, then starts, then removals: a message never moves back along that way. */
  flush(): void {
    if (this.#inserts.length > 0) this.#flushInserts();
    if (this.#starts.length > 0) {
      const seqs = this.#starts;
      this.#starts = [];
      this.#forAll(seqs, `UPDATE messages SET state = ${STATE_DISPATCHED}, attempt = attempt + 1 WHERE seq`);
    }
    if (this.#removals.length > 0) {
      const seqs = this.#removals;
      this.#removals = [];
      this.#forAll(seqs, 'DELETE FROM messages WHERE seq');
    }
  }

  /** The commit is durable, or at least written: its changes of the pictures stay. */
  committed(): void {
    this.#undo = [];
    if (this.#fetched.size > 0) this.#fetched.clear();
    if (this.#settling.size > 0) this.#settling.clear();
  }

  /** The commit was rolled back. */
  rolledBack(): void {
    for (const { seq, before } of this.#undo.reverse()) {
      if (before === undefined) this.#inFlight.delete(seq);
      else this.#inFlight.set(seq, before);
    }
    this.#undo = [];
    this.#inserts = [];
    this.#starts = [];
    this.#removals = [];
    this.#fetched.clear();
    this.#settling.clear();
    this.#recent.clear();
  }

  /** What memory says of a message in flight, if it has all that is asked for. */
  #known(seq: number): SettlingRow | undefined {
    const { flags, entity_type, entity_id } = this.#inFlight.get(seq) ?? NOTHING;
    if (entity_type === undefined || entity_id === undefined) return undefined;
    return { seq, state: STATE_DISPATCHED, flags, entity_type, entity_id };
  }

  #mark(seq: number, row: KnownRow): void {
    this.#undo.push({ seq, before: this.#inFlight.get(seq) });
    this.#inFlight.set(seq, row);
    this.#fetched.delete(seq);
    this.#settling.delete(seq);
  }

  #unmark(seq: number): void {
    const before = this.#inFlight.get(seq);
    if (before === undefined) return;
    this.#undo.push({ seq, before });
    this.#inFlight.delete(seq);
  }

  /** Places that follow each other, as those of a busy store mostly do, take a third of the time as a range. None is there twice. */
  #forAll(seqs: readonly number[], sql: string): void {
    const scattered: number[] = [];
    for (let from = 0, to = 1; from < seqs.length; from = to, to += 1) {
      const first = seqs[from] as number;
      while (to < seqs.length && seqs[to] === first + to - from) to += 1;
      if (to - from >= SET_ROWS_MIN) this.statements.run(`${sql} BETWEEN ? AND ?`, first, first + to - from - 1);
      else for (let index = from; index < to; index += 1) scattered.push(seqs[index] as number);
    }
    if (scattered.length < SET_ROWS_MIN) for (const seq of scattered) this.statements.run(`${sql} = ?`, seq);
    else this.statements.run(`${sql} IN (SELECT value FROM json_each(?))`, JSON.stringify(scattered));
  }

  #flushInserts(): void {
    const rows = this.#inserts;
    this.#inserts = [];
    insertMessages(this.statements, rows);
  }
}

const NOTHING: KnownRow = { flags: 0 };

function known({ flags, entity_type, entity_id }: Pick<MessageRow, 'flags' | 'entity_type' | 'entity_id'>): KnownRow {
  return { flags, entity_type, entity_id };
}
