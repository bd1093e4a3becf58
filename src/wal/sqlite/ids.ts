/**
 * Where an id is. Owners make ids as `<prefix>-<n in base 36>` with n growing, and for most messages n is also the `seq`:
 * such a message needs no index, its row is found under `seq` n. Everything else that an id can name (a message at
 * another place, a delayed one, a dead letter, a kept verdict) has pointers in the table `ids`.
 *
 * An id is known to be new without any look-up when its n is above every n that the store has seen with its prefix.
 */
import type { Statements } from './statements.js';
import { toText } from './text.js';

export interface SplitId {
  /** The part before the last hyphen, as SQLite text; the whole id when the rest is no number in base 36. */
  readonly prefix: string;
  /** -1 when there is no number. */
  readonly n: number;
}

export interface IdPlaces {
  readonly seq: number | null;
  readonly delayed: number | null;
  readonly letter: number | null;
  readonly verdict: number | null;
}

export type IdColumn = keyof IdPlaces;

/** 36^10 is below 2^53. */
const DIGITS_MAX = 10;
/** Prefixes remembered in memory; past it all are asked for again. */
const PREFIXES_MAX = 1_000;
const CODE_0 = 48;
const CODE_9 = 57;
const CODE_A = 97;
const CODE_Z = 122;

export function splitId(id: string): SplitId {
  const border = id.lastIndexOf('-');
  const digits = id.length - border - 1;
  if (border < 0 || digits < 1 || digits > DIGITS_MAX || id.charCodeAt(border + 1) === CODE_0)
    return { prefix: toText(id), n: -1 };
  let n = 0;
  for (let index = border + 1; index < id.length; index++) {
    const code = id.charCodeAt(index);
    if (code >= CODE_0 && code <= CODE_9) n = n * 36 + code - CODE_0;
    else if (code >= CODE_A && code <= CODE_Z) n = n * 36 + code - CODE_A + 10;
    else return { prefix: toText(id), n: -1 };
  }
  return { prefix: toText(id.slice(0, border)), n };
}

export class Ids {
  readonly #highest = new Map<string, number>();

  constructor(private readonly statements: Statements) {}

  /** Whether nothing in the store can have this id; then it is counted as seen. `false`: look it up. */
  takeNew(split: SplitId, nextSeq: number): boolean {
    const { prefix, n } = split;
    if (n < 0) return false;
    const highest = this.#highest.get(prefix) ?? this.#read(prefix, nextSeq);
    if (n <= highest) return false;
    this.#highest.set(prefix, n);
    return true;
  }

  /** The pointers of an id, without a message that is in line under `seq` n. */
  pointers(split: SplitId): IdPlaces | undefined {
    return this.statements.get<IdPlaces>(
      'SELECT seq, delayed, letter, verdict FROM ids WHERE prefix = ? AND n = ?',
      split.prefix,
      split.n,
    );
  }

  set(id: string, column: IdColumn, place: number): void {
    const { prefix, n } = splitId(id);
    this.statements.run(
      `INSERT INTO ids(prefix, n, ${column}) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET ${column} = excluded.${column}`,
      prefix,
      n,
      place,
    );
  }

  clear(id: string, column: IdColumn): void {
    const { prefix, n } = splitId(id);
    this.statements.run(`UPDATE ids SET ${column} = NULL WHERE prefix = ? AND n = ?`, prefix, n);
    this.statements.run(
      'DELETE FROM ids WHERE prefix = ? AND n = ? AND seq IS NULL AND delayed IS NULL AND letter IS NULL AND verdict IS NULL',
      prefix,
      n,
    );
  }

  #read(prefix: string, nextSeq: number): number {
    if (this.#highest.size >= PREFIXES_MAX) this.#highest.clear();
    const row = this.statements.get<{ n: number | null }>('SELECT max(n) AS n FROM ids WHERE prefix = ?', prefix);
    const highest = Math.max(nextSeq - 1, row?.n ?? 0);
    this.#highest.set(prefix, highest);
    return highest;
  }
}
