/**
 * The part of a shard's outbox that is in memory: its oldest entries, in the store's order, and which of them their targets
 * have. Plain bookkeeping, no I/O. What does not fit stays in the store only and is read when there is room.
 *
 * Invariants: entries are held in the order of the outbox without gaps, so that the ones that may go are always a front;
 * an entry whose target has it holds no payload any more.
 */
import type { OutboxEntry } from '../wal/transition.js';

/** Entries held with their payloads at most, and the characters of those. */
const HELD_MAX = 4_000;
const HELD_CHARACTERS_MAX = 4 * 1024 * 1024;
/** Entries remembered at most, those included that their targets have and that wait for older ones. */
const REMEMBERED_MAX = 50_000;

export interface HeldEntry {
  readonly targetShard: number;
  readonly epoch: number;
  readonly number: number;
  /** Undefined once the target has it. */
  entry: OutboxEntry | undefined;
}

export class OutboxWindow {
  private entries: HeldEntry[] = [];
  private head = 0;
  private held = 0;
  private characters = 0;
  /** The last entry per target that was ever held here: what comes again is known by it. */
  private readonly newest = new Map<number, { readonly epoch: number; readonly number: number }>();

  /** Entries that are remembered. */
  get length(): number {
    return this.entries.length - this.head;
  }

  get hasRoom(): boolean {
    return this.held < HELD_MAX && this.characters < HELD_CHARACTERS_MAX && this.length < REMEMBERED_MAX;
  }

  /** Room enough that reading a page is worth it. */
  get hasRoomForPage(): boolean {
    return (
      this.held <= HELD_MAX / 2 &&
      this.characters <= HELD_CHARACTERS_MAX / 2 &&
      this.length <= REMEMBERED_MAX - HELD_MAX
    );
  }

  /** Takes an entry in behind all others; undefined when it was taken in before. */
  add(entry: OutboxEntry): HeldEntry | undefined {
    const { targetShard, epoch, number } = entry;
    const last = this.newest.get(targetShard);
    if (last !== undefined && (epoch < last.epoch || (epoch === last.epoch && number <= last.number))) return undefined;
    this.newest.set(targetShard, { epoch, number });
    const held: HeldEntry = { targetShard, epoch, number, entry };
    this.entries.push(held);
    this.held += 1;
    this.characters += entry.append.message.payload.length;
    return held;
  }

  /** Its target has it. */
  acknowledged(held: HeldEntry): void {
    if (held.entry === undefined) return;
    this.held -= 1;
    this.characters -= held.entry.append.message.payload.length;
    held.entry = undefined;
  }

  /** Forgets the oldest entries as far as their targets have them; returns how many. */
  takeRelayed(): number {
    const start = this.head;
    while (this.head < this.entries.length && this.entries[this.head]?.entry === undefined) this.head += 1;
    const taken = this.head - start;
    if (this.head * 2 >= this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
    return taken;
  }

  clear(): void {
    this.entries = [];
    this.head = 0;
    this.held = 0;
    this.characters = 0;
  }
}
