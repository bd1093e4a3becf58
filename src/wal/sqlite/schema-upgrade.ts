/**
 * Brings a store that an older version has made to the present format, in place and in one transaction. Only its owner
 * does that, when it opens the store: a reader never writes.
 */
import type { SqliteDatabase } from './driver.js';
import { atOnce, FORMAT_VERSION, VIEWS } from './schema.js';

/** The oldest format that can be brought to the present one. */
export const OLDEST_FORMAT = 1;

/** Format 2: actor states that expire, an outbox with epochs, reminders, and a list of what is blocked. */
const TO_FORMAT_2 = `
DROP VIEW pending_messages;
DROP VIEW in_flight_messages;
DROP VIEW message_counts;
DROP VIEW dead_letter_messages;
ALTER TABLE messages ADD COLUMN reminder TEXT;
CREATE TABLE blocked(seq INTEGER PRIMARY KEY);
INSERT INTO blocked SELECT seq FROM messages WHERE state = 2;
ALTER TABLE delayed ADD COLUMN recurrence TEXT;
ALTER TABLE delayed ADD COLUMN entity_type TEXT;
ALTER TABLE delayed ADD COLUMN entity_id TEXT;
CREATE INDEX reminders_by_place ON delayed(place) WHERE recurrence IS NOT NULL;
CREATE INDEX reminders_by_entity ON delayed(entity_type, entity_id, place) WHERE recurrence IS NOT NULL;
ALTER TABLE actor_state RENAME TO former_actor_state;
CREATE TABLE actor_state(
  place INTEGER PRIMARY KEY, entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, state TEXT NOT NULL, expires_at INTEGER,
  UNIQUE (entity_type, entity_id)
);
INSERT INTO actor_state(entity_type, entity_id, state) SELECT entity_type, entity_id, state FROM former_actor_state;
DROP TABLE former_actor_state;
CREATE INDEX actor_state_by_time ON actor_state(expires_at) WHERE expires_at IS NOT NULL;
ALTER TABLE outbox RENAME TO former_outbox;
CREATE TABLE outbox(
  place INTEGER PRIMARY KEY, target_shard INTEGER NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
  append TEXT NOT NULL
);
INSERT INTO outbox SELECT place, target_shard, 0, number, json_object('type', 'append', 'message', json(message))
  FROM former_outbox;
DROP TABLE former_outbox;
DROP TABLE outbox_numbers;
CREATE TABLE outbox_numbers(target_shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, number INTEGER NOT NULL);
UPDATE messages SET payload = json_set(payload,
  '$.blocked', (SELECT count(*) FROM blocked), '$.next_delayed', (SELECT coalesce(max(place), 0) + 1 FROM delayed))
  WHERE seq = 0;
`;

/** The format that the file has. */
export function formatOf(db: SqliteDatabase): number {
  return Number(
    (db.prepare('PRAGMA user_version').get() as { user_version: number | bigint } | undefined)?.user_version,
  );
}

/** Nothing is changed when it fails. */
export function upgradeStore(db: SqliteDatabase): void {
  if (formatOf(db) === FORMAT_VERSION) return;
  atOnce(db, () => {
    db.exec(TO_FORMAT_2);
    db.exec(VIEWS);
    db.exec(`PRAGMA user_version = ${FORMAT_VERSION};`);
  });
}
