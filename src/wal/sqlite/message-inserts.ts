/**
 * How rows of messages are written: by the statement that binds the fewest values for them, since binding is most of what a
 * plain row costs (measured, in batches: 3.7 µs with eight values of its own, 2.0 with four).
 */
import type { SqliteValue } from './driver.js';
import type { MessageRow } from './rows.js';
import { STATE_DISPATCHED, STATE_ENQUEUED } from './schema.js';
import type { Statements } from './statements.js';

/** Plain rows that one INSERT takes. */
const ROWS = 16;
const PLAIN_COLUMNS = '(seq, state, attempt, flags, entity_type, entity_id, name, id, enqueued_at, payload)';
const PLAIN_VALUES = '(?1, ?2, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8)';
/** Rows that follow each other share the first's place, the state, the type and the name, and have four values each. */
const ALIKE_VALUES = Array.from({ length: ROWS }, (_, row) => {
  const at = (column: number): string => `?${row * 4 + 4 + column}`;
  return `(?1 + ${row}, ?2, ?2, 0, ?3, ${at(1)}, ?4, ${at(2)}, ${at(3)}, ${at(4)})`;
});
const INSERT_PLAIN = `INSERT INTO messages${PLAIN_COLUMNS} VALUES ${PLAIN_VALUES}`;
const INSERT_ALIKE = `INSERT INTO messages${PLAIN_COLUMNS} VALUES ${ALIKE_VALUES.join(', ')}`;
const INSERT_ANY = `INSERT INTO messages(seq, state, attempt, flags, not_before, expires_at, entity_type, entity_id, name,
  interruptions, id, kind, enqueued_at, message_id, headers, history, replay_of, payload, reminder)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** Writes all rows. */
export function insertMessages(statements: Statements, rows: readonly MessageRow[]): void {
  for (let from = 0; from < rows.length; ) {
    const row = rows[from] as MessageRow;
    if (!isPlain(row)) insertAny(statements, row);
    else if (areAlike(rows, from)) {
      insertAlike(statements, rows, from);
      from += ROWS;
      continue;
    } else insertPlain(statements, row);
    from += 1;
  }
}

/** A row of which only the columns of `INSERT_PLAIN` say something. */
function isPlain(row: MessageRow): boolean {
  return (
    row.flags === 0 &&
    row.expires_at === null &&
    row.headers === null &&
    row.kind === null &&
    row.replay_of === null &&
    row.reminder === null &&
    (row.state === STATE_ENQUEUED || row.state === STATE_DISPATCHED) &&
    row.attempt === row.state
  );
}

/** Whether so many rows from this plain one on go into one statement. */
function areAlike(rows: readonly MessageRow[], from: number): boolean {
  if (from + ROWS > rows.length) return false;
  const first = rows[from] as MessageRow;
  for (let index = 1; index < ROWS; index += 1) {
    const row = rows[from + index] as MessageRow;
    const fits =
      row.seq === first.seq + index &&
      row.state === first.state &&
      row.entity_type === first.entity_type &&
      row.name === first.name &&
      isPlain(row);
    if (!fits) return false;
  }
  return true;
}

function insertAlike(statements: Statements, rows: readonly MessageRow[], from: number): void {
  const { seq, state, entity_type, name } = rows[from] as MessageRow;
  const values: SqliteValue[] = [seq, state, entity_type, name];
  for (let index = from; index < from + ROWS; index += 1) {
    const row = rows[index] as MessageRow;
    values.push(row.entity_id, row.id, row.enqueued_at, row.payload);
  }
  statements.run(INSERT_ALIKE, ...values);
}

function insertPlain(statements: Statements, row: MessageRow): void {
  const { seq, state, entity_type, entity_id, name, id, enqueued_at, payload } = row;
  statements.run(INSERT_PLAIN, seq, state, entity_type, entity_id, name, id, enqueued_at, payload);
}

function insertAny(statements: Statements, row: MessageRow): void {
  statements.run(
    INSERT_ANY,
    row.seq,
    row.state,
    row.attempt,
    row.flags,
    row.not_before,
    row.expires_at,
    row.entity_type,
    row.entity_id,
    row.name,
    row.interruptions,
    row.id,
    row.kind,
    row.enqueued_at,
    row.message_id,
    row.headers,
    row.history,
    row.replay_of,
    row.payload,
    row.reminder,
  );
}
