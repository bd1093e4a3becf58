/**
 * The tables of the embedded store, format 2, and the read-only views for people (`docs/store-views.md`).
 *
 * Messages in line are rows under their `seq`, appended at one end of the table. Nothing else on the usual path is
 * indexed: an id `<prefix>-<n in base 36>` is found by trying `seq` n, and only what is somewhere else has a row in `ids`.
 *
 * States stand in a table with row numbers: kept in the key's own tree, a state of 1 KiB cost twice as much to write
 * (18 against 9 µs, the making of its text included).
 *
 * Row 0 of `messages` is no message: it holds the shard's numbers, which every commit writes. There they share a page with
 * the oldest messages, which are the ones that commits change most, so that a small commit writes one page less (5 µs).
 */
import type { SqliteDatabase } from './driver.js';
import { NEW_NUMBERS } from './shard-row.js';

export const FORMAT_VERSION = 2;
/** `aqwl`: marks the file as one of ours in SQLite's header. */
export const APPLICATION_ID = 0x6171776c;

export const STATE_ENQUEUED = 0;
export const STATE_DISPATCHED = 1;
export const STATE_BLOCKED = 2;
/** Row 0. */
export const STATE_NUMBERS_ROW = -1;

/** Bits of `messages.flags`: what the removal of a row has to look after besides the row. */
export const FLAG_ID_ROW = 1;
export const FLAG_MESSAGE_ID = 2;

const TABLES = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE shard(one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, incarnation TEXT);
CREATE TABLE messages(
  seq INTEGER PRIMARY KEY,
  state INTEGER NOT NULL, attempt INTEGER NOT NULL, flags INTEGER NOT NULL, not_before INTEGER, expires_at INTEGER,
  entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, name TEXT NOT NULL, interruptions INTEGER,
  id TEXT NOT NULL, kind TEXT, enqueued_at INTEGER NOT NULL, message_id TEXT, headers TEXT, history TEXT, replay_of TEXT,
  payload TEXT NOT NULL, reminder TEXT
);
CREATE TABLE blocked(seq INTEGER PRIMARY KEY);
CREATE TABLE delayed(
  place INTEGER PRIMARY KEY, not_before INTEGER NOT NULL, id TEXT NOT NULL, message TEXT NOT NULL,
  recurrence TEXT, entity_type TEXT, entity_id TEXT
);
CREATE INDEX delayed_by_time ON delayed(not_before);
CREATE INDEX reminders_by_place ON delayed(place) WHERE recurrence IS NOT NULL;
CREATE INDEX reminders_by_entity ON delayed(entity_type, entity_id, place) WHERE recurrence IS NOT NULL;
CREATE TABLE dead_letters(
  number INTEGER PRIMARY KEY, id TEXT NOT NULL, entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, name TEXT NOT NULL,
  reason TEXT NOT NULL, died_at INTEGER NOT NULL, error TEXT, message TEXT NOT NULL
);
CREATE INDEX dead_letters_by_type ON dead_letters(entity_type);
CREATE TABLE verdicts(
  number INTEGER PRIMARY KEY, expires_at INTEGER NOT NULL, id TEXT NOT NULL,
  entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, message_id TEXT, verdict TEXT NOT NULL
);
CREATE INDEX verdicts_by_time ON verdicts(expires_at);
CREATE TABLE ids(
  prefix TEXT NOT NULL, n INTEGER NOT NULL, seq INTEGER, delayed INTEGER, letter INTEGER, verdict INTEGER,
  PRIMARY KEY (prefix, n)
) WITHOUT ROWID;
CREATE TABLE message_ids(
  entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, message_id TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (entity_type, entity_id, message_id)
) WITHOUT ROWID;
CREATE TABLE paused(entity_type TEXT NOT NULL, entity_id TEXT);
CREATE TABLE actor_state(
  place INTEGER PRIMARY KEY, entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, state TEXT NOT NULL, expires_at INTEGER,
  UNIQUE (entity_type, entity_id)
);
CREATE INDEX actor_state_by_time ON actor_state(expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE outbox(
  place INTEGER PRIMARY KEY, target_shard INTEGER NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
  append TEXT NOT NULL
);
CREATE TABLE outbox_numbers(target_shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, number INTEGER NOT NULL);
CREATE TABLE sessions(session TEXT PRIMARY KEY, mark INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE upkeep(one INTEGER PRIMARY KEY CHECK (one = 1), log_restarts INTEGER NOT NULL);
`;

const time = (column: string): string => `strftime('%Y-%m-%dT%H:%M:%fZ', ${column} / 1000.0, 'unixepoch')`;

export const VIEWS = `
CREATE VIEW pending_messages AS
  SELECT seq, id, entity_type, entity_id, name, coalesce(kind, 'command') AS kind,
    CASE state WHEN 0 THEN 'enqueued' WHEN 1 THEN 'dispatched' ELSE 'blocked' END AS state,
    attempt, coalesce(interruptions, 0) AS interruptions, ${time('enqueued_at')} AS enqueued_at,
    ${time('not_before')} AS not_before, ${time('expires_at')} AS expires_at,
    message_id, replay_of, payload, headers, history
  FROM messages WHERE seq > 0
  UNION ALL
  SELECT NULL, id, message ->> 'entityType', message ->> 'entityId', message ->> 'name', message ->> 'kind',
    'delayed', 0, 0, ${time("(message ->> 'enqueuedAt')")}, ${time('not_before')},
    CASE WHEN message ->> 'expiresAt' > 0 THEN ${time("(message ->> 'expiresAt')")} END,
    message ->> 'messageId', message ->> 'replayOf', message ->> 'payload', message ->> 'headers', NULL
  FROM delayed;
CREATE VIEW in_flight_messages AS
  SELECT seq, id, entity_type, entity_id, name, coalesce(kind, 'command') AS kind, attempt,
    coalesce(interruptions, 0) AS interruptions, ${time('enqueued_at')} AS enqueued_at, payload, headers
  FROM messages WHERE state = 1;
CREATE VIEW blocked_messages AS
  SELECT m.seq, id, entity_type, entity_id, name, attempt, coalesce(interruptions, 0) AS interruptions,
    ${time("(history ->> '$[#-1].at')")} AS blocked_at, history ->> '$[#-1].error.name' AS error_name,
    history ->> '$[#-1].error.message' AS error_message, ${time('enqueued_at')} AS enqueued_at, payload, headers, history
  FROM blocked AS b JOIN messages AS m ON m.seq = b.seq;
CREATE VIEW reminder_messages AS
  SELECT id, message ->> 'entityType' AS entity_type, message ->> 'entityId' AS entity_id, message ->> 'name' AS name,
    ${time('not_before')} AS next_run_at, recurrence, message ->> 'lastRunId' AS last_run_id,
    ${time("(message ->> 'enqueuedAt')")} AS enqueued_at, message ->> 'payload' AS payload
  FROM delayed WHERE recurrence IS NOT NULL;
CREATE VIEW outbox_messages AS
  SELECT target_shard, epoch, number, append ->> '$.message.id' AS id, append ->> '$.message.entityType' AS entity_type,
    append ->> '$.message.entityId' AS entity_id, append ->> '$.message.name' AS name,
    append ->> '$.message.payload' AS payload
  FROM outbox ORDER BY place;
CREATE VIEW message_counts AS
  SELECT payload ->> 'accepted' AS accepted,
    (payload ->> 'accepted') - (payload ->> 'completed') - (payload ->> 'failed') - (payload ->> 'interrupted')
      - (payload ->> 'expired') - (payload ->> 'cancelled') AS pending,
    payload ->> 'in_flight' AS in_flight, payload ->> 'completed' AS completed, payload ->> 'failed' AS failed,
    payload ->> 'interrupted' AS interrupted, payload ->> 'expired' AS expired, payload ->> 'cancelled' AS cancelled,
    payload ->> 'dead_letters' AS dead_letters, payload ->> 'blocked' AS blocked
  FROM messages WHERE seq = 0;
CREATE VIEW dead_letter_messages AS
  SELECT number, id, entity_type, entity_id, name, reason, ${time('died_at')} AS died_at,
    error ->> 'name' AS error_name, error ->> 'message' AS error_message, message ->> 'attempt' AS attempt,
    ${time("(message ->> 'enqueuedAt')")} AS enqueued_at, message ->> 'messageId' AS message_id,
    message ->> 'replayOf' AS replay_of, message ->> 'payload' AS payload, message ->> 'history' AS history
  FROM dead_letters;
`;

/** Makes all tables in one transaction, so that a store is there whole or not at all. */
export function createStore(db: SqliteDatabase, clusterId: string): void {
  atOnce(db, () => {
    db.exec(TABLES);
    db.exec(VIEWS);
    const meta = db.prepare('INSERT INTO meta VALUES (?, ?)');
    meta.run('cluster_id', clusterId);
    meta.run('shard_count', '1');
    db.exec('INSERT INTO shard VALUES (1, 0, NULL)');
    db.prepare(
      `INSERT INTO messages VALUES (0, ${STATE_NUMBERS_ROW}, 0, 0, NULL, NULL, '', '', '', NULL, '', NULL, 0, NULL, NULL, NULL, NULL, ?, NULL)`,
    ).run(JSON.stringify(NEW_NUMBERS));
    db.exec('INSERT INTO upkeep VALUES (1, 0)');
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION};`);
  });
}

/** One transaction: all of it, or nothing. */
export function atOnce(db: SqliteDatabase, work: () => void): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    work();
    db.exec('COMMIT');
  } catch (error) {
    try {
      db.exec('ROLLBACK');
    } catch {
      // The failure that counts is the first one.
    }
    throw error;
  }
}
