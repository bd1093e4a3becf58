/**
 * What did not complete: list, look at, put back in line, remove. It reads the store and leaves the changes to whoever
 * may write (`DeadLetterActions`): the owner on its node, or offers from another process.
 *
 * A store may have many shards. They are gone through one after the other, by their numbers: pages are ordered by shard,
 * then by age.
 */
import type { ErrorDescription } from '../message/envelope.js';
import type { AttemptRecord, DeadLetterReason, DeadLetter as StoredLetter } from '../wal/transition.js';
import type { DeadLetterFilterQuery, DeadLetterRef, Wal } from '../wal/wal.js';
import { checkFilter, checkLetterId } from './filter-check.js';

export interface DeadLetterActions {
  /**
   * Does what reads the store as soon as that can be read, and says in the words of callers when it cannot. Those without it
   * read a store that they opened themselves, with filters from input that they have checked: there, undefined is a
   * condition not given.
   */
  call?<T>(action: () => Promise<T>): Promise<T>;
  /**
   * The id of the new message, or undefined when there is no such letter. Resolves when it is durable. `shard` is where
   * the letter was seen.
   */
  replay(id: string, shard: number): Promise<string | undefined>;
  /** False when there is no such letter. */
  purge(id: string, shard: number): Promise<boolean>;
}

export interface DeadLetter {
  readonly id: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
  readonly reason: DeadLetterReason;
  readonly error?: ErrorDescription | undefined;
  /** Attempts started. */
  readonly attempts: number;
  /** Times that an owner was lost while the message was marked as started. */
  readonly interruptions: number;
  /** Ends of the attempts, oldest first. */
  readonly history: readonly AttemptRecord[];
  /** Wall times, milliseconds since the epoch. */
  readonly enqueuedAt: number;
  readonly diedAt: number;
  /** JSON text, as it was sent. */
  readonly payload: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly messageId?: string | undefined;
  /** The dead letter that this message was a replay of. */
  readonly replayOf?: string | undefined;
}

/**
 * Which letters: all conditions that are given must hold; `{}` takes in all. An unknown key, a wrong type and a key whose
 * value is undefined are refused (`INVALID_PAYLOAD`), since they would take in more letters than was meant.
 */
export interface DeadLetterFilter {
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
  /** Wire name of the message. */
  readonly name?: string | undefined;
  readonly reason?: DeadLetterReason | undefined;
  /** Died at or after / before: a Date, or wall milliseconds. */
  readonly since?: number | Date | undefined;
  readonly until?: number | Date | undefined;
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Hand this in as `cursor` for the next page; undefined: this was the last one. It tells the shard and the letter. */
  readonly cursor?: number | undefined;
}

export interface ListOptions extends DeadLetterFilter {
  /** Letters per page, 1 to 1,000. Default 100. A page of large letters ends earlier, after about 8 MB. */
  readonly limit?: number | undefined;
  readonly cursor?: number | undefined;
}

/** Told during long replays and purges. */
export type Progress = (done: number) => void;

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;
/** Letters are read in slices of this many, and a page ends with the slice that brings it to so many characters. */
const SLICE = 25;
const PAGE_CHARACTERS = 8_000_000;
/** Replays and purges handed over at the same time, so that they share commits. */
const BATCH = 200;
/** Shards that are asked for one id at the same time. */
const SHARDS_AT_ONCE = 16;
/** A cursor is the shard's number times this, plus the letter's number: 2^36 letters of a shard, 2^17 shards. */
const CURSOR_LETTERS = 2 ** 36;

/** Letters that one shard has. */
interface ShardPage {
  readonly shard: number;
  readonly letters: readonly DeadLetterRef[];
}

export class DeadLetters {
  /** @param shards the numbers of all shards that there are; asked anew with each call. */
  constructor(
    private readonly wal: Wal,
    private readonly actions: DeadLetterActions,
    private readonly shards: () => readonly number[] | Promise<readonly number[]> = () => [0],
  ) {}

  /** A page of letters: shard by shard, and oldest first within a shard. */
  async list(options: ListOptions = {}): Promise<DeadLetterPage> {
    this.check(options, true);
    return this.call(() => this.page(options));
  }

  private async page(options: ListOptions): Promise<DeadLetterPage> {
    const limit = Math.min(Math.max(1, options.limit ?? PAGE_DEFAULT), PAGE_MAX);
    const filter = query(options);
    const letters: DeadLetter[] = [];
    let cursor = options.cursor;
    let characters = 0;
    for (const shard of await this.shardsFrom(cursor)) {
      let after = lettersSeen(shard, cursor);
      for (;;) {
        if (letters.length >= limit || characters >= PAGE_CHARACTERS) return { letters, cursor };
        const asked = Math.min(SLICE, limit - letters.length);
        const found = await this.wal.deadLetters(shard, { ...filter, after, limit: asked });
        for (const letter of found) {
          letters.push(toLetter(letter));
          characters += letter.message.payload.length;
          after = letter.number;
          cursor = cursorAt(shard, after);
        }
        if (found.length < asked) break;
      }
    }
    return { letters };
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    checkLetterId(id);
    const found = await this.call(() => this.find(id));
    return found === undefined ? undefined : toLetter(found.letter);
  }

  /** How many letters the filter takes in. */
  async count(filter: DeadLetterFilter = {}): Promise<number> {
    this.check(filter);
    return this.call(() => this.countNow(filter));
  }

  private async countNow(filter: DeadLetterFilter): Promise<number> {
    const { wal } = this;
    let count = 0;
    if (wal.deadLetterCount === undefined) {
      for await (const { letters } of this.pages(filter)) count += letters.length;
      return count;
    }
    for (const shard of await this.shardsFrom(undefined)) count += await wal.deadLetterCount(shard, query(filter));
    return count;
  }

  /**
   * Puts a letter back at the end of its entity's line, as a new message that remembers its origin; the letter goes in
   * the same commit (M17). With a filter: every letter that it takes in now.
   */
  replay(id: string): Promise<{ readonly id: string } | undefined>;
  replay(filter: DeadLetterFilter, progress?: Progress): Promise<number>;
  async replay(
    what: string | DeadLetterFilter,
    progress?: Progress,
  ): Promise<{ readonly id: string } | undefined | number> {
    if (typeof what === 'string') {
      const id = await this.one(what, (shard) => this.actions.replay(what, shard));
      return id === undefined ? undefined : { id };
    }
    return this.each(what, async (id, shard) => (await this.actions.replay(id, shard)) !== undefined, progress);
  }

  /** Removes a letter for good; with a filter, every letter that it takes in now. */
  purge(id: string): Promise<boolean>;
  purge(filter: DeadLetterFilter, progress?: Progress): Promise<number>;
  async purge(what: string | DeadLetterFilter, progress?: Progress): Promise<boolean | number> {
    if (typeof what === 'string') {
      return (await this.one(what, (shard) => this.actions.purge(what, shard))) ?? false;
    }
    return this.each(what, (id, shard) => this.actions.purge(id, shard), progress);
  }

  /** Acts on one letter where it is; undefined when it is nowhere. */
  private async one<T>(id: string, act: (shard: number) => Promise<T>): Promise<T | undefined> {
    checkLetterId(id);
    return this.call(async () => {
      const [only, ...others] = await this.shards();
      // One who acts finds out for himself whether the letter is there; only where is the question.
      const shard = others.length === 0 ? only : (await this.find(id))?.shard;
      return shard === undefined ? undefined : act(shard);
    });
  }

  private async each(
    filter: DeadLetterFilter,
    act: (id: string, shard: number) => Promise<boolean>,
    progress: Progress = () => {},
  ): Promise<number> {
    this.check(filter);
    return this.call(() => this.eachNow(filter, act, progress));
  }

  private async eachNow(
    filter: DeadLetterFilter,
    act: (id: string, shard: number) => Promise<boolean>,
    progress: Progress,
  ): Promise<number> {
    // What dies again because of a replay is not taken in a second time: only letters from before this call count.
    const newest = new Map<number, number>();
    for await (const { shard, letters } of this.pages(filter)) newest.set(shard, letters.at(-1)?.number ?? 0);
    let done = 0;
    for (const [shard, last] of newest) {
      for await (const letters of this.pagesOf(shard, filter)) {
        const known = letters.filter((letter) => letter.number <= last);
        for (let start = 0; start < known.length; start += BATCH) {
          const results = await Promise.all(known.slice(start, start + BATCH).map((letter) => act(letter.id, shard)));
          done += results.filter(Boolean).length;
          progress(done);
        }
        if (known.length < letters.length) break;
      }
    }
    return done;
  }

  private async find(id: string): Promise<{ readonly shard: number; readonly letter: StoredLetter } | undefined> {
    const shards = await this.shards();
    for (let start = 0; start < shards.length; start += SHARDS_AT_ONCE) {
      const asked = shards.slice(start, start + SHARDS_AT_ONCE);
      const letters = await Promise.all(asked.map((shard) => this.wal.deadLetter(shard, id)));
      for (const [index, shard] of asked.entries()) {
        const letter = letters[index];
        if (letter !== undefined) return { shard, letter };
      }
    }
    return undefined;
  }

  /** The shards that may have letters behind the cursor, in order. */
  private async shardsFrom(cursor: number | undefined): Promise<readonly number[]> {
    const first = Math.floor((cursor ?? 0) / CURSOR_LETTERS);
    return [...(await this.shards())].filter((shard) => shard >= first).sort((left, right) => left - right);
  }

  private call<T>(action: () => Promise<T>): Promise<T> {
    return this.actions.call === undefined ? action() : this.actions.call(action);
  }

  private check(filter: unknown, paging = false): void {
    checkFilter(filter, { paging, undefinedIsAbsent: this.actions.call === undefined });
  }

  private async *pages(filter: DeadLetterFilter): AsyncGenerator<ShardPage> {
    for (const shard of await this.shardsFrom(undefined)) {
      for await (const letters of this.pagesOf(shard, filter)) yield { shard, letters };
    }
  }

  private async *pagesOf(shard: number, filter: DeadLetterFilter): AsyncGenerator<readonly DeadLetterRef[]> {
    const { wal } = this;
    const limit = wal.deadLetterIds === undefined ? SLICE : PAGE_MAX;
    let after: number | undefined;
    for (;;) {
      const page = { ...query(filter), after, limit };
      const letters = await (wal.deadLetterIds?.(shard, page) ?? wal.deadLetters(shard, page));
      if (letters.length > 0) yield letters;
      if (letters.length < limit) return;
      after = letters.at(-1)?.number;
    }
  }
}

function cursorAt(shard: number, letter: number): number {
  return shard * CURSOR_LETTERS + letter;
}

/** The number of the shard's last letter at or before the cursor; undefined: the cursor is before the shard. */
function lettersSeen(shard: number, cursor = 0): number | undefined {
  const seen = cursor - shard * CURSOR_LETTERS;
  return seen > 0 ? seen : undefined;
}

function query({ entityType, entityId, name, reason, since, until }: DeadLetterFilter): DeadLetterFilterQuery {
  return {
    entityType,
    entityId,
    name,
    reason,
    since: since === undefined ? undefined : Number(since),
    until: until === undefined ? undefined : Number(until),
  };
}

function toLetter({ id, reason, error, diedAt, message }: StoredLetter): DeadLetter {
  const {
    entityType,
    entityId,
    name,
    attempt,
    interruptions,
    history,
    enqueuedAt,
    payload,
    headers,
    messageId,
    replayOf,
  } = message;
  return {
    id,
    entityType,
    entityId,
    name,
    reason,
    error,
    attempts: attempt,
    interruptions,
    history,
    enqueuedAt,
    diedAt,
    payload,
    headers,
    messageId,
    replayOf,
  };
}
