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

  /** Takes out the first entry that `matches`; O(n), for rare operations. */
  remove(matches: (entry: MailboxEntry) => boolean): MailboxEntry | undefined {
    const entries = this.entries();
    const index = entries.findIndex(matches);
    if (index < 0) return undefined;
    const [removed] = entries.splice(index, 1);
    this.replaceAll(entries);
    return removed;
  }

  /** Inserts an entry before the first one that `comesAfter` it; O(n), for rare operations. */
  insertBefore(entry: MailboxEntry, comesAfter: (other: MailboxEntry) => boolean): void {
    const entries = this.entries();
    const index = entries.findIndex(comesAfter);
    entries.splice(index < 0 ? entries.length : index, 0, entry);
    this.replaceAll(entries);
  }

  /** A message that took its place from outside: behind smaller places, before the appends that are on their way. */
  insertByPlace(item: Item): void {
    this.insertBefore(
      item,
      (other) => placeOf(other) > item.seq || (typeof other !== 'number' && other.stage === 'appending'),
    );
  }

  /** Puts an item back to where it was: before everything but what has a smaller place. */
  putBack(item: Item): void {
    this.insertBefore(item, (other) => placeOf(other) === 0 || placeOf(other) > item.seq);
  }

  removePlace(seq: number): MailboxEntry | undefined {
    return this.remove((each) => placeOf(each) === seq);
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

  clear(): MailboxEntry[] {
    const all = this.entries();
    this.replaceAll([]);
    return all;
  }

  private replaceAll(entries: readonly MailboxEntry[]): void {
    this.ring = undefined;
    this.head = 0;
    this.count = 0;
    for (const entry of entries) this.push(entry);
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

function placeOf(entry: MailboxEntry): number {
  return typeof entry === 'number' ? entry : entry.seq;
}
