/**
 * What an owner keeps in memory of its shard between commits: everything that is small (numbers, messages in flight,
 * pauses, dead letters by type), and some of the messages that wait. Changed only by commits that are applied.
 */
import { type EntityKey, entityKey } from '../../message/entity-key.js';
import { base36 } from '../owner-ids.js';
import type { PausedLine } from '../wal.js';
import type { Changes } from './changes.js';
import type { RedisShardNumbers } from './numbers.js';
import type { Held } from './records.js';

/** Waiting messages that are kept in memory at most. */
const RECENT_MAX = 8_192;

/** Sessions whose stored times are remembered at most. */
const SEEN_MAX = 10_000;
/** The stored time of a session may be so old while it is in use, milliseconds. */
export const SEEN_AGAIN_MS = 300_000;

export interface MemoryContent {
  readonly numbers: RedisShardNumbers;
  readonly lineFormat: number;
  readonly started: readonly Held[];
  readonly paused: readonly (readonly [string, PausedLine])[];
  readonly letterTypes: Readonly<Record<string, number>>;
  /** Of each target shard. */
  readonly outboxNumbers: ReadonlyMap<number, OutboxNumber>;
  readonly outboxLength: number;
}

/** The last number used, and the epoch in which it was. */
export interface OutboxNumber {
  readonly epoch: number;
  readonly number: number;
}

/** The owner and its shard. */
export interface Place {
  readonly shard: number;
  readonly epoch: number;
}

/** What a commit changed of all this. */
export interface AppliedWork {
  readonly numbers: RedisShardNumbers;
  readonly lineFormat: number;
  readonly firstNewSeq: number;
  readonly highestPlain: number;
  readonly highestOther: number;
  readonly line: Changes<number, Held | undefined>;
  readonly paused: Changes<string, PausedLine | undefined>;
  readonly letterTypes: Changes<string, number>;
  readonly outboxNumbers: Changes<number, OutboxNumber>;
  readonly outboxLength: number;
  readonly lastOwn: number | undefined;
  readonly seen: Changes<string, number>;
}

export class OwnerMemory {
  numbers: RedisShardNumbers;
  /** The shard's: what its line may hold. */
  lineFormat: number;
  /** All messages that are dispatched. */
  readonly started: Map<number, Held>;
  readonly paused: Map<string, PausedLine>;
  readonly letterTypes: Map<string, number>;
  readonly outboxNumbers: Map<number, OutboxNumber>;
  outboxLength: number;
  /** How far in the outbox the last message for this shard itself is; undefined: not known. */
  lastOwn: number | undefined;
  /** Producer sessions by the time that is stored for them. */
  readonly #seen = new Map<string, number>();
  /** Highest number of the plain and of the other ids that this owner made and the store has taken. */
  highestPlain = 0;
  highestOther = 0;
  readonly #recent = new Map<number, Held>();
  /** With a complete memory: the places of each entity's messages that are not started. */
  readonly #lines: Map<EntityKey, Set<number>> | undefined;

  /** @param all every message in line, for stores that check starts against the line. */
  constructor(
    content: MemoryContent,
    readonly place: Place,
    readonly idPrefix: string,
    all?: readonly Held[],
  ) {
    this.numbers = content.numbers;
    this.lineFormat = content.lineFormat;
    this.started = new Map(content.started.map((held) => [held.seq, held]));
    this.paused = new Map(content.paused);
    this.letterTypes = new Map(Object.entries(content.letterTypes));
    this.outboxNumbers = new Map(content.outboxNumbers);
    this.outboxLength = content.outboxLength;
    if (content.outboxLength === 0) this.lastOwn = 0;
    if (all === undefined) return;
    this.#lines = new Map();
    for (const held of all) this.#note(held);
  }

  /** Whether every message in line is here. */
  get isComplete(): boolean {
    return this.#lines !== undefined;
  }

  held(seq: number): Held | undefined {
    return this.started.get(seq) ?? this.#recent.get(seq);
  }

  waitingOf(key: EntityKey): Iterable<number> {
    return this.#lines?.get(key) ?? [];
  }

  /** Whether the stored time of this session is too old to leave it. */
  isLongUnseen(session: string, now: number): boolean {
    const at = this.#seen.get(session);
    return at === undefined || Math.abs(now - at) > SEEN_AGAIN_MS;
  }

  /** Keeps messages that were read, as far as there is room. */
  remember(messages: readonly Held[]): void {
    if (this.isComplete) return;
    for (const held of messages) if (!this.started.has(held.seq)) this.#keep(held);
  }

  /** The server has applied this. */
  take(work: AppliedWork): void {
    this.numbers = work.numbers;
    this.lineFormat = work.lineFormat;
    this.highestPlain = work.highestPlain;
    this.highestOther = work.highestOther;
    for (const [seq, held] of work.line) {
      if (seq < work.firstNewSeq) this.#forget(seq);
      if (held !== undefined) this.#note(held);
    }
    for (const [key, line] of work.paused) {
      if (line === undefined) this.paused.delete(key);
      else this.paused.set(key, line);
    }
    for (const [type, letters] of work.letterTypes) this.letterTypes.set(type, letters);
    for (const [target, last] of work.outboxNumbers) this.outboxNumbers.set(target, last);
    this.outboxLength = work.outboxLength;
    this.lastOwn = work.lastOwn;
    if (work.seen.size > 0 && this.#seen.size > SEEN_MAX) this.#seen.clear();
    for (const [session, at] of work.seen) this.#seen.set(session, at);
  }

  #note(held: Held): void {
    if (held.state === 'dispatched') {
      this.started.set(held.seq, held);
      return;
    }
    this.#keep(held);
    if (this.#lines === undefined) return;
    const key = entityKey(held.entityType, held.entityId);
    const places = this.#lines.get(key);
    if (places === undefined) this.#lines.set(key, new Set([held.seq]));
    else places.add(held.seq);
  }

  #keep(held: Held): void {
    if (!this.isComplete && this.#recent.size >= RECENT_MAX) {
      for (const oldest of this.#recent.keys()) {
        this.#recent.delete(oldest);
        break;
      }
    }
    this.#recent.set(held.seq, held);
  }

  #forget(seq: number): void {
    if (this.started.delete(seq)) return;
    const held = this.#recent.get(seq);
    if (held === undefined) return;
    this.#recent.delete(seq);
    if (this.#lines === undefined) return;
    const key = entityKey(held.entityType, held.entityId);
    const places = this.#lines.get(key);
    places?.delete(seq);
    if (places?.size === 0) this.#lines.delete(key);
  }
}

/** The number of an id that this owner made, and whether it is one of a plain message; undefined for ids of others. */
export function ownNumber(prefix: string, id: string): { readonly n: number; readonly isPlain: boolean } | undefined {
  if (!id.startsWith(prefix)) return undefined;
  const isPlain = !id.startsWith('x.', prefix.length);
  const n = base36(id, prefix.length + (isPlain ? 0 : 2));
  return n < 0 ? undefined : { n, isPlain };
}
