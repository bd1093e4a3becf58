/** Prepared statements of one connection, each prepared at its first use and kept. */
import type { SqliteDatabase, SqliteRow, SqliteStatement, SqliteValue } from './driver.js';

export class Statements {
  readonly #bySql = new Map<string, SqliteStatement>();

  constructor(readonly db: SqliteDatabase) {}

  /** Returns how many rows it changed. */
  run(sql: string, ...parameters: SqliteValue[]): number {
    return Number(this.#prepared(sql).run(...parameters).changes);
  }

  /** The first row, or undefined. */
  get<Row = SqliteRow>(sql: string, ...parameters: SqliteValue[]): Row | undefined {
    return this.#prepared(sql).get(...parameters) as Row | undefined;
  }

  all<Row = SqliteRow>(sql: string, ...parameters: SqliteValue[]): Row[] {
    return this.#prepared(sql).all(...parameters) as Row[];
  }

  #prepared(sql: string): SqliteStatement {
    const known = this.#bySql.get(sql);
    if (known !== undefined) return known;
    const made = this.db.prepare(sql);
    this.#bySql.set(sql, made);
    return made;
  }
}
