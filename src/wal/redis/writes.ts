/**
 * The writes of a commit as the keys and arguments of the commit script: one command for each key, however many records it
 * changes. Owns nothing.
 */
import { stateText } from './actor-states.js';
import { Changes } from './changes.js';
import { bucketOf, type ShardKeys } from './keys.js';
import { type Body, bodyText, type Held, headText, headWithBody } from './records.js';
import { bucketOfName, toField } from './text.js';
import type { Table, Work } from './work.js';

/** Arguments of one command at most: Lua cannot unpack more than some 8,000 (M3). Even, for pairs. */
const ARGUMENTS_MAX = 2_000;
/** Unusable offers that are kept. */
const QUARANTINE_MAX = 1_000;

export class Writes {
  /** Of the script: meta, inbox, types, and each key that is written. */
  readonly keys: string[];
  readonly #indexes = new Map<string, number>();
  readonly #deletes = new Map<string, string[]>();
  readonly #sets = new Map<string, string[]>();
  readonly #first: string[] = [];
  readonly #last: string[] = [];
  readonly #published: string[] = [];

  constructor(shard: ShardKeys) {
    this.keys = [shard.meta, shard.inbox, shard.types];
    for (const [index, key] of this.keys.entries()) this.#indexes.set(key, index + 1);
  }

  get isEmpty(): boolean {
    return this.#sets.size === 0 && this.#deletes.size === 0 && this.#first.length === 0 && this.#last.length === 0;
  }

  hdel(key: string, field: string): void {
    const fields = this.#deletes.get(key);
    if (fields === undefined) this.#deletes.set(key, [field]);
    else fields.push(field);
  }

  hset(key: string, field: string, value: string): void {
    const pairs = this.#sets.get(key);
    if (pairs === undefined) this.#sets.set(key, [field, value]);
    else pairs.push(field, value);
  }

  /** A command that goes before or after those on hashes. */
  first(command: string, key: string, ...args: string[]): void {
    this.#first.push(command, this.#index(key), String(args.length), ...args);
  }

  last(command: string, key: string, args: readonly string[]): void {
    for (let at = 0; at < args.length; at += ARGUMENTS_MAX) {
      const piece = args.slice(at, at + ARGUMENTS_MAX);
      this.#last.push(command, this.#index(key), String(piece.length), ...piece);
    }
  }

  /** Channels and texts in turn. */
  publish(channelsAndTexts: readonly string[]): void {
    for (let at = 0; at < channelsAndTexts.length; at += 2)
      this.#published.push('PUBLISH', '0', '2', channelsAndTexts[at] as string, channelsAndTexts[at + 1] as string);
  }

  /** Appends all commands to the script's arguments. Not to be called twice. */
  writeTo(args: string[]): void {
    for (const arg of this.#first) args.push(arg);
    // A hash that is emptied and filled again is made smaller and larger each time, which doubles the cost (measured).
    this.#write(args, 'HSET', this.#sets);
    this.#write(args, 'HDEL', this.#deletes);
    for (const arg of this.#last) args.push(arg);
    for (const arg of this.#published) args.push(arg);
  }

  #write(args: string[], command: string, byKey: ReadonlyMap<string, readonly string[]>): void {
    for (const [key, values] of byKey) {
      const index = this.#index(key);
      for (let at = 0; at < values.length; at += ARGUMENTS_MAX) {
        const end = Math.min(values.length, at + ARGUMENTS_MAX);
        args.push(command, index, String(end - at));
        for (let place = at; place < end; place++) args.push(values[place] as string);
      }
    }
  }

  #index(key: string): string {
    const known = this.#indexes.get(key);
    if (known !== undefined) return String(known);
    this.keys.push(key);
    this.#indexes.set(key, this.keys.length);
    return String(this.keys.length);
  }

  /** Everything that the commit changes. */
  static of(work: Work, shard: ShardKeys, taken: number): Writes {
    const writes = new Writes(shard);
    // With or before the first message of the newer format, or a reader of the older one could meet it.
    if (work.lineFormat > work.memory.lineFormat) writes.hset(shard.meta, 'format', String(work.lineFormat));
    if (taken > 0) {
      writes.first('LTRIM', shard.inbox, String(taken), '-1');
      writes.last('LSET', shard.inbox, ['0', '']);
      for (const [session, number] of work.taken) writes.hset(shard.taken, toField(session), String(number));
    }
    const blocked = new Changes<number, number | undefined>();
    for (const [seq, held] of work.line) {
      const before = seq < work.firstNewSeq ? work.stored(seq) : undefined;
      if (held === undefined) {
        if (before !== undefined) removeFromLine(writes, shard, seq, before);
      } else if (before === undefined) writeNew(writes, shard, held, work.bodies.changes.get(seq));
      else writeLine(writes, shard, held, before);
      const isBlocked = held?.state === 'blocked';
      if (isBlocked !== (before?.state === 'blocked')) blocked.set(seq, isBlocked ? seq : undefined);
    }
    for (const table of [work.pasts, work.delayed, work.letters, work.corpses, work.verdicts])
      writeTable(writes, shard, table as Table<number, unknown>);
    for (const table of [work.pointers, work.messageIds]) writeTable(writes, shard, table as Table<string, unknown>);
    writeSorted(writes, shard.due, work.due);
    writeSorted(writes, shard.kept, work.kept, (order) => String(order).padStart(16, '0'));
    for (const [id, reply] of work.replies) {
      const bucket = shard.replies[bucketOfName(id)] as string;
      if (reply === undefined) writes.hdel(bucket, toField(id));
      else writes.hset(bucket, toField(id), reply);
    }
    for (const [key, state] of work.states) {
      const bucket = shard.states[bucketOfName(key)] as string;
      if (state === null) writes.hdel(bucket, toField(key));
      else writes.hset(bucket, toField(key), stateText(state));
    }
    writeSorted(writes, shard.blocked, blocked);
    writeSorted(writes, shard.reminders, work.reminders);
    writeSorted(writes, shard.stateTimes, work.stateTimes, toField);
    writeSorted(writes, shard.sessions, work.seen, toField);
    for (const [key, line] of work.paused) {
      if (line === undefined) writes.hdel(shard.paused, toField(key));
      else writes.hset(shard.paused, toField(key), JSON.stringify(line));
    }
    for (const [type, letters] of work.letterTypes) {
      if (letters > 0) writes.hset(shard.letterTypes, toField(type), String(letters));
      else writes.hdel(shard.letterTypes, toField(type));
    }
    writeOutbox(writes, shard, work);
    if (work.quarantined.length > 0) {
      writes.last('RPUSH', shard.quarantine, work.quarantined);
      writes.last('KEEP', shard.quarantine, [String(QUARANTINE_MAX)]);
    }
    return writes;
  }
}

/** What goes is the oldest, whatever came in this commit. */
function writeOutbox(writes: Writes, shard: ShardKeys, { outgoing, relayed, outboxNumbers }: Work): void {
  if (outgoing.length > 0)
    writes.last(
      'RPUSH',
      shard.outbox,
      outgoing.map((entry) => JSON.stringify(entry)),
    );
  for (const [target, { epoch, number }] of outboxNumbers)
    writes.hset(shard.outboxNumbers, String(target), `${epoch} ${number}`);
  if (relayed === 0) return;
  writes.last('LTRIM', shard.outbox, [String(relayed), '-1']);
  writes.last('LSET', shard.outbox, ['0', '']);
}

function removeFromLine(writes: Writes, shard: ShardKeys, seq: number, before: Held): void {
  const bucket = bucketOf(seq);
  const field = String(seq);
  writes.hdel(shard.heads[bucket] as string, field);
  if (!before.bodyInHead) writes.hdel(shard.bodies[bucket] as string, field);
  if (before.state === 'dispatched') writes.hdel(shard.run, field);
  if (before.hasPast) writes.hdel(shard.pasts[bucket] as string, field);
}

function writeNew(writes: Writes, shard: ShardKeys, held: Held, body: Body | undefined): void {
  if (body === undefined) throw new Error(`The message at place ${held.seq} is new and has no content.`);
  const bucket = bucketOf(held.seq);
  const field = String(held.seq);
  const heads = shard.heads[bucket] as string;
  if (held.bodyInHead) writes.hset(heads, field, headWithBody(headText(held), bodyText(body)));
  else {
    writes.hset(heads, field, headText(held));
    writes.hset(shard.bodies[bucket] as string, field, bodyText(body));
  }
  if (held.state === 'dispatched') writes.hset(shard.run, field, String(held.attempt));
}

function writeLine(writes: Writes, shard: ShardKeys, held: Held, before: Held): void {
  const field = String(held.seq);
  if (isOtherHead(before, held)) {
    const heads = shard.heads[bucketOf(held.seq)] as string;
    // The owner does not have the body: the server keeps what stands behind the line break.
    if (held.bodyInHead) writes.last('REHEAD', heads, [field, headText(held)]);
    else writes.hset(heads, field, headText(held));
  }
  if (held.state === 'dispatched') {
    if (before.state !== 'dispatched' || before.attempt !== held.attempt)
      writes.hset(shard.run, field, String(held.attempt));
  } else if (before.state === 'dispatched') writes.hdel(shard.run, field);
}

/** Whether the texts of the heads differ. */
function isOtherHead(before: Held, after: Held): boolean {
  return (
    waits(before) !== waits(after) ||
    (before.state === 'blocked') !== (after.state === 'blocked') ||
    before.interruptions !== after.interruptions ||
    before.notBefore !== after.notBefore ||
    before.hasPast !== after.hasPast
  );
}

function waits({ state, attempt }: Held): number {
  return state === 'dispatched' ? attempt - 1 : attempt;
}

function writeTable<K>(writes: Writes, shard: ShardKeys, table: Table<K, unknown>): void {
  const { facts, changes } = table;
  if (changes.size === 0) return;
  const { layout } = facts;
  for (const [key, value] of changes) {
    if (value !== undefined) writes.hset(layout.key(shard, key), layout.field(key), layout.encode(value));
    else if (facts.mayBeStored(key)) writes.hdel(layout.key(shard, key), layout.field(key));
  }
}

function writeSorted<K>(
  writes: Writes,
  key: string,
  changes: Changes<K, number | undefined>,
  member: (name: K) => string = String,
): void {
  if (changes.size === 0) return;
  const removed: string[] = [];
  const added: string[] = [];
  for (const [name, score] of changes) {
    if (score === undefined) removed.push(member(name));
    else added.push(String(score), member(name));
  }
  writes.last('ZREM', key, removed);
  writes.last('ZADD', key, added);
}
