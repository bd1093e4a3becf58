/**
 * The write-ahead log as the owner of one shard uses it: it opens with the proof that it was given, and each commit that
 * the store confirms prolongs the lease, counted from before it was sent (M7).
 */

import type { OpenClaim, SharedWal } from '../wal/shared-wal.js';
import type { DeadLetter, OutboxEntry, ShardCounts, StoredMessage } from '../wal/transition.js';
import type {
  BlockedMessage,
  CommitAnswer,
  CommitRequest,
  DeadLetterFilterQuery,
  DeadLetterQuery,
  DeadLetterRef,
  DueMessages,
  EntityRef,
  MessageHead,
  Offer,
  OfferLimits,
  OpenedShard,
  PausedLine,
  Reminder,
  ReminderQuery,
  StatusRecord,
  StoreDescription,
  Wal,
} from '../wal/wal.js';

export interface LeaseKeeper {
  /** Called before a sign of life is sent; the returned function when the store has confirmed it. */
  sending(): () => void;
}

export class LeasedWal implements Wal {
  /** The first try of the commit that was sent last. */
  private firstTry: { readonly number: number; readonly confirmed: () => void } | undefined;

  constructor(
    private readonly inner: SharedWal,
    private readonly claim: OpenClaim,
    private readonly lease: LeaseKeeper,
  ) {}

  get description(): StoreDescription {
    return this.inner.description;
  }

  /** The node starts and stops the store; the owner of a shard does not. */
  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  async open(shard: number, incarnation: string): Promise<OpenedShard> {
    const confirmed = this.lease.sending();
    const opened = await this.inner.open(shard, incarnation, this.claim);
    confirmed();
    return opened;
  }

  async commit(request: CommitRequest): Promise<CommitAnswer> {
    const { number } = request;
    // A try may have been applied long before a later one is answered with what it did (M1): others count from the first.
    if (this.firstTry?.number !== number) this.firstTry = { number, confirmed: this.lease.sending() };
    const { confirmed } = this.firstTry;
    const answer = await this.inner.commit(request);
    confirmed();
    return answer;
  }

  release(shard: number, epoch: number, incarnation: string): Promise<void> {
    return this.inner.release(shard, epoch, incarnation);
  }

  offer(shard: number, offers: readonly Offer[], limits?: OfferLimits): Promise<void> {
    return this.inner.offer(shard, offers, limits);
  }

  offerMark(shard: number, session: string): Promise<number> {
    return this.inner.offerMark(shard, session);
  }

  scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]> {
    return this.inner.scan(shard, afterSeq, limit);
  }

  load(shard: number, seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    return this.inner.load(shard, seqs);
  }

  due(shard: number, now: number, limit: number): Promise<DueMessages> {
    return this.inner.due(shard, now, limit);
  }

  status(shard: number, id: string): Promise<StatusRecord | undefined> {
    return this.inner.status(shard, id);
  }

  counts(shard: number): Promise<ShardCounts> {
    return this.inner.counts(shard);
  }

  deadLetters(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return this.inner.deadLetters(shard, query);
  }

  deadLetterIds(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetterRef[]> {
    return this.inner.deadLetterIds?.(shard, query) ?? this.inner.deadLetters(shard, query);
  }

  async deadLetterCount(shard: number, filter: DeadLetterFilterQuery): Promise<number> {
    if (this.inner.deadLetterCount !== undefined) return this.inner.deadLetterCount(shard, filter);
    return (await this.deadLetters(shard, { ...filter, limit: Number.MAX_SAFE_INTEGER })).length;
  }

  deadLetter(shard: number, id: string): Promise<DeadLetter | undefined> {
    return this.inner.deadLetter(shard, id);
  }

  actorStates(shard: number, entities: readonly EntityRef[]): Promise<readonly (string | undefined)[]> {
    return this.inner.actorStates(shard, entities);
  }
  blocked(shard: number, afterSeq: number, limit: number): Promise<readonly BlockedMessage[]> {
    return this.inner.blocked(shard, afterSeq, limit);
  }
  paused(shard: number): Promise<readonly PausedLine[]> {
    return this.inner.paused(shard);
  }
  reminders(shard: number, query: ReminderQuery): Promise<readonly Reminder[]> {
    return this.inner.reminders(shard, query);
  }

  outbox(shard: number, limit: number): Promise<readonly OutboxEntry[]> {
    return this.inner.outbox(shard, limit);
  }

  cleanup(shard: number, epoch: number, incarnation: string, limit: number): Promise<number> {
    return this.inner.cleanup(shard, epoch, incarnation, limit);
  }
}
