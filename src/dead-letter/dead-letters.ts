/**
 * What did not complete: list, look at, put back in line, remove. It reads the store and leaves the changes to whoever
 * may write (`DeadLetterActions`): the owner on its node, or offers from another process.
 */
import type { ErrorDescription } from '../message/envelope.js';
import type { AttemptRecord, DeadLetterReason, DeadLetter as StoredLetter } from '../wal/transition.js';
import type { DeadLetterFilterQuery, DeadLetterRef, Wal } from '../wal/wal.js';
import { checkFilter, checkLetterId } from './filter-check.js';

export interface DeadLetterActions {
  /**
   * Resolves when the store can be read; rejects when it cannot be any more. Callers without it read a store that they
   * opened themselves, with filters from input that they have checked: there, undefined is a condition not given.
   */
  ready?(): Promise<void>;
  /** The id of the new message, or undefined when there is no such letter. Resolves when it is durable. */
  replay(id: string): Promise<string | undefined>;
  /** False when there is no such letter. */
  purge(id: string): Promise<boolean>;
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
  /** Hand this in as `cursor` for the next page; undefined: this was the last one. */
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

export class DeadLetters {
  constructor(
    private readonly wal: Wal,
    private readonly actions: DeadLetterActions,
    private readonly shard = 0,
  ) {}

  /** A page of letters, oldest first. */
  async list(options: ListOptions = {}): Promise<DeadLetterPage> {
    this.check(options, true);
    await this.actions.ready?.();
    const limit = Math.min(Math.max(1, options.limit ?? PAGE_DEFAULT), PAGE_MAX);
    const filter = query(options);
    const letters: DeadLetter[] = [];
    let cursor = options.cursor;
    for (let characters = 0; letters.length < limit && characters < PAGE_CHARACTERS; ) {
      const asked = Math.min(SLICE, limit - letters.length);
      const found = await this.wal.deadLetters(this.shard, { ...filter, after: cursor, limit: asked });
      for (const letter of found) {
        letters.push(toLetter(letter));
        characters += letter.message.payload.length;
      }
      if (found.length < asked) return { letters };
      cursor = found.at(-1)?.number;
    }
    return { letters, cursor };
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    checkLetterId(id);
    await this.actions.ready?.();
    const letter = await this.wal.deadLetter(this.shard, id);
    return letter === undefined ? undefined : toLetter(letter);
  }

  /** How many letters the filter takes in. */
  async count(filter: DeadLetterFilter = {}): Promise<number> {
    this.check(filter);
    await this.actions.ready?.();
    const { wal, shard } = this;
    if (wal.deadLetterCount !== undefined) return wal.deadLetterCount(shard, query(filter));
    let count = 0;
    for await (const letters of this.pages(filter)) count += letters.length;
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
      checkLetterId(what);
      const id = await this.actions.replay(what);
      return id === undefined ? undefined : { id };
    }
    return this.each(what, async (id) => (await this.actions.replay(id)) !== undefined, progress);
  }

  /** Removes a letter for good; with a filter, every letter that it takes in now. */
  purge(id: string): Promise<boolean>;
  purge(filter: DeadLetterFilter, progress?: Progress): Promise<number>;
  async purge(what: string | DeadLetterFilter, progress?: Progress): Promise<boolean | number> {
    if (typeof what === 'string') {
      checkLetterId(what);
      return this.actions.purge(what);
    }
    return this.each(what, (id) => this.actions.purge(id), progress);
  }

  private async each(
    filter: DeadLetterFilter,
    act: (id: string) => Promise<boolean>,
    progress: Progress = () => {},
  ): Promise<number> {
    this.check(filter);
    // What dies again because of a replay is not taken in a second time: only letters from before this call count.
    const newest = await this.newestNumber(filter);
    let done = 0;
    for await (const letters of this.pages(filter)) {
      const known = letters.filter((letter) => letter.number <= newest);
      for (let start = 0; start < known.length; start += BATCH) {
        const results = await Promise.all(known.slice(start, start + BATCH).map((letter) => act(letter.id)));
        done += results.filter(Boolean).length;
        progress(done);
      }
      if (known.length < letters.length) break;
    }
    return done;
  }

  private async newestNumber(filter: DeadLetterFilter): Promise<number> {
    let newest = 0;
    for await (const letters of this.pages(filter)) newest = letters.at(-1)?.number ?? newest;
    return newest;
  }

  private check(filter: unknown, paging = false): void {
    checkFilter(filter, { paging, undefinedIsAbsent: this.actions.ready === undefined });
  }

  private async *pages(filter: DeadLetterFilter): AsyncGenerator<readonly DeadLetterRef[]> {
    await this.actions.ready?.();
    const { wal, shard } = this;
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
