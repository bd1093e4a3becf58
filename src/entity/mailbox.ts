/**
 * The FIFO line of one entity in memory. An entry is an item, or just the place (`seq`) of a message that is in the store
 * only: 8 bytes instead of a whole message, so that a backlog much larger than memory can wait (I10).
 *
 * A ring buffer that grows and shrinks by doubling; nothing is allocated while it is empty, since most entities are.
 */
import type { Item } from './item.js';

export type MailboxEntry = Item | number;

const CAPACITY_MIN = 8;

export class Mailbox {
  private ring: (MailboxEntry | undefined)[] | undefined;
  private head = 0;
  private count = 0;

  get length(): number {
    return this.count;
  }

  peek(): MailboxEntry | undefined {
    return this.count === 0 ? undefined : this.ring?.[this.head];
  }

  peekLast(): MailboxEntry | undefined {
    return this.count === 0 ? undefined : this.at(this.count - 1);
  }

  push(entry: MailboxEntry): void {
    const ring = this.roomFor();
    ring[(this.head + this.count) & (ring.length - 1)] = entry;
    this.count += 1;
  }

  /** Puts an entry back in front of all others: a retried message keeps its place (I4). */
  unshift(entry: MailboxEntry): void {
    const ring = this.roomFor();
    this.head = (this.head - 1) & (ring.length - 1);
    ring[this.head] = entry;
    this.count += 1;
  }

  shift(): MailboxEntry | undefined {
    if (this.count === 0 || this.ring === undefined) return undefined;
    const entry = this.ring[this.head];
    this.ring[this.head] = undefined;
    this.head = (this.head + 1) & (this.ring.length - 1);
    this.count -= 1;
    if (this.count === 0) {
      this.head = 0;
      if (this.ring.length > CAPACITY_MIN) this.ring = undefined;
    } else if (this.ring.length > 64 && this.count <= this.ring.length >> 2) this.resize(this.ring.length >> 1);
    return entry;
  }

  /** Replaces the head in place, when a place number becomes an item. */
  replaceHead(entry: MailboxEntry): void {
    if (this.ring !== undefined && this.count > 0) this.ring[this.head] = entry;
  }

  /** Takes out the first entry that `matches`. Looks from the front; costs as many steps as the entry is away from an end. */
  remove(matches: (entry: MailboxEntry) => boolean): MailboxEntry | undefined {
    for (let index = 0; index < this.count; index += 1) {
      const entry = this.at(index);
      if (matches(entry)) {
        this.removeAt(index);
        return entry;
      }
    }
    return undefined;
  }

  /** The entry at this place, if there is one. */
  find(seq: number): MailboxEntry | undefined {
    for (let index = 0; index < this.count; index += 1) if (placeOf(this.at(index)) === seq) return this.at(index);
    return undefined;
  }

  removePlace(seq: number): MailboxEntry | undefined {
    return this.remove((each) => placeOf(each) === seq);
  }

  /**
   * A message that took its place from outside: behind smaller places, before the appends that are on their way (and what
   * was called after those). Looks from the back, where such a message usually belongs.
   */
  insertByPlace(item: Item): void {
    let index = this.count;
    for (let before = this.count - 1; before >= 0; before -= 1) {
      const other = this.at(before);
      const place = placeOf(other);
      if (place > item.seq || (typeof other !== 'number' && isUnplaced(other))) index = before;
      else if (place !== 0) break;
    }
    this.insertAt(index, item);
  }

  /** Puts an item back to where it was: before everything but what has a smaller place, and a query that is next. */
  putBack(item: Item): void {
    let index = 0;
    while (index < this.count) {
      const entry = this.at(index);
      if (placeOf(entry) > item.seq || !hasPlace(entry)) break;
      index += 1;
    }
    this.insertAt(index, item);
  }

  /** Puts in, in their order, items whose appends are on the way: behind everything with a place, ahead of what came later. */
  putAhead(items: readonly Item[]): void {
    let index = 0;
    while (index < this.count && hasPlace(this.at(index))) index += 1;
    for (const item of items) {
      this.insertAt(index, item);
      index += 1;
    }
  }

  /** A copy of the entries in order. */
  entries(): MailboxEntry[] {
    const all: MailboxEntry[] = [];
    for (let index = 0; index < this.count; index += 1) {
      const ring = this.ring as (MailboxEntry | undefined)[];
      all.push(ring[(this.head + index) & (ring.length - 1)] as MailboxEntry);
    }
    return all;
  }

  private at(index: number): MailboxEntry {
    const ring = this.ring as (MailboxEntry | undefined)[];
    return ring[(this.head + index) & (ring.length - 1)] as MailboxEntry;
  }

  private setAt(index: number, entry: MailboxEntry): void {
    const ring = this.ring as (MailboxEntry | undefined)[];
    ring[(this.head + index) & (ring.length - 1)] = entry;
  }

  /** Opens a gap by moving the shorter side. */
  private insertAt(index: number, entry: MailboxEntry): void {
    if (index <= this.count >> 1) {
      this.unshift(entry);
      for (let to = 0; to < index; to += 1) this.setAt(to, this.at(to + 1));
    } else {
      this.push(entry);
      for (let to = this.count - 1; to > index; to -= 1) this.setAt(to, this.at(to - 1));
    }
    this.setAt(index, entry);
  }

  /** Closes the gap by moving the front. */
  private removeAt(index: number): void {
    for (let to = index; to > 0; to -= 1) this.setAt(to, this.at(to - 1));
    this.shift();
  }

  private roomFor(): (MailboxEntry | undefined)[] {
    if (this.ring === undefined) this.ring = new Array<MailboxEntry | undefined>(CAPACITY_MIN).fill(undefined);
    if (this.count === this.ring.length) this.resize(this.ring.length * 2);
    return this.ring;
  }

  private resize(capacity: number): void {
    const entries = this.entries();
    const ring = new Array<MailboxEntry | undefined>(capacity).fill(undefined);
    entries.forEach((entry, index) => {
      ring[index] = entry;
    });
    this.ring = ring;
    this.head = 0;
  }
}

/** Its append is on the way; its handler may be at work on a run that no longer counts. */
function isUnplaced(item: Item): boolean {
  return item.stage === 'appending' || (item.early === 'dropped' && item.seq === 0);
}

/** A query that is next counts as if it had one. */
function hasPlace(entry: MailboxEntry): boolean {
  return typeof entry === 'number' || entry.seq > 0 || entry.isNext;
}

function placeOf(entry: MailboxEntry): number {
  return typeof entry === 'number' ? entry : entry.seq;
}
