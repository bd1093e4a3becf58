/**
 * Looking for dead letters by condition: whole ones, their ids only, or how many. A thousand rows at a time, so that a
 * search that finds nothing does not hold the event loop. The conditions are columns ahead of the message, so that what
 * is only counted or named costs no reading of payloads.
 */
import type { DeadLetter } from '../transition.js';
import type { DeadLetterFilterQuery, DeadLetterQuery, DeadLetterRef } from '../wal.js';
import type { SqliteValue } from './driver.js';
import { LETTER_COLUMNS, type LetterRow, letterOfRow } from './records.js';
import type { Statements } from './statements.js';
import { fromText, toText } from './text.js';

/** Dead letters that a search looks at before it lets the event loop go on. */
const SEARCH_ROWS = 1_000;

interface Conditions {
  readonly sql: string;
  readonly values: readonly SqliteValue[];
}

export async function findLetters(statements: Statements, query: DeadLetterQuery): Promise<DeadLetter[]> {
  return (await search<LetterRow>(statements, LETTER_COLUMNS, query)).map(letterOfRow);
}

export async function findLetterIds(statements: Statements, query: DeadLetterQuery): Promise<DeadLetterRef[]> {
  const rows = await search<{ id: string; number: number }>(statements, 'id, number', query);
  return rows.map(({ id, number }) => ({ id: fromText(id), number }));
}

export async function countLetters(statements: Statements, filter: DeadLetterFilterQuery): Promise<number> {
  const { sql, values } = conditionsOf(filter);
  const counting = `SELECT count(*) AS found FROM dead_letters WHERE number > ? AND number <= ?${sql}`;
  let found = 0;
  for (let after = 0, last = sliceEnd(statements, after); last !== undefined; last = sliceEnd(statements, after)) {
    found += statements.get<{ found: number }>(counting, after, last, ...values)?.found ?? 0;
    after = last;
    await nextTurn();
  }
  return found;
}

async function search<Row>(statements: Statements, columns: string, query: DeadLetterQuery): Promise<Row[]> {
  const { limit } = query;
  const { sql, values } = conditionsOf(query);
  const selecting = `SELECT ${columns} FROM dead_letters WHERE number > ? AND number <= ?${sql} ORDER BY number LIMIT ?`;
  const found: Row[] = [];
  let after = query.after ?? 0;
  while (found.length < limit) {
    const last = sliceEnd(statements, after);
    if (last === undefined) break;
    for (const row of statements.all<Row>(selecting, after, last, ...values, limit - found.length)) found.push(row);
    after = last;
    if (found.length < limit) await nextTurn();
  }
  return found;
}

function conditionsOf(filter: DeadLetterFilterQuery): Conditions {
  const { entityType, entityId, name, reason, since, until } = filter;
  const wanted: [string, SqliteValue | undefined][] = [
    ['entity_type = ?', entityType],
    ['entity_id = ?', entityId],
    ['name = ?', name],
    ['reason = ?', reason],
    ['died_at >= ?', since],
    ['died_at < ?', until],
  ];
  const given = wanted.filter((part): part is [string, SqliteValue] => part[1] !== undefined);
  return {
    sql: given.map(([sql]) => ` AND ${sql}`).join(''),
    values: given.map(([, value]) => (typeof value === 'string' ? toText(value) : value)),
  };
}

/** The number of the last letter of the next slice; undefined when there is none. */
function sliceEnd(statements: Statements, after: number): number | undefined {
  const sql =
    'SELECT max(number) AS number FROM (SELECT number FROM dead_letters WHERE number > ? ORDER BY number LIMIT ?)';
  return statements.get<{ number: number | null }>(sql, after, SEARCH_ROWS)?.number ?? undefined;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
