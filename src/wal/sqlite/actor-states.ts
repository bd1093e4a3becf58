/**
 * The actor states, as the owner writes them: a commit only notes what each entity's state becomes, and the last one of
 * each is written at its end. Owns the table `actor_state`.
 */
import type { Statements } from './statements.js';

interface ActorState {
  /** Both as SQLite text. */
  readonly entityType: string;
  readonly entityId: string;
  /** JSON text; null: the entity has none any more. */
  readonly state: string | null;
  /** Wall time from which it counts as gone; null: never. */
  readonly expiresAt: number | null;
}

/** States that one INSERT takes. Those of one type that are kept as long bind two values each, which is most of the cost. */
const ROWS = 8;
const insert = (rows: number): string => {
  const values = Array.from({ length: rows }, (_, row) => `(?1, ?${2 * row + 3}, ?${2 * row + 4}, ?2)`);
  return `INSERT INTO actor_state(entity_type, entity_id, state, expires_at) VALUES ${values.join(', ')}
  ON CONFLICT DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at`;
};
const INSERT_ONE = insert(1);
const INSERT_MANY = insert(ROWS);

export class ActorStates {
  /** Of the commit at work, under the type's length, the type and the id. */
  readonly #noted = new Map<string, ActorState>();

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
    const values: (string | number | null)[] = [entityType, expiresAt];
    for (const { entityId, state } of alike) values.push(entityId, state);
    this.statements.run(INSERT_MANY, ...values);
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
