/** The reading half of the WAL on Redis: every question is passed on to the reads of its shard. */
import { isDeepStrictEqual } from 'node:util';
import type { QuarantinedOffer } from '../shared-wal.js';
import type { DeadLetter, OutboxEntry, ShardCounts, StoredMessage } from '../transition.js';
import type {
  BlockedMessage,
  DeadLetterFilterQuery,
  DeadLetterQuery,
  DeadLetterRef,
  DueMessages,
  EntityRef,
  PausedLine,
  Reminder,
  ReminderQuery,
  StatusRecord,
} from '../wal.js';
import type { ShardReads } from './reads.js';
import type { ShardContext } from './shard-context.js';
import type { FoundStatus } from './status-reads.js';

export abstract class RedisWalReads {
  /** Asks the reads of a shard, and tells the store's errors in the port's words. */
  protected abstract reading<T>(shard: number, read: (reads: ShardReads) => Promise<T>): Promise<T>;
  protected abstract context(): ShardContext;

  async quarantine(shard: number, limit: number): Promise<readonly QuarantinedOffer[]> {
    return this.reading(shard, (reads) => reads.side.quarantine(limit));
  }

  async offerMark(shard: number, session: string): Promise<number> {
    return this.reading(shard, (reads) => reads.side.offerMark(session));
  }

  async load(shard: number, seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    return this.reading(shard, (reads) => reads.load(seqs));
  }

  async due(shard: number, now: number, limit: number): Promise<DueMessages> {
    return this.reading(shard, (reads) => reads.side.due(now, limit));
  }

  async reminders(shard: number, query: ReminderQuery): Promise<readonly Reminder[]> {
    return this.reading(shard, (reads) => reads.side.reminders(query));
  }

  async status(shard: number, id: string): Promise<StatusRecord | undefined> {
    let found = await this.#status(shard, id);
    for (;;) {
      const record = found?.record;
      if (record === undefined) return found?.status;
      try {
        // A verdict that only the server has seen so far could still be lost with it.
        await this.context().proven?.(record);
        return found?.status;
      } catch (error) {
        // It may have been forgotten or replayed meanwhile, or a promoted server never had it.
        const again = await this.#status(shard, id);
        if (isDeepStrictEqual(again?.record, record)) throw error;
        found = again;
      }
    }
  }

  async statuses(shard: number, ids: readonly string[]): Promise<readonly (StatusRecord | undefined)[]> {
    const context = this.context();
    const found = await this.reading(shard, (reads) => reads.statuses(ids, context.now()));
    const { proven } = context;
    return Promise.all(
      found.map(async (each, index) => {
        if (proven === undefined || each?.record === undefined) return each?.status;
        try {
          await proven(each.record);
          return each.status;
        } catch {
          // It is looked up again until its verdict is proven, or is gone.
          const status = await this.status(shard, ids[index] as string);
          return status?.isOffered === true ? undefined : status;
        }
      }),
    );
  }

  #status(shard: number, id: string): Promise<FoundStatus | undefined> {
    const context = this.context();
    const { offerBytesMax, slices } = context;
    return this.reading(shard, async (reads) => {
      const found = await reads.status(id, context.now());
      if (found !== undefined) return found;
      const rules = { bytesMax: offerBytesMax, shard, slices, newId: () => '' };
      // What is in the inbox now may be taken in while it is looked for there.
      const status = await reads.side.offered(id, rules);
      return status === undefined ? reads.status(id, context.now()) : { status };
    });
  }

  async knownId(shard: number, entity: EntityRef, messageId: string): Promise<string | undefined> {
    const context = this.context();
    return this.reading(shard, async (reads) => {
      const id = await reads.side.idOf(entity, messageId);
      return id === undefined || (await reads.status(id, context.now())) === undefined ? undefined : id;
    });
  }

  async counts(shard: number): Promise<ShardCounts> {
    return this.reading(shard, (reads) => reads.counts());
  }

  async deadLetters(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return this.reading(shard, (reads) => reads.deadLetters(query));
  }

  async deadLetterIds(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetterRef[]> {
    return this.reading(shard, (reads) => reads.deadLetterIds(query));
  }

  async deadLetterCount(shard: number, filter: DeadLetterFilterQuery): Promise<number> {
    return this.reading(shard, (reads) => reads.deadLetterCount(filter));
  }

  async deadLetter(shard: number, id: string): Promise<DeadLetter | undefined> {
    return this.reading(shard, (reads) => reads.deadLetter(id));
  }

  async actorStates(shard: number, entities: readonly EntityRef[]): Promise<readonly (string | undefined)[]> {
    const context = this.context();
    return this.reading(shard, (reads) => reads.side.actorStates(entities, context.now()));
  }

  async blocked(shard: number, afterSeq: number, limit: number): Promise<readonly BlockedMessage[]> {
    return this.reading(shard, (reads) => reads.side.blocked(afterSeq, limit));
  }

  async paused(shard: number): Promise<readonly PausedLine[]> {
    return this.reading(shard, (reads) => reads.side.paused());
  }

  async outbox(shard: number, limit: number): Promise<readonly OutboxEntry[]> {
    return this.reading(shard, (reads) => reads.side.outbox(limit));
  }
}
