/**
 * The inbox: a SQLite file of its own beside the store, where other processes (and this one) hand work in. Their
 * transactions lock only this file, so nobody but the owner ever holds the store's write lock.
 *
 * What a commit has taken in is durable in the store together with its session's mark before the rows go from here, so
 * a crash in between makes the owner meet them again and skip them. Places are never reused, for the same reason.
 */
import { statSync } from 'node:fs';
import type { Envelope } from '../../message/envelope.js';
import { copyOffer, copyOffered } from '../offered-transition.js';
import { IllegalTransitionError, type Offer, type OfferedTransition } from '../wal.js';
import type { SqliteDatabase, SqliteDriver } from './driver.js';
import { fatalStoreError, isBusy } from './errors.js';
import { cutLog } from './log-file.js';
import { Statements } from './statements.js';
import { fromText, toText } from './text.js';

export interface InboxOffer {
  readonly place: number;
  /** Of a row that nobody can use: with `UNUSABLE` as its transition; number 0 when that is no number either. */
  readonly offer: Offer;
}

/** Stands for what a damaged row, or one from elsewhere, asked for: it finds nothing and does nothing. */
export const UNUSABLE: OfferedTransition = { type: 'cancel', id: '' };

interface OfferRow {
  readonly place: number;
  readonly session: string;
  readonly number: number;
  readonly transition: string;
}

/** Whatever the row holds, reading it cannot fail: a number that JavaScript does not have is 0. */
const READ_OFFERS = `SELECT place, CAST(session AS TEXT) AS session, CAST(transition AS TEXT) AS transition,
  iif(typeof(number) = 'integer' AND number BETWEEN 1 AND ${Number.MAX_SAFE_INTEGER}, number, 0) AS number
  FROM offers WHERE place > ? ORDER BY place LIMIT ?`;

const NEWEST_OFFERS = READ_OFFERS.replace('WHERE place > ? ORDER BY place', 'ORDER BY place DESC');
/** Offers that are looked through for one id. */
const SEARCHED_MAX = 10_000;

const SETUP_BUSY_MS = 5_000;

export function inboxPath(path: string): string {
  return `${path}-inbox`;
}

/** Opens the inbox, and makes it where there is none. Refuses one that belongs to another store. */
function openInbox(driver: SqliteDriver, path: string, clusterId: string): SqliteDatabase {
  const db = driver.open(path, { readOnly: false });
  try {
    db.exec(`PRAGMA busy_timeout = ${SETUP_BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;`);
    const made = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'offers'").get();
    if (made === undefined) {
      db.exec(`BEGIN IMMEDIATE;
        CREATE TABLE IF NOT EXISTS offers(
          place INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, number INTEGER NOT NULL, transition TEXT NOT NULL,
          UNIQUE (session, number)
        );
        CREATE TABLE IF NOT EXISTS inbox_of(cluster_id TEXT PRIMARY KEY) WITHOUT ROWID;
        COMMIT;`);
    }
    db.prepare('INSERT INTO inbox_of SELECT ? WHERE NOT EXISTS (SELECT 1 FROM inbox_of)').run(clusterId);
    const owner = db.prepare('SELECT cluster_id AS id FROM inbox_of').get() as { id: string } | undefined;
    if (owner?.id !== clusterId) {
      throw fatalStoreError(
        `The inbox ${path} belongs to another store (${owner?.id ?? 'unknown'}, this one is ${clusterId}). Put the two files that belong together beside each other.`,
      );
    }
    db.exec('PRAGMA busy_timeout = 0;');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

export interface InboxOptions {
  readonly driver: SqliteDriver;
  readonly path: string;
  readonly clusterId: string;
  /** The mark of a session in the store itself. */
  readonly markOf: (session: string) => number;
}

/** Handing in: what any process may do. */
export class InboxDoor {
  readonly #options: InboxOptions;
  readonly #db: SqliteDatabase;
  readonly #statements: Statements;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#db = openInbox(options.driver, options.path, options.clusterId);
    this.#statements = new Statements(this.#db);
  }

  /** Makes the offers durable, all or none. Throws SQLite's busy error when another process is just doing the same. */
  offer(offers: readonly Offer[]): void {
    const checked = offers.map(copyOffer);
    this.#transaction(() => {
      const marks = new Map<string, number>();
      for (const { session, number, transition } of checked) {
        const mark = marks.get(session) ?? this.#mark(session);
        marks.set(session, mark);
        if (number <= mark) continue;
        if (number !== mark + 1) {
          throw new IllegalTransitionError(
            `Shard 0: offer ${number} of session ${session} does not follow ${mark}; the numbers of a session have no gaps.`,
          );
        }
        marks.set(session, number);
        const sql = 'INSERT INTO offers(session, number, transition) VALUES (?, ?, ?)';
        this.#statements.run(sql, toText(session), number, JSON.stringify(transition));
      }
    });
  }

  /** The message of this id that is offered and not taken in, among the newest offers. */
  offered(id: string): Envelope | undefined {
    const rows = this.#statements.all<OfferRow>(NEWEST_OFFERS, SEARCHED_MAX).reverse();
    for (const { session, number, transition } of rows) {
      const found = number === 0 ? UNUSABLE : usable(transition);
      if (found.type !== 'append' || found.message.id !== id) continue;
      if (number > this.#options.markOf(fromText(session))) return found.message;
    }
    return undefined;
  }

  /** Removes what is taken in. Returns false when another process holds the lock; then try later. */
  remove(upToPlace: number): boolean {
    try {
      this.#transaction(() => this.#statements.run('DELETE FROM offers WHERE place <= ?', upToPlace));
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw error;
    }
  }

  cutLog(): void {
    cutLog(this.#db);
  }

  close(): void {
    this.#db.close();
  }

  /** The inbox is read first: a row leaves it only after the store has its number. */
  #mark(session: string): number {
    const row = this.#statements.get<{ number: number | null }>(
      'SELECT max(number) AS number FROM offers WHERE session = ?',
      toText(session),
    );
    return Math.max(row?.number ?? 0, this.#options.markOf(session));
  }

  #transaction(work: () => void): void {
    this.#statements.run('BEGIN IMMEDIATE');
    try {
      work();
      this.#statements.run('COMMIT');
    } catch (error) {
      try {
        this.#statements.run('ROLLBACK');
      } catch {
        // SQLite has rolled back by itself.
      }
      throw error;
    }
  }
}

/** Taking in: the owner's connection, which only reads. Another connection's change is noticed without a query (2 µs). */
export class Inbox {
  readonly #db: SqliteDatabase;
  readonly #statements: Statements;
  #version = -1;
  #more = true;

  constructor(options: Pick<InboxOptions, 'driver' | 'path' | 'clusterId'>) {
    this.#db = openInbox(options.driver, options.path, options.clusterId);
    this.#statements = new Statements(this.#db);
  }

  /** The oldest offers after a place, at most `limit`. */
  read(afterPlace: number, limit: number): InboxOffer[] {
    const version = this.#statements.get<{ data_version: number }>('PRAGMA data_version')?.data_version ?? -1;
    if (version === this.#version && !this.#more) return [];
    const rows = this.#statements.all<OfferRow>(READ_OFFERS, afterPlace, limit);
    this.#version = version;
    // A commit that fails after this must read the same rows again, so only an empty read counts as nothing new.
    this.#more = rows.length > 0;
    return rows.map(({ place, session, number, transition }) => ({
      place,
      offer: { session: fromText(session), number, transition: number === 0 ? UNUSABLE : usable(transition) },
    }));
  }

  close(): void {
    this.#db.close();
  }
}

/** What a row asks for. One that cannot be used must not stop the owner: it would do so again after each restart. */
function usable(transition: string): OfferedTransition {
  try {
    return copyOffered(JSON.parse(transition) as OfferedTransition);
  } catch {
    return UNUSABLE;
  }
}

/** The id of the store that the inbox belongs to; undefined where there is no inbox, or an unfinished one. */
export function inboxOwner(driver: SqliteDriver, path: string): string | undefined {
  if (!((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0)) return undefined;
  const db = driver.open(path, { readOnly: true });
  try {
    db.exec('PRAGMA busy_timeout = 1000;');
    if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'inbox_of'").get() === undefined) return undefined;
    return (db.prepare('SELECT cluster_id AS id FROM inbox_of').get() as { id: string } | undefined)?.id;
  } finally {
    db.close();
  }
}

/** How long a caller waits for another process's short transaction, and how often it looks. */
export const BUSY_WAIT_MS = 5_000;
export const BUSY_LOOK_MS = 5;

/** Runs `work` again while another process holds the lock, without blocking this one. */
export async function whileBusy<T>(work: () => T): Promise<T> {
  const giveUpAt = performance.now() + BUSY_WAIT_MS;
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= giveUpAt) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, BUSY_LOOK_MS));
  }
}
