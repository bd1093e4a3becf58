/**
 * Whether a message of an entity waits ahead of one that is to start (I4). Without `verify` it knows only what the
 * current commit put in line or back in line: the rest the owner knows itself. With `verify` it asks an index.
 */
import { type EntityKey, entityKey } from '../../message/entity-key.js';
import type { SqliteDatabase } from './driver.js';
import type { Line } from './line.js';
import type { MessageRow } from './rows.js';
import { STATE_DISPATCHED, STATE_ENQUEUED } from './schema.js';
import type { Statements } from './statements.js';
import { fromText, toText } from './text.js';

export interface FirstWaiting {
  readonly seq: number;
  readonly state: number;
  readonly notBefore: number;
}

const SOMEONE: FirstWaiting = { seq: 0, state: STATE_ENQUEUED, notBefore: 0 };

/** Makes the index that `verify` needs, or drops it. */
export function prepareLineIndex(db: SqliteDatabase, verify: boolean): void {
  if (verify) {
    db.exec(
      `CREATE INDEX IF NOT EXISTS waiting_line ON messages(entity_type, entity_id, seq) WHERE state <> ${STATE_DISPATCHED}`,
    );
  } else db.exec('DROP INDEX IF EXISTS waiting_line');
}

export class WaitingLines {
  #tracking = false;
  readonly #keys = new Map<number, EntityKey>();
  readonly #counts = new Map<EntityKey, number>();

  constructor(
    private readonly statements: Statements,
    private readonly line: Line,
    readonly verifies: boolean,
  ) {}

  /** A commit begins; `needed`: it has appends that want to start at once. */
  begin(needed: boolean): void {
    this.#tracking = needed && !this.verifies;
    if (this.#keys.size === 0) return;
    this.#keys.clear();
    this.#counts.clear();
  }

  /** Type and id as they stand in the row. */
  joined(seq: number, entityType: string, entityId: string): void {
    if (!this.#tracking || this.#keys.has(seq)) return;
    const key = entityKey(entityType, entityId);
    this.#keys.set(seq, key);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** The message was started, or is gone. */
  left(seq: number): void {
    const key = this.#keys.get(seq);
    if (key === undefined) return;
    this.#keys.delete(seq);
    const left = (this.#counts.get(key) ?? 1) - 1;
    if (left === 0) this.#counts.delete(key);
    else this.#counts.set(key, left);
  }

  /** The first message of the entity that is in line ahead of this one, started ones included. Only with `verify`. */
  ahead(row: MessageRow): number | undefined {
    const { seq, entity_type: type, entity_id: id } = row;
    const waiting = this.first(fromText(type), fromText(id));
    const started = this.statements.get<{ seq: number | null }>(
      `SELECT min(seq) AS seq FROM messages
        WHERE seq IN (SELECT value FROM json_each(?)) AND entity_type = ? AND entity_id = ?`,
      JSON.stringify(this.line.placesInFlight()),
      type,
      id,
    );
    const first = Math.min(waiting?.seq ?? seq, started?.seq ?? seq);
    return first < seq ? first : undefined;
  }

  /** The first message of the entity that waits or is blocked, as far as it is known. */
  first(entityType: string, entityId: string): FirstWaiting | undefined {
    if (!this.verifies) {
      if (this.#counts.size === 0) return undefined;
      return this.#counts.has(entityKey(toText(entityType), toText(entityId))) ? SOMEONE : undefined;
    }
    this.line.flush();
    const row = this.statements.get<{ seq: number; state: number; not_before: number | null }>(
      `SELECT seq, state, not_before FROM messages INDEXED BY waiting_line
        WHERE entity_type = ? AND entity_id = ? AND state <> ${STATE_DISPATCHED} ORDER BY seq LIMIT 1`,
      toText(entityType),
      toText(entityId),
    );
    return row === undefined ? undefined : { seq: row.seq, state: row.state, notBefore: row.not_before ?? 0 };
  }
}
