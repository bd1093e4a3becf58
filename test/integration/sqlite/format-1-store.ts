/** A store of format 1 as its process left it when it was killed: the tables, the views, and rows of every kind. */
import { defaultDriver } from '../../../src/wal/sqlite/driver.js';

const TABLES = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE shard(one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, incarnation TEXT);
CREATE TABLE messages(
  seq INTEGER PRIMARY KEY,
  state INTEGER NOT NULL, attempt INTEGER NOT NULL, flags INTEGER NOT NULL, not_before INTEGER, expires_at INTEGER,
  entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, name TEXT NOT NULL, interruptions INTEGER,
  id TEXT NOT NULL, kind TEXT, enqueued_at INTEGER NOT NULL, message_id TEXT, headers TEXT, history TEXT, replay_of TEXT,
  payload TEXT NOT NULL
);
CREATE TABLE delayed(place INTEGER PRIMARY KEY, not_before INTEGER NOT NULL, id TEXT NOT NULL, message TEXT NOT NULL);
CREATE INDEX delayed_by_time ON delayed(not_before);
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
  entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (entity_type, entity_id)
) WITHOUT ROWID;
CREATE TABLE outbox(place INTEGER PRIMARY KEY, target_shard INTEGER NOT NULL, number INTEGER NOT NULL, message TEXT NOT NULL);
CREATE TABLE outbox_numbers(target_shard INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE sessions(session TEXT PRIMARY KEY, mark INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE upkeep(one INTEGER PRIMARY KEY CHECK (one = 1), log_restarts INTEGER NOT NULL);
`;

const VIEWS = `
CREATE VIEW pending_messages AS
  SELECT seq, id, entity_type, entity_id, name, coalesce(kind, 'command') AS kind,
    CASE state WHEN 0 THEN 'enqueued' WHEN 1 THEN 'dispatched' ELSE 'blocked' END AS state,
    attempt, coalesce(interruptions, 0) AS interruptions, strftime('%Y-%m-%dT%H:%M:%fZ', enqueued_at / 1000.0, 'unixepoch') AS enqueued_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', not_before / 1000.0, 'unixepoch') AS not_before, strftime('%Y-%m-%dT%H:%M:%fZ', expires_at / 1000.0, 'unixepoch') AS expires_at,
    message_id, replay_of, payload, headers, history
  FROM messages WHERE seq > 0
  UNION ALL
  SELECT NULL, id, message ->> 'entityType', message ->> 'entityId', message ->> 'name', message ->> 'kind',
    'delayed', 0, 0, strftime('%Y-%m-%dT%H:%M:%fZ', (message ->> 'enqueuedAt') / 1000.0, 'unixepoch'), strftime('%Y-%m-%dT%H:%M:%fZ', not_before / 1000.0, 'unixepoch'),
    CASE WHEN message ->> 'expiresAt' > 0 THEN strftime('%Y-%m-%dT%H:%M:%fZ', (message ->> 'expiresAt') / 1000.0, 'unixepoch') END,
    message ->> 'messageId', message ->> 'replayOf', message ->> 'payload', message ->> 'headers', NULL
  FROM delayed;
CREATE VIEW in_flight_messages AS
  SELECT seq, id, entity_type, entity_id, name, coalesce(kind, 'command') AS kind, attempt,
    coalesce(interruptions, 0) AS interruptions, strftime('%Y-%m-%dT%H:%M:%fZ', enqueued_at / 1000.0, 'unixepoch') AS enqueued_at, payload, headers
  FROM messages WHERE state = 1;
CREATE VIEW message_counts AS
  SELECT payload ->> 'accepted' AS accepted,
    (payload ->> 'accepted') - (payload ->> 'completed') - (payload ->> 'failed') - (payload ->> 'interrupted')
      - (payload ->> 'expired') - (payload ->> 'cancelled') AS pending,
    payload ->> 'in_flight' AS in_flight, payload ->> 'completed' AS completed, payload ->> 'failed' AS failed,
    payload ->> 'interrupted' AS interrupted, payload ->> 'expired' AS expired, payload ->> 'cancelled' AS cancelled,
    payload ->> 'dead_letters' AS dead_letters
  FROM messages WHERE seq = 0;
CREATE VIEW dead_letter_messages AS
  SELECT number, id, entity_type, entity_id, name, reason, strftime('%Y-%m-%dT%H:%M:%fZ', died_at / 1000.0, 'unixepoch') AS died_at,
    error ->> 'name' AS error_name, error ->> 'message' AS error_message, message ->> 'attempt' AS attempt,
    strftime('%Y-%m-%dT%H:%M:%fZ', (message ->> 'enqueuedAt') / 1000.0, 'unixepoch') AS enqueued_at, message ->> 'messageId' AS message_id,
    message ->> 'replayOf' AS replay_of, message ->> 'payload' AS payload, message ->> 'history' AS history
  FROM dead_letters;
`;

/** One message is started, one blocked, two are delayed, one is dead, one has ended, and one was sent and not relayed. */
const ROWS = `
INSERT INTO meta VALUES ('cluster_id', 'format-1');
INSERT INTO meta VALUES ('owner', '{"pid":1,"host":"elsewhere"}');
INSERT INTO meta VALUES ('shard_count', '1');
INSERT INTO shard VALUES (1, 1, 'owner');
INSERT INTO messages VALUES (0, -1, 1, 0, NULL, NULL, '', '', '', NULL, '', NULL, 0, NULL, NULL, NULL, NULL, '{"next_seq":8,"next_letter":2,"in_flight":1,"verdicts":1,"accepted":9,"completed":1,"failed":1,"interrupted":0,"expired":0,"cancelled":0,"dead_letters":1}');
INSERT INTO messages VALUES (1, 1, 1, 0, NULL, NULL, 'account', 'a', 'Deposit', NULL, 'old-1', NULL, 1700000000000, NULL, NULL, NULL, NULL, '{"of":"old-1"}');
INSERT INTO messages VALUES (2, 2, 1, 0, NULL, NULL, 'account', 'b', 'Deposit', NULL, 'old-2', NULL, 1700000000000, NULL, NULL, '[{"attempt":1,"at":1700000000000,"outcome":"blocked","error":{"name":"Error","message":"no"}}]', NULL, '{"of":"old-2"}');
INSERT INTO messages VALUES (5, 0, 0, 0, NULL, NULL, 'account', 'a', 'Deposit', NULL, 'old-5', NULL, 1700000000000, NULL, NULL, NULL, NULL, '{"of":"old-5"}');
INSERT INTO messages VALUES (6, 0, 0, 3, NULL, NULL, 'account', 'e\uf8f00000', 'Deposit', NULL, 'm6', NULL, 1700000000000, 'k', '{"trace":"t"}', NULL, NULL, '{"of":"m6"}');
INSERT INTO messages VALUES (7, 0, 0, 1, NULL, NULL, 'account', 'h', 'Deposit', NULL, 'offered', NULL, 1700000000000, NULL, NULL, NULL, NULL, '{"of":"offered"}');
INSERT INTO delayed VALUES (1, 1700000060000, 'later', '{"id":"later","kind":"command","entityType":"account","entityId":"f","name":"Deposit","payload":"{\\"of\\":\\"later\\"}","state":"enqueued","attempt":0,"interruptions":0,"enqueuedAt":1700000000000,"expiresAt":0,"history":[],"seq":0,"notBefore":1700000060000}');
INSERT INTO delayed VALUES (2, 1700000030000, 'sooner', '{"id":"sooner","kind":"command","entityType":"account","entityId":"f","name":"Deposit","payload":"{\\"of\\":\\"sooner\\"}","state":"enqueued","attempt":0,"interruptions":0,"enqueuedAt":1700000000000,"expiresAt":0,"history":[],"seq":0,"notBefore":1700000030000}');
INSERT INTO dead_letters VALUES (1, 'old-3', 'account', 'c', 'Deposit', 'failed', 1700000000000, '{"name":"Error","message":"no"}', '{"id":"old-3","kind":"command","entityType":"account","entityId":"c","name":"Deposit","payload":"{\\"of\\":\\"old-3\\"}","seq":3,"state":"dispatched","attempt":1,"interruptions":0,"enqueuedAt":1700000000000,"notBefore":0,"expiresAt":0,"history":[{"attempt":1,"at":1700000000000,"outcome":"failed","error":{"name":"Error","message":"no"}}]}');
INSERT INTO verdicts VALUES (1, 1700086400000, 'old-4', 'account', 'd', NULL, '{"state":"completed","reply":"1"}');
INSERT INTO ids VALUES ('later', -1, NULL, 1, NULL, NULL);
INSERT INTO ids VALUES ('m6', -1, 6, NULL, NULL, NULL);
INSERT INTO ids VALUES ('offered', -1, 7, NULL, NULL, NULL);
INSERT INTO ids VALUES ('old', 3, NULL, NULL, 1, NULL);
INSERT INTO ids VALUES ('old', 4, NULL, NULL, NULL, 1);
INSERT INTO ids VALUES ('sooner', -1, NULL, 2, NULL, NULL);
INSERT INTO message_ids VALUES ('account', 'e\uf8f00000', 'k', 'm6');
INSERT INTO paused VALUES ('account', 'a');
INSERT INTO actor_state VALUES ('account', 'd', '{"balance":7}');
INSERT INTO outbox VALUES (1, 0, 1, '{"id":"sent","kind":"command","entityType":"account","entityId":"g","name":"Deposit","payload":"{\\"of\\":\\"sent\\"}"}');
INSERT INTO outbox_numbers VALUES (0, 1);
INSERT INTO sessions VALUES ('s', 1);
INSERT INTO upkeep VALUES (1, 0);
`;

export function makeFormat1Store(path: string): void {
  const db = defaultDriver().open(path, { readOnly: false });
  db.exec('PRAGMA page_size = 2048; PRAGMA journal_mode = WAL;');
  for (const sql of [TABLES, VIEWS, ROWS]) db.exec(sql);
  db.exec(`PRAGMA application_id = ${0x6171776c}; PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE);`);
  db.close();
}
