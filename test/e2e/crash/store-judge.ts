/** The second judge: SQLite's own check of the files, and what the views for people say. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { defaultDriver, type SqliteDatabase } from '../../../src/wal/sqlite/driver.js';

export interface StoreContents {
  readonly pending: readonly string[];
  readonly letters: ReadonlyMap<string, string>;
}

export function judgeStore(folder: string): readonly string[] {
  const violations: string[] = [];
  for (const file of ['store.db', 'store.db-inbox']) {
    if (!existsSync(join(folder, file))) continue;
    const found = withDatabase(join(folder, file), (db) => db.prepare('PRAGMA integrity_check').all());
    const words = JSON.stringify(found);
    if (words !== '[{"integrity_check":"ok"}]') violations.push(`integrity_check of ${file}: ${words}`);
  }
  const counts = withDatabase(join(folder, 'store.db'), (db) => db.prepare('SELECT * FROM message_counts').get());
  const { pending, dead_letters: letters } = counts as { pending: number; dead_letters: number };
  const { pending: inLine, letters: dead } = readStore(folder);
  if (pending !== inLine.length) violations.push(`the store counts ${pending} pending and lists ${inLine.length}`);
  if (letters !== dead.size) violations.push(`the store counts ${letters} dead letters and lists ${dead.size}`);
  return violations;
}

export function readStore(folder: string): StoreContents {
  return withDatabase(join(folder, 'store.db'), (db) => {
    const pending = db.prepare('SELECT id FROM pending_messages').all() as { id: string }[];
    const letters = db.prepare('SELECT id, reason FROM dead_letter_messages').all() as { id: string; reason: string }[];
    return {
      pending: pending.map(({ id }) => id),
      letters: new Map(letters.map(({ id, reason }) => [id, reason])),
    };
  });
}

function withDatabase<T>(path: string, read: (db: SqliteDatabase) => T): T {
  const db = defaultDriver().open(path, { readOnly: true });
  try {
    return read(db);
  } finally {
    db.close();
  }
}
