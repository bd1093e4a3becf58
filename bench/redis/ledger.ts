/**
 * The judge of a run: which messages were handled, how often, and in which order. Messages go round the entities, so that
 * the n-th message of entity e is number n × entities + e of all.
 */
import { InvalidRow } from '../run.js';

/** Messages of each entity that one page of marks holds. */
const PAGE = 256;

export class Ledger {
  readonly #next: Uint32Array;
  readonly #seen: Uint8Array[] = [];
  #handled = 0;
  #twice = 0;
  #disorder: string | undefined;

  constructor(readonly entities: number) {
    this.#next = new Uint32Array(entities);
  }

  get handled(): number {
    return this.#handled;
  }

  /** What every system's handler does, and nothing else. */
  see(entity: string, n: number): void {
    const index = Number(entity);
    const expected = this.#next[index] as number;
    if (n !== expected) this.#disorder ??= `entity ${entity} got message ${n} where ${expected} was next`;
    this.#next[index] = n + 1;
    const page = this.#page(Math.floor(n / PAGE));
    const place = (n % PAGE) * this.entities + index;
    if (page[place] !== 0) this.#twice += 1;
    page[place] = 1;
    this.#handled += 1;
  }

  /** @throws InvalidRow when not exactly `sent` messages were handled once each, or in another order than promised. */
  check(sent: number, inOrder: boolean): void {
    if (this.#handled !== sent || this.#twice > 0) {
      throw new InvalidRow(`sent ${sent} messages, ${this.#handled} were handled, ${this.#twice} of them again`);
    }
    if (inOrder && this.#disorder !== undefined) throw new InvalidRow(`order is promised, but ${this.#disorder}`);
  }

  #page(index: number): Uint8Array {
    for (let next = this.#seen.length; next <= index; next += 1) this.#seen.push(new Uint8Array(PAGE * this.entities));
    return this.#seen[index] as Uint8Array;
  }
}
