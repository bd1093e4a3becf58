/**
 * One commit being worked out: what it would change, laid over what is known. Nothing here is written anywhere; when the
 * server has applied the writes, `OwnerMemory` takes over the result, and otherwise it is dropped.
 */
import { type EntityKey, entityKey } from '../../message/entity-key.js';
import type { AttemptRecord, OutboxEntry, StoredMessage } from '../transition.js';
import type { CommitRequest, PausedLine, ShardRules } from '../wal.js';
import type { StoredState } from './actor-states.js';
import { Changes } from './changes.js';
import type { Facts, FactTable } from './facts.js';
import type { Waiter } from './hints.js';
import { type OutboxNumber, type OwnerMemory, ownNumber } from './memory.js';
import type { RedisShardNumbers } from './numbers.js';
import { type Body, type Held, messageOf } from './records.js';

/** Records of one kind with their changes. */
export class Table<K, V> {
  readonly changes = new Changes<K, V | undefined>();

  constructor(readonly facts: FactTable<K, V>) {}

  get(key: K): V | undefined {
    const changed = this.changes.get(key);
    if (changed !== undefined || this.changes.has(key)) return changed;
    return this.facts.get(key);
  }

  set(key: K, value: V): void {
    this.changes.set(key, value);
  }

  delete(key: K): void {
    this.changes.set(key, undefined);
  }
}

export interface WorkOptions {
  readonly memory: OwnerMemory;
  readonly facts: Facts;
  readonly now: number;
  readonly retention: ShardRules;
  /** Whether the commit has appends that want to start at once. */
  readonly tracksLines: boolean;
  /** What new messages are written in; not lower than the shard's. */
  readonly lineFormat: number;
}

export class Work {
  readonly memory: OwnerMemory;
  readonly facts: Facts;
  readonly now: number;
  readonly retention: ShardRules;
  readonly lineFormat: number;
  readonly numbers: RedisShardNumbers;
  /** No message of the stored shard has this place or a higher one. */
  readonly firstNewSeq: number;
  readonly line = new Changes<number, Held | undefined>();
  readonly bodies: Table<number, Body>;
  readonly pasts: Table<number, readonly AttemptRecord[]>;
  readonly pointers;
  readonly messageIds;
  readonly delayed: Table<number, StoredMessage>;
  readonly letters;
  readonly corpses;
  readonly verdicts;
  /** Members of the sorted sets: their score, or undefined for those that go. */
  readonly due = new Changes<string, number | undefined>();
  readonly kept = new Changes<number, number | undefined>();
  readonly reminders = new Changes<string, number | undefined>();
  readonly stateTimes = new Changes<EntityKey, number | undefined>();
  /** By id: the text of a reply, or undefined for one that goes. */
  readonly replies = new Changes<string, string | undefined>();
  /** The last state that the commit gave to an entity; null: none. */
  readonly states = new Changes<EntityKey, StoredState | null>();
  readonly outgoing: OutboxEntry[] = [];
  readonly outboxNumbers = new Changes<number, OutboxNumber>();
  outboxLength: number;
  /** How far in the outbox the last message for this shard itself is; undefined: not known. */
  lastOwn: number | undefined;
  /** Oldest entries of the outbox that go. */
  relayed = 0;
  readonly paused = new Changes<string, PausedLine | undefined>();
  readonly letterTypes = new Changes<string, number>();
  readonly taken = new Changes<string, number>();
  /** Sessions whose stored time is to be this one. */
  readonly seen = new Changes<string, number>();
  readonly quarantined: string[] = [];
  /** Offers stay in the inbox, which go before whatever this commit might put in line. */
  leavesOffers = false;
  runsUnmarked: CommitRequest['runsUnmarked'];
  /** Who waits elsewhere for a message that the commit ends. */
  readonly waiters: Waiter[] = [];
  highestPlain: number;
  highestOther: number;
  readonly #tracksLines: boolean;
  /** Messages that this commit put in line or back in line and did not start: how many of each entity. */
  readonly #joined = new Changes<EntityKey, number>();
  readonly #joinedKeys = new Changes<number, EntityKey>();

  constructor({ memory, facts, now, retention, tracksLines, lineFormat }: WorkOptions) {
    this.memory = memory;
    this.facts = facts;
    this.now = now;
    this.retention = retention;
    this.lineFormat = lineFormat;
    this.numbers = { ...memory.numbers };
    this.firstNewSeq = memory.numbers.nextSeq;
    this.highestPlain = memory.highestPlain;
    this.highestOther = memory.highestOther;
    this.#tracksLines = tracksLines && !memory.isComplete;
    this.bodies = new Table(facts.bodies);
    this.pasts = new Table(facts.pasts);
    this.pointers = new Table(facts.pointers);
    this.messageIds = new Table(facts.messageIds);
    this.delayed = new Table(facts.delayed);
    this.letters = new Table(facts.letters);
    this.corpses = new Table(facts.corpses);
    this.verdicts = new Table(facts.verdicts);
    this.outboxLength = memory.outboxLength;
    this.lastOwn = memory.lastOwn;
  }

  /** A message that is dispatched; all of them are in memory. */
  started(seq: number): Held | undefined {
    const changed = this.line.get(seq);
    if (changed !== undefined) return changed.state === 'dispatched' ? changed : undefined;
    return this.line.has(seq) ? undefined : this.memory.started.get(seq);
  }

  /** A message in line, in any state. */
  held(seq: number): Held | undefined {
    const changed = this.line.get(seq);
    if (changed !== undefined || this.line.has(seq)) return changed;
    return this.stored(seq);
  }

  /** As `held`, before this commit. */
  stored(seq: number): Held | undefined {
    if (!(seq >= 1 && seq < this.firstNewSeq)) return undefined;
    const known = this.memory.held(seq);
    if (known !== undefined || this.memory.isComplete) return known;
    return this.facts.heads.get(seq);
  }

  message(held: Held): StoredMessage {
    const { seq, bodyInHead } = held;
    const body = this.bodies.changes.get(seq) ?? (bodyInHead ? this.facts.bodiesInHeads : this.facts.bodies).get(seq);
    const past = held.hasPast ? this.pasts.get(held.seq) : undefined;
    if (body === undefined) throw new Error(`The store has lost the content of the message at place ${held.seq}.`);
    return messageOf(held, body, past ?? []);
  }

  /** A message took a place, or another state at its place. */
  put(held: Held): void {
    this.line.set(held.seq, held);
    if (!this.#tracksLines) return;
    if (held.state === 'dispatched') this.#left(held.seq);
    else this.#join(held);
  }

  /** A message left the line. */
  remove(held: Held): void {
    const { seq } = held;
    this.line.set(seq, undefined);
    this.bodies.changes.delete(seq);
    if (held.hasPast) this.pasts.changes.delete(seq);
    if (held.indexed) this.pointers.delete(held.id);
    this.numbers.inLine -= 1;
    if (this.#tracksLines) this.#left(seq);
  }

  /**
   * The first message of the entity that is not started, as far as it is known: a complete memory knows all; otherwise
   * only what this commit put there, and then only that there is someone.
   */
  firstWaiting(entityType: string, entityId: string): Held | 'someone' | undefined {
    const key = entityKey(entityType, entityId);
    if (!this.memory.isComplete) return this.#joined.has(key) ? 'someone' : undefined;
    let first: Held | undefined;
    const look = (held: Held | undefined): void => {
      if (held === undefined || held.state === 'dispatched') return;
      if (first === undefined || held.seq < first.seq) first = held;
    };
    for (const seq of this.memory.waitingOf(key)) look(this.held(seq));
    for (const held of this.line.values())
      if (held !== undefined && held.entityId === entityId && held.entityType === entityType) look(held);
    return first;
  }

  /** The first place of the message's line, started ones included, as far as it is known: otherwise the message's own. */
  firstInLine({ seq, entityType, entityId }: Held): number {
    if (!this.memory.isComplete) return seq;
    let first = seq;
    const look = (held: Held | undefined): void => {
      if (held === undefined || held.seq >= first) return;
      if (held.entityId === entityId && held.entityType === entityType) first = held.seq;
    };
    for (const other of this.memory.waitingOf(entityKey(entityType, entityId))) look(this.held(other));
    for (const other of this.memory.started.keys()) look(this.held(other));
    for (const held of this.line.values()) look(held);
    return first;
  }

  /** The next number to this target shard, in this epoch. */
  nextOutboxNumber(targetShard: number): number {
    const { epoch } = this.memory.place;
    const last = this.outboxNumbers.get(targetShard) ?? this.memory.outboxNumbers.get(targetShard);
    const number = (last?.epoch === epoch ? last.number : 0) + 1;
    this.outboxNumbers.set(targetShard, { epoch, number });
    this.outboxLength += 1;
    if (targetShard === this.memory.place.shard) this.lastOwn = this.outboxLength;
    return number;
  }

  /** How far in the outbox the last message for this shard itself is; 0: there is none. */
  lastOwnOutgoing(): number {
    if (this.outboxLength === 0) return 0;
    return this.lastOwn ?? Math.max(0, this.facts.lastOwnOutgoing(this.memory.place.shard) - this.relayed);
  }

  /** The oldest entries of the outbox go. */
  relay(count: number): void {
    this.relayed += count;
    this.outboxLength -= count;
    if (this.outboxLength === 0) this.lastOwn = 0;
    else if (this.lastOwn !== undefined) this.lastOwn = Math.max(0, this.lastOwn - count);
  }

  /** An offer of this session is taken in. */
  take(session: string, number: number): void {
    this.taken.set(session, number);
    if (this.memory.isLongUnseen(session, this.now)) this.seen.set(session, this.now);
  }

  isPaused(entityType: string, entityId: string): boolean {
    if (this.memory.paused.size === 0 && this.paused.size === 0) return false;
    return this.#hasPause(entityType) || this.#hasPause(entityKey(entityType, entityId));
  }

  #hasPause(key: string): boolean {
    return this.paused.has(key) ? this.paused.get(key) !== undefined : this.memory.paused.has(key);
  }

  /** The id of the offer that is being taken in, when its session made it. */
  idOfOffer: string | undefined;

  /** Whether this owner has just made the id, so that nothing in the store can have it; then it is counted as used. */
  takeNewId(id: string): boolean {
    if (id === this.idOfOffer) return true;
    const own = ownNumber(this.memory.idPrefix, id);
    if (own === undefined) return false;
    const highest = own.isPlain ? this.highestPlain : this.highestOther;
    if (own.n <= highest) return false;
    if (own.isPlain) this.highestPlain = own.n;
    else this.highestOther = own.n;
    return true;
  }

  lettersOfType(entityType: string): number {
    return this.letterTypes.get(entityType) ?? this.memory.letterTypes.get(entityType) ?? 0;
  }

  #join(held: Held): void {
    if (this.#joinedKeys.has(held.seq)) return;
    const key = entityKey(held.entityType, held.entityId);
    this.#joinedKeys.set(held.seq, key);
    this.#joined.set(key, (this.#joined.get(key) ?? 0) + 1);
  }

  #left(seq: number): void {
    const key = this.#joinedKeys.get(seq);
    if (key === undefined) return;
    this.#joinedKeys.delete(seq);
    const left = (this.#joined.get(key) ?? 1) - 1;
    if (left === 0) this.#joined.delete(key);
    else this.#joined.set(key, left);
  }
}
