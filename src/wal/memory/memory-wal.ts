/**
 * The WAL in memory: the pure model and nothing else. For tests, simulations, and runs that need no durability.
 *
 * `MemoryStore` is what a disk would be: it outlives the `MemoryWal`s that work on it, and several may share one, as the
 * nodes of a cluster share a server. What it holds ends with the process.
 */
import type { Clock } from '../../runtime/clock.js';
import {
  readActorStates,
  readBlocked,
  readCounts,
  readDeadLetter,
  readDeadLetters,
  readDue,
  readKnownId,
  readKnownStatus,
  readLoad,
  readOfferMark,
  readOutbox,
  readPaused,
  readReminders,
  readScan,
  readSign,
  readStatus,
} from '../shard-reads.js';
import {
  applyCommit,
  applyOffers,
  cleanupShard,
  emptyShard,
  openShard,
  releaseShard,
  renewShard,
  type ShardState,
} from '../shard-state.js';
import type { OpenClaim, QuarantinedOffer, SharedWal, SignOfLife } from '../shared-wal.js';
import type { DeadLetter, OutboxEntry, ShardCounts, StoredMessage } from '../transition.js';
import {
  type BlockedMessage,
  type CommitAnswer,
  type CommitRequest,
  type DeadLetterFilterQuery,
  type DeadLetterQuery,
  type DeadLetterRef,
  type DueMessages,
  type EntityRef,
  type MessageHead,
  OFFERS_TAKEN_MAX,
  type Offer,
  type OfferLimits,
  type OpenedShard,
  type PausedLine,
  type Reminder,
  type ReminderQuery,
  type RetentionOptions,
  type ShardRules,
  type StatusRecord,
  type StoreDescription,
  StoreUnavailableError,
} from '../wal.js';

export interface MemoryStoreOptions {
  /** Default `memory`. */
  readonly clusterId?: string | undefined;
  /** Default 1. */
  readonly shardCount?: number | undefined;
}

/** What several `MemoryWal`s share and what survives their stop. */
export class MemoryStore {
  readonly clusterId: string;
  readonly shardCount: number;
  readonly #shards = new Map<number, ShardState>();

  constructor(options: MemoryStoreOptions = {}) {
    this.clusterId = options.clusterId ?? 'memory';
    this.shardCount = options.shardCount ?? 1;
  }

  /** The state of a shard; throws a `RangeError` when the store has no such shard. */
  shard(shard: number): ShardState {
    const known = this.#shards.get(shard);
    if (known !== undefined) return known;
    if (!Number.isInteger(shard) || shard < 0 || shard >= this.shardCount) {
      throw new RangeError(`There is no shard ${shard}: the store has ${this.shardCount}, counted from 0.`);
    }
    const made = emptyShard(shard);
    this.#shards.set(shard, made);
    return made;
  }

  /** A copy of everything, for `restore`. */
  snapshot(): MemorySnapshot {
    return structuredClone(this.#shards);
  }

  /** Puts everything back as it was at the snapshot, as a fail-over does that loses writes. */
  restore(snapshot: MemorySnapshot): void {
    this.#shards.clear();
    for (const [shard, state] of structuredClone(snapshot)) this.#shards.set(shard, state);
  }
}

export type MemorySnapshot = ReadonlyMap<number, ShardState>;

export interface MemoryWalOptions extends MemoryStoreOptions {
  readonly clock: Clock;
  /** The store to work on. Default: one of its own, made with `clusterId` and `shardCount`. */
  readonly store?: MemoryStore | undefined;
  /** Defaults as in `RetentionOptions`. */
  readonly retention?: Partial<RetentionOptions> | undefined;
  /** Default `OFFERS_TAKEN_MAX`. */
  readonly offersTakenMax?: number | undefined;
  /** As in `StoreDescription`. Default false: as the embedded store. */
  readonly defersAppends?: boolean | undefined;
  /** The least epoch of the next opening, for a store whose epochs follow its clock (I6). Default: one more than the last. */
  readonly epochMin?: (() => number) | undefined;
}

export class MemoryWal implements SharedWal {
  readonly description: StoreDescription;
  readonly store: MemoryStore;
  readonly #clock: Clock;
  readonly #retention: ShardRules;
  readonly #epochMin: () => number;
  #started = false;

  constructor(options: MemoryWalOptions) {
    this.store = options.store ?? new MemoryStore(options);
    this.#clock = options.clock;
    this.#epochMin = options.epochMin ?? (() => 0);
    this.#retention = {
      entryTtlMs: options.retention?.entryTtlMs ?? 86_400_000,
      verdictsMax: options.retention?.verdictsMax ?? 1_000_000,
      waiterTtlMs: options.retention?.waiterTtlMs,
      offersTakenMax: options.offersTakenMax ?? OFFERS_TAKEN_MAX,
      defersAppends: options.defersAppends ?? false,
    };
    this.description = {
      kind: 'memory',
      clusterId: this.store.clusterId,
      formatVersion: 1,
      shardCount: this.store.shardCount,
      durability: 'none: what is stored ends with the process',
      offersTakenMax: options.offersTakenMax ?? OFFERS_TAKEN_MAX,
      defersAppends: options.defersAppends ?? false,
    };
  }

  async start(): Promise<void> {
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
  }

  async open(shard: number, incarnation: string, claim?: OpenClaim): Promise<OpenedShard> {
    return { ...openShard(this.#shard(shard), incarnation, this.#epochMin(), claim), now: this.#clock.now() };
  }

  async renew(shard: number, epoch: number, incarnation: string, survived?: boolean): Promise<void> {
    renewShard(this.#shard(shard), { epoch, incarnation }, survived);
  }

  async forgetOpenings(shard: number): Promise<void> {
    this.#shard(shard).openings = 0;
  }

  async signs(shards: readonly number[]): Promise<readonly SignOfLife[]> {
    return shards.map((shard) => readSign(this.#shard(shard)));
  }

  async allowTypes(shard: number, entityTypes: readonly string[]): Promise<void> {
    for (const type of entityTypes) this.#shard(shard).allowedTypes.add(type);
  }

  async quarantine(shard: number, limit: number): Promise<readonly QuarantinedOffer[]> {
    return this.#shard(shard).quarantined.slice(-limit).reverse();
  }

  async commit(request: CommitRequest): Promise<CommitAnswer> {
    return applyCommit(this.#shard(request.shard), request, this.#clock.now(), this.#retention);
  }

  async release(shard: number, epoch: number, incarnation: string): Promise<void> {
    releaseShard(this.#shard(shard), { epoch, incarnation });
  }

  async offer(shard: number, offers: readonly Offer[], limits?: OfferLimits): Promise<void> {
    applyOffers(this.#shard(shard), offers, limits);
  }

  async offerMark(shard: number, session: string): Promise<number> {
    return readOfferMark(this.#shard(shard), session);
  }

  async scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]> {
    return readScan(this.#shard(shard), afterSeq, limit);
  }

  async load(shard: number, seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    return readLoad(this.#shard(shard), seqs);
  }

  async due(shard: number, now: number, limit: number): Promise<DueMessages> {
    return readDue(this.#shard(shard), now, limit);
  }

  async reminders(shard: number, query: ReminderQuery): Promise<readonly Reminder[]> {
    return readReminders(this.#shard(shard), query);
  }

  async status(shard: number, id: string): Promise<StatusRecord | undefined> {
    return readStatus(this.#shard(shard), id, this.#clock.now());
  }

  async statuses(shard: number, ids: readonly string[]): Promise<readonly (StatusRecord | undefined)[]> {
    const [state, now] = [this.#shard(shard), this.#clock.now()];
    return ids.map((id) => readKnownStatus(state, id, now));
  }

  async knownId(shard: number, entity: EntityRef, messageId: string): Promise<string | undefined> {
    return readKnownId(this.#shard(shard), entity, messageId, this.#clock.now());
  }

  async counts(shard: number): Promise<ShardCounts> {
    return readCounts(this.#shard(shard));
  }

  async deadLetters(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return readDeadLetters(this.#shard(shard), query);
  }

  async deadLetterIds(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetterRef[]> {
    return readDeadLetters(this.#shard(shard), query).map(({ id, number }) => ({ id, number }));
  }

  async deadLetterCount(shard: number, filter: DeadLetterFilterQuery): Promise<number> {
    return readDeadLetters(this.#shard(shard), { ...filter, limit: Number.MAX_SAFE_INTEGER }).length;
  }

  async deadLetter(shard: number, id: string): Promise<DeadLetter | undefined> {
    return readDeadLetter(this.#shard(shard), id);
  }

  async actorStates(shard: number, entities: readonly EntityRef[]): Promise<readonly (string | undefined)[]> {
    return readActorStates(this.#shard(shard), entities, this.#clock.now());
  }

  async blocked(shard: number, afterSeq: number, limit: number): Promise<readonly BlockedMessage[]> {
    return readBlocked(this.#shard(shard), afterSeq, limit);
  }

  async paused(shard: number): Promise<readonly PausedLine[]> {
    return readPaused(this.#shard(shard));
  }

  async outbox(shard: number, limit: number): Promise<readonly OutboxEntry[]> {
    return readOutbox(this.#shard(shard), limit);
  }

  async cleanup(shard: number, epoch: number, incarnation: string, limit: number): Promise<number> {
    return cleanupShard(this.#shard(shard), { epoch, incarnation }, this.#clock.now(), limit, this.#retention);
  }

  #shard(shard: number): ShardState {
    if (!this.#started)
      throw new StoreUnavailableError('The memory store is stopped, or was never started.', 'no', false);
    return this.store.shard(shard);
  }
}
