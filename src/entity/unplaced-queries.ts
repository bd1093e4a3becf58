/**
 * Queries that may still be overtaken. A volatile query has no place in the store; it stands behind what came before it on
 * this node. While some of that is on its way to the store it has no place either, and an offer that the store took first
 * goes ahead of it and of the query. So the query is accepted when the last of it has been answered: only from then on may
 * nothing go ahead of it that comes later (I4). Counts one line's appends; the store answers them in their order.
 */
import type { Item } from './item.js';

export class UnplacedQueries {
  private sent = 0;
  private answered = 0;
  private waiting: { readonly query: Item; readonly behind: number }[] | undefined;

  appendSent(): void {
    this.sent += 1;
  }

  /** Returns the queries that have their place now. */
  appendAnswered(): readonly Item[] {
    this.answered += 1;
    if (this.waiting === undefined) return NONE;
    const placed = this.waiting.filter(({ behind }) => behind <= this.answered).map(({ query }) => query);
    this.waiting = this.waiting.filter(({ behind }) => behind > this.answered);
    if (this.waiting.length === 0) this.waiting = undefined;
    return placed;
  }

  /** Whether the query has its place at once; if not, it is waited for. */
  add(query: Item): boolean {
    if (this.sent === this.answered) return true;
    this.waiting ??= [];
    this.waiting.push({ query, behind: this.sent });
    return false;
  }

  /** The query starts, or is dropped; returns whether it had no place yet. */
  takeOut(query: Item): boolean {
    const before = this.waiting?.length ?? 0;
    this.waiting = this.waiting?.filter((each) => each.query !== query);
    const was = before > (this.waiting?.length ?? 0);
    if (this.waiting?.length === 0) this.waiting = undefined;
    return was;
  }
}

const NONE: readonly Item[] = [];
