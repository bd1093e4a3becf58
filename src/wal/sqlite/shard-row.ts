/**
 * What is kept of the shard as a whole: who owns it, and its single numbers. The owner keeps the numbers in memory and
 * writes them with each commit; everyone else reads them. The row of the numbers carries the owner's epoch in its column
 * `attempt`, so that the write of a former owner finds no row.
 */
import type { FinalState, ShardCounts } from '../transition.js';
import type { PausedLine } from '../wal.js';
import type { Statements } from './statements.js';
import { fromText } from './text.js';

/** Changed in place while a commit is at work; a refused commit puts a copy back. */
export interface ShardNumbers extends Record<FinalState, number> {
  next_seq: number;
  next_letter: number;
  /** Order of the next delayed message; never given twice, for it is the cursor of pages of reminders. */
  next_delayed: number;
  /** Messages that are `dispatched`. */
  in_flight: number;
  /** Kept verdicts. */
  verdicts: number;
  accepted: number;
  dead_letters: number;
  /** Messages that are `blocked`. */
  blocked: number;
}

export interface ShardOwnership {
  readonly epoch: number;
  /** Null while nobody owns the shard. */
  readonly incarnation: string | null;
}

export const NEW_NUMBERS: Readonly<ShardNumbers> = {
  next_seq: 1,
  next_letter: 1,
  next_delayed: 1,
  in_flight: 0,
  verdicts: 0,
  accepted: 0,
  completed: 0,
  failed: 0,
  interrupted: 0,
  expired: 0,
  cancelled: 0,
  dead_letters: 0,
  blocked: 0,
};

export function readOwnership(statements: Statements): ShardOwnership {
  const row = statements.get<ShardOwnership>('SELECT epoch, incarnation FROM shard WHERE one = 1');
  if (row === undefined) throw new Error('The store has lost the row of its shard.');
  return row;
}

export function takeOwnership(statements: Statements, epoch: number, incarnation: string): void {
  statements.run('UPDATE shard SET epoch = ?, incarnation = ? WHERE one = 1', epoch, incarnation);
  statements.run('UPDATE messages SET attempt = ? WHERE seq = 0', epoch);
}

/** Does nothing when another owner has taken over. */
export function giveUpOwnership(statements: Statements, epoch: number): void {
  statements.run('UPDATE shard SET incarnation = NULL WHERE one = 1 AND epoch = ?', epoch);
}

export function readNumbers(statements: Statements): ShardNumbers {
  const row = statements.get<{ payload: string }>('SELECT payload FROM messages WHERE seq = 0');
  if (row === undefined) throw new Error('The store has lost the row of its numbers.');
  return JSON.parse(row.payload) as ShardNumbers;
}

/** False when the store is at another epoch; then nothing was written. */
export function writeNumbers(statements: Statements, numbers: ShardNumbers, epoch: number): boolean {
  const sql = 'UPDATE messages SET payload = ? WHERE seq = 0 AND attempt = ?';
  return statements.run(sql, JSON.stringify(numbers), epoch) === 1;
}

export function readPaused(statements: Statements): PausedLine[] {
  const rows = statements.all<{ entity_type: string; entity_id: string | null }>('SELECT * FROM paused ORDER BY rowid');
  return rows.map(({ entity_type: type, entity_id: id }) => {
    const entityType = fromText(type);
    return id === null ? { entityType } : { entityType, entityId: fromText(id) };
  });
}

export function countsOf(n: ShardNumbers): ShardCounts {
  const { accepted, completed, failed, interrupted, expired, cancelled, blocked } = n;
  const pending = accepted - completed - failed - interrupted - expired - cancelled;
  return {
    accepted,
    completed,
    failed,
    interrupted,
    expired,
    cancelled,
    pending,
    deadLetters: n.dead_letters,
    blocked,
  };
}
