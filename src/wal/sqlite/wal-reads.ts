/**
 * The reads of the embedded store that need nothing but its file: each is handed on to the connection, by whoever knows
 * whether that is open, what must be durable first, and how a failure is told.
 */
import type { DeadLetter, OutboxEntry, ShardCounts, StoredMessage } from '../transition.js';
import type {
  BlockedMessage,
  DeadLetterFilterQuery,
  DeadLetterQuery,
  DeadLetterRef,
  DueMessages,
  MessageHead,
  PausedLine,
  Reminder,
  ReminderQuery,
} from '../wal.js';
import type { StoreReads } from './reads.js';

export abstract class SqliteWalReads {
  async offerMark(shard: number, session: string): Promise<number> {
    return this.read(shard, (reads) => reads.sessionMark(session));
  }

  async scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]> {
    return this.read(shard, (reads) => reads.scan(afterSeq, limit));
  }

  async load(shard: number, seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    return this.read(shard, (reads) => reads.load(seqs));
  }

  async due(shard: number, now: number, limit: number): Promise<DueMessages> {
    return this.read(shard, (reads) => reads.due(now, limit));
  }

  async reminders(shard: number, query: ReminderQuery): Promise<readonly Reminder[]> {
    return this.read(shard, (reads) => reads.reminders(query));
  }

  async blocked(shard: number, afterSeq: number, limit: number): Promise<readonly BlockedMessage[]> {
    return this.read(shard, (reads) => reads.blocked(afterSeq, limit));
  }

  async paused(shard: number): Promise<readonly PausedLine[]> {
    return this.read(shard, (reads) => reads.paused());
  }

  async counts(shard: number): Promise<ShardCounts> {
    return this.read(shard, (reads) => reads.counts());
  }

  async deadLetters(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return this.read(shard, (reads) => reads.deadLetters(query));
  }

  async deadLetterIds(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetterRef[]> {
    return this.read(shard, (reads) => reads.deadLetterIds(query));
  }

  async deadLetterCount(shard: number, filter: DeadLetterFilterQuery): Promise<number> {
    return this.read(shard, (reads) => reads.deadLetterCount(filter));
  }

  async deadLetter(shard: number, id: string): Promise<DeadLetter | undefined> {
    return this.read(shard, (reads) => reads.deadLetter(id));
  }

  async outbox(shard: number, limit: number): Promise<readonly OutboxEntry[]> {
    return this.read(shard, (reads) => reads.outbox(limit));
  }

  /** @throws StoreUnavailableError (as a rejection) */
  protected abstract read<T>(shard: number, read: (reads: StoreReads) => T | Promise<T>): Promise<T>;
}
