/**
 * The actor states, as the owner writes them: a commit only notes what each entity's state becomes, and the last one of
 * each is written at its end. Owns the table `actor_state`.
 */
import type { SqliteValue } from './driver.js';
import type { Statements } from './statements.js';

interface ActorState {
  /** Both as SQLite text. */
  readonly entityType: string;
  readonly entityId: string;
  /** JSON text, which has no NUL in it; null: the entity has none any more. */
  readonly state: string | null;
  /** Wall time from which it counts as gone; null: never. */
  readonly expiresAt: number | null;
}

/**
 * States that one INSERT takes. Those of one type that are kept as long bind two values each, which is most of the cost; a
 * text of 1 KiB as bytes takes half as long as the text itself (measured: 0.5 and 0.9 µs).
 */
const ROWS = 8;
const insert = (rows: number): string => {
  const values = Array.from({ length: rows }, (_, row) => `(?1, ?${2 * row + 3}, CAST(?${2 * row + 4} AS TEXT), ?2)`);
  return `INSERT INTO actor_state(entity_type, entity_id, state, expires_at) VALUES ${values.join(', ')}
  ON CONFLICT DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at`;
};
const INSERT_ONE = insert(1);
const INSERT_MANY = insert(ROWS);
/** Room for the bytes of what one INSERT takes; what does not fit is bound as text. */
const SCRATCH_BYTES = 64 * 1024;
/** A UTF-16 unit takes no more than three bytes. */
const UNIT_BYTES_MAX = 3;

export class ActorStates {
  /** Of the commit at work, under the type's length, the type and the id. */
  readonly #noted = new Map<string, ActorState>();
  #scratch: Buffer | undefined;
  #scratchUsed = 0;

  constructor(private readonly statements: Statements) {}

  /** Type and id as SQLite text. */
  note(entityType: string, entityId: string, state: string | null, expiresAt: number | null): void {
    this.#noted.set(`${entityType.length}:${entityType}${entityId}`, { entityType, entityId, state, expiresAt });
  }

  /** Writes what was noted. */
  flush(): void {
    if (this.#noted.size === 0) return;
    let alike: ActorState[] = [];
    for (const noted of this.#noted.values()) {
      if (noted.state === null) {
        const { entityType, entityId } = noted;
        this.statements.run('DELETE FROM actor_state WHERE entity_type = ? AND entity_id = ?', entityType, entityId);
        continue;
      }
      const [first] = alike;
      const fits = first?.entityType === noted.entityType && first.expiresAt === noted.expiresAt;
      if (alike.length === ROWS || (first !== undefined && !fits)) {
        this.#write(alike);
        alike = [];
      }
      alike.push(noted);
    }
    this.#write(alike);
    this.#noted.clear();
  }

  /** States of one type that are kept as long. */
  #write(alike: readonly ActorState[]): void {
    const [first] = alike;
    if (first === undefined) return;
    const { entityType, expiresAt } = first;
    if (alike.length < ROWS) {
      for (const { entityId, state } of alike) this.statements.run(INSERT_ONE, entityType, expiresAt, entityId, state);
      return;
    }
    const values: SqliteValue[] = [entityType, expiresAt];
    this.#scratchUsed = 0;
    for (const { entityId, state } of alike) values.push(entityId, this.#bytesOf(state as string));
    this.statements.run(INSERT_MANY, ...values);
  }

  /** Good until the next INSERT: the driver copies what it binds. */
  #bytesOf(text: string): Uint8Array | string {
    const from = this.#scratchUsed;
    if (text.length * UNIT_BYTES_MAX > SCRATCH_BYTES - from) return text;
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    const length = this.#scratch.write(text, from);
    this.#scratchUsed = from + length;
    return new Uint8Array(this.#scratch.buffer, from, length);
  }

  rolledBack(): void {
    this.#noted.clear();
  }

  hasExpired(now: number): boolean {
    return this.statements.get('SELECT 1 FROM actor_state WHERE expires_at <= ? LIMIT 1', now) !== undefined;
  }

  /** Removes states whose time is up, the earliest first. Returns how many. */
  forgetExpired(limit: number, now: number): number {
    return this.statements.run(
      `DELETE FROM actor_state WHERE (entity_type, entity_id) IN
        (SELECT entity_type, entity_id FROM actor_state WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
      now,
      limit,
    );
  }
}
