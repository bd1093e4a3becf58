/**
 * The ceiling: the same SQLite with the same pragmas commits the same rows in batches of the same size, in a plain loop
 * without any of the library. No queue, no promise, no JSON, no handler, no other thread: what is left is the store.
 *
 * Each message is inserted, marked as started and deleted, as the library's is. Checkpoints run on this thread at the log
 * size at which the library starts them (16 MiB).
 */
import { join } from 'node:path';
import { defaultDriver, type SqliteDatabase, type SqliteStatement, type SqliteValue } from 'atomic-queues/sqlite';
import { ENTITY_TYPE, payloadOf } from './messages.js';

export interface BareLoopOptions {
  readonly folder: string;
  readonly durability: 'commit' | 'fsync';
  readonly durationMs: number;
  readonly entities: number;
  /** Messages that are inserted, started and deleted in one transaction. */
  readonly messagesPerCommit: number;
  /** Messages that lie in the table between their insert and their start. */
  readonly waiting: number;
  /** One at a time: insert as started, commit, delete, commit. Then the two above do not count. */
  readonly serial?: boolean | undefined;
}

const INSERT_ROWS = 16;
const SET_ROWS_MIN = 8;
const LOG_PAGES = 4_096;
const PAYLOADS = 4_096;

/** Messages per second. */
export function bareLoop(options: BareLoopOptions): number {
  const db = defaultDriver().open(join(options.folder, 'bare.db'), { readOnly: false });
  try {
    db.exec(`PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;
      PRAGMA synchronous = ${options.durability === 'fsync' ? 'FULL' : 'NORMAL'}; PRAGMA wal_autocheckpoint = ${LOG_PAGES};
      CREATE TABLE messages(
        seq INTEGER PRIMARY KEY, state INTEGER NOT NULL, attempt INTEGER NOT NULL, entity_type TEXT NOT NULL,
        entity_id TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, enqueued_at INTEGER NOT NULL, payload TEXT NOT NULL)`);
    return new BareLoop(db, options).run();
  } finally {
    db.close();
  }
}

class BareLoop {
  readonly #begin: SqliteStatement;
  readonly #commit: SqliteStatement;
  readonly #insert: SqliteStatement;
  readonly #insertMany: SqliteStatement;
  readonly #start: SqliteStatement;
  readonly #startMany: SqliteStatement;
  readonly #remove: SqliteStatement;
  readonly #removeMany: SqliteStatement;
  readonly #payloads: readonly string[];
  readonly #accounts: readonly string[];

  constructor(
    db: SqliteDatabase,
    private readonly options: BareLoopOptions,
  ) {
    const one = '(?, ?, ?, ?, ?, ?, ?, ?, ?)';
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#insert = db.prepare(`INSERT INTO messages VALUES ${one}`);
    this.#insertMany = db.prepare(`INSERT INTO messages VALUES ${Array(INSERT_ROWS).fill(one).join(', ')}`);
    this.#start = db.prepare('UPDATE messages SET state = 1, attempt = 1 WHERE seq = ?');
    this.#startMany = db.prepare(
      'UPDATE messages SET state = 1, attempt = 1 WHERE seq IN (SELECT value FROM json_each(?))',
    );
    this.#remove = db.prepare('DELETE FROM messages WHERE seq = ?');
    this.#removeMany = db.prepare('DELETE FROM messages WHERE seq IN (SELECT value FROM json_each(?))');
    const { entities } = options;
    this.#accounts = Array.from({ length: Math.min(entities, PAYLOADS) }, (_, index) => String(index));
    this.#payloads = Array.from({ length: PAYLOADS }, (_, n) =>
      payloadOf(this.#accounts[n % this.#accounts.length] as string, n),
    );
  }

  run(): number {
    return this.options.serial === true ? this.#runSerial() : this.#runBatches();
  }

  #runBatches(): number {
    const { durationMs, messagesPerCommit: size, waiting } = this.options;
    let inserted = 0;
    let started = 0;
    let removed = 0;
    const startedAt = performance.now();
    for (;;) {
      this.#begin.run();
      this.#insertRows(inserted, size, 0);
      inserted += size;
      if (removed < started) {
        this.#forAll(removed, started, this.#remove, this.#removeMany);
        removed = started;
      }
      if (inserted - started > waiting) {
        this.#forAll(started, started + size, this.#start, this.#startMany);
        started += size;
      }
      this.#commit.run();
      const elapsedMs = performance.now() - startedAt;
      if (elapsedMs >= durationMs && removed > 0) return (removed / elapsedMs) * 1_000;
    }
  }

  #runSerial(): number {
    const { durationMs } = this.options;
    const startedAt = performance.now();
    for (let seq = 0; ; seq += 1) {
      this.#begin.run();
      this.#insertRows(seq, 1, 1);
      this.#commit.run();
      this.#begin.run();
      this.#remove.run(seq);
      this.#commit.run();
      const elapsedMs = performance.now() - startedAt;
      if (elapsedMs >= durationMs) return ((seq + 1) / elapsedMs) * 1_000;
    }
  }

  #insertRows(first: number, count: number, state: 0 | 1): void {
    let left = count;
    let seq = first;
    for (; left >= INSERT_ROWS; left -= INSERT_ROWS) {
      const values: SqliteValue[] = [];
      for (let row = 0; row < INSERT_ROWS; row += 1, seq += 1) this.#pushRow(values, seq, state);
      this.#insertMany.run(...values);
    }
    for (; left > 0; left -= 1, seq += 1) {
      const values: SqliteValue[] = [];
      this.#pushRow(values, seq, state);
      this.#insert.run(...values);
    }
  }

  #pushRow(values: SqliteValue[], seq: number, state: 0 | 1): void {
    const payload = this.#payloads[seq % PAYLOADS] as string;
    const account = this.#accounts[seq % this.#accounts.length] as string;
    values.push(
      seq,
      state,
      state,
      ENTITY_TYPE,
      account,
      'Deposit',
      `0123abcd-1-${seq.toString(36)}`,
      Date.now(),
      payload,
    );
  }

  #forAll(from: number, to: number, one: SqliteStatement, many: SqliteStatement): void {
    if (to - from < SET_ROWS_MIN) {
      for (let seq = from; seq < to; seq += 1) one.run(seq);
      return;
    }
    const seqs: number[] = [];
    for (let seq = from; seq < to; seq += 1) seqs.push(seq);
    many.run(JSON.stringify(seqs));
  }
}
