/**
 * Lines that start nothing until an operator says so: those that are paused, and those whose first message is blocked
 * (M17). It reads the store and changes nothing. Shards are gone through one after the other, by their numbers.
 */
import type { IntrospectionPart } from '../contracts/introspection.js';
import type { ErrorDescription } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { PausedLine, BlockedMessage as StoredBlocked, Wal } from '../wal/wal.js';

export type { PausedLine } from '../wal/wal.js';

/** The first message of a line that goes on when the message is tried again or skipped. */
export interface BlockedMessage {
  readonly id: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
  /** Attempts started. */
  readonly attempts: number;
  /** Times that an owner was lost while the message was marked as started. */
  readonly interruptions: number;
  /** What blocked it. */
  readonly error?: ErrorDescription | undefined;
  /** Wall time, milliseconds since the epoch; undefined where it is not known. */
  readonly blockedAt?: number | undefined;
}

/** Which blocked messages: all conditions that are given must hold; a key whose value is undefined is refused. */
export interface BlockedFilter {
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
}

export interface BlockedListOptions extends BlockedFilter {
  /** Messages per page, 1 to 1,000. Default 100. */
  readonly limit?: number | undefined;
  readonly cursor?: number | undefined;
}

export interface BlockedPage {
  /** By their places in the line of their shard: what was accepted first comes first. */
  readonly messages: readonly BlockedMessage[];
  /** Hand this in as `cursor` for the next page; undefined: this was the last one. */
  readonly cursor?: number | undefined;
}

interface FoundBlocked {
  readonly message: StoredBlocked;
  readonly shard: number;
  readonly cursor: number;
}

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;
const READ_PAGE = 500;
/** A cursor is the shard's number times this, plus the message's place. */
const CURSOR_PLACES = 2 ** 36;

export class StoppedLines {
  /** @param shards the numbers of all shards that there are; asked anew with each call. */
  constructor(
    private readonly wal: Pick<Wal, 'blocked' | 'paused' | 'counts'>,
    private readonly shards: () => readonly number[] | Promise<readonly number[]>,
  ) {}

  /** Paused types, and paused entities, by their names. */
  async paused(): Promise<readonly PausedLine[]> {
    const lines = new Map<string, PausedLine>();
    for (const shard of await this.shards()) {
      for (const { entityType, entityId } of await this.wal.paused(shard)) {
        // A paused type is paused in each of its shards.
        const key = entityId === undefined ? entityType : `${entityType}\n${entityId}`;
        lines.set(key, entityId === undefined ? { entityType } : { entityType, entityId });
      }
    }
    return [...lines].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, line]) => line);
  }

  /** @throws AtomicQueuesError (as a rejection) `INVALID_PAYLOAD` for options that make no sense. */
  async blocked(options: BlockedListOptions = {}): Promise<BlockedPage> {
    check(options, ['entityType', 'entityId', 'limit', 'cursor']);
    const { limit = LIMIT_DEFAULT, cursor } = options;
    const messages: BlockedMessage[] = [];
    for await (const { message, cursor: at } of this.each(options, cursor)) {
      messages.push(toBlocked(message));
      if (messages.length === limit) return { messages, cursor: at };
    }
    return { messages };
  }

  /** How many are blocked, and with a filter: how many of those. */
  async count(filter: BlockedFilter = {}): Promise<number> {
    check(filter, ['entityType', 'entityId']);
    let count = 0;
    if (Object.keys(filter).length === 0) {
      for (const shard of await this.shards()) count += (await this.wal.counts(shard)).blocked;
      return count;
    }
    for await (const _message of this.each(filter)) count += 1;
    return count;
  }

  /** For `introspect()`: part `paused`. */
  async pausedPart(): Promise<IntrospectionPart> {
    const paused = await this.paused();
    return { data: paused, lines: paused.map(lineText) };
  }

  /** For `introspect()`: part `blocked`, all of them counted and the first hundred named. */
  async blockedPart(): Promise<
    IntrospectionPart<{ readonly count: number; readonly messages: readonly BlockedMessage[] }>
  > {
    const [count, { messages }] = [await this.count(), await this.blocked()];
    const lines = messages.map((message) => {
      const { id, name, error } = message;
      return `${lineText(message)}: ${name} ${id}${error === undefined ? '' : `, ${error.name}: ${error.message}`}`;
    });
    const more = count > messages.length ? [`and ${count - messages.length} more`] : [];
    return { data: { count, messages }, lines: [...lines, ...more] };
  }

  /** All that the filter takes in, with the shard that each is in. */
  async *each({ entityType, entityId }: BlockedFilter, cursor = 0): AsyncGenerator<FoundBlocked> {
    const firstShard = Math.floor(cursor / CURSOR_PLACES);
    for (const shard of await this.shards()) {
      if (shard < firstShard) continue;
      let after = shard === firstShard ? cursor % CURSOR_PLACES : 0;
      for (;;) {
        const page = await this.wal.blocked(shard, after, READ_PAGE);
        for (const message of page) {
          after = message.seq;
          const isAsked =
            (entityType === undefined || message.entityType === entityType) &&
            (entityId === undefined || message.entityId === entityId);
          if (isAsked) yield { message, shard, cursor: shard * CURSOR_PLACES + after };
        }
        if (page.length < READ_PAGE) break;
      }
    }
  }
}

function lineText({ entityType, entityId }: PausedLine): string {
  return entityId === undefined ? entityType : `${entityType} ${JSON.stringify(entityId)}`;
}

function toBlocked(stored: StoredBlocked): BlockedMessage {
  const { id, entityType, entityId, name, attempt, interruptions, error, blockedAt } = stored;
  return {
    id,
    entityType,
    entityId,
    name,
    attempts: attempt,
    interruptions,
    ...(error !== undefined && { error }),
    ...(blockedAt > 0 && { blockedAt }),
  };
}

function check(options: BlockedListOptions, keys: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw refused('expected an object');
  for (const [key, value] of Object.entries(options)) {
    if (!keys.includes(key)) throw refused(`"${key}" is none of ${keys.join(', ')}`);
    if (key === 'limit' || key === 'cursor') {
      const [min, max] = key === 'limit' ? [1, LIMIT_MAX] : [0, Number.MAX_SAFE_INTEGER];
      if (!Number.isSafeInteger(value) || Number(value) < min || Number(value) > max)
        throw refused(`${key} must be a whole number from ${min} to ${max}`);
    } else if (typeof value !== 'string' || value === '') throw refused(`${key} must be text that is not empty`);
  }
}

function refused(why: string): AtomicQueuesError {
  return new AtomicQueuesError('INVALID_PAYLOAD', `Which blocked messages: ${why}.`);
}
