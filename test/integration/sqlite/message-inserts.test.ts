/** Rows of messages are written by several statements; whichever it is, each row stands as it was meant (I1). */
import { expect, it } from 'vitest';
import { defaultDriver } from '../../../src/wal/sqlite/driver.js';
import { insertMessages } from '../../../src/wal/sqlite/message-inserts.js';
import type { MessageRow } from '../../../src/wal/sqlite/rows.js';
import { createStore, FLAG_ID_ROW, STATE_DISPATCHED, STATE_ENQUEUED } from '../../../src/wal/sqlite/schema.js';
import { Statements } from '../../../src/wal/sqlite/statements.js';

function plain(seq: number, changes: Partial<MessageRow> = {}): MessageRow {
  return {
    ...{ seq, state: STATE_ENQUEUED, attempt: 0, flags: 0, not_before: null, expires_at: null },
    ...{ entity_type: 'account', entity_id: `e${seq}`, name: 'Deposit', interruptions: null, id: `id-${seq}` },
    ...{ kind: null, enqueued_at: 1_000, message_id: null, headers: null, history: null, replay_of: null },
    ...{ payload: `{"n":${seq}}`, reminder: null },
    ...changes,
  } as MessageRow;
}

const started: Partial<MessageRow> = { state: STATE_DISPATCHED, attempt: 1 };
const odd: readonly Partial<MessageRow>[] = [
  { entity_type: 'order' },
  { name: 'Withdraw' },
  started,
  { enqueued_at: 999 },
  { expires_at: 5 },
  { headers: '{"a":"b"}' },
  { kind: 'query' },
  { replay_of: 'other' },
  { flags: FLAG_ID_ROW },
];

it.each([1, 15, 16, 17, 31, 32, 33, 48])(
  'writes every column of %i rows that are alike, and of those among them that are not',
  (count) => {
    const batches = [
      Array.from({ length: count }, (_, index) => plain(index + 1)),
      Array.from({ length: count }, (_, index) => plain(index * 2 + 1)),
      ...[1, 2, 3].map((every) =>
        Array.from({ length: count }, (_, index) => plain(index + 1, index % every === 0 ? started : {})),
      ),
      ...odd.flatMap((changes) =>
        [0, count >> 1, count - 1].map((at) =>
          Array.from({ length: count }, (_, index) => plain(index + 1, index === at ? changes : {})),
        ),
      ),
    ];
    for (const rows of batches) {
      const db = defaultDriver().open(':memory:', { readOnly: false });
      createStore(db, 'inserts');
      const statements = new Statements(db);
      insertMessages(statements, rows);
      const written = statements.all<MessageRow>('SELECT * FROM messages WHERE seq > 0 ORDER BY seq');
      expect(written.map((row) => ({ ...row }))).toEqual(rows);
      db.close();
    }
  },
);
