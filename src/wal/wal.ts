/**
 * The port of the write-ahead log. A store holds shards; a shard is a small deterministic state (`shard-state.ts`), and
 * this port is how an owner changes it and how anyone reads it.
 *
 * Atomic: a commit applies all of its transitions, in order, or none of them.
 * Ordered: messages of one entity leave in the order of their `seq`. A commit first takes in the offers that were durable
 *   before it began, in the order in which each session numbered them, then applies its own transitions (M2).
 * Durable on return: when `open`, `commit`, `offer` or `release` resolves, what it did survives what the store's
 *   durability level names (I1).
 * Idempotent: the last commit number again returns the stored answer and changes nothing (M1). A store that lives in its
 *   owner's process may forget the answer when that process ends: nobody is left to ask.
 * Fenced: a commit whose epoch or incarnation is not the shard's current one is refused as stale and changes nothing (I3).
 * A lost answer (`StoreUnavailableError` with `applied: 'unknown'`) says nothing about what happened: send the same
 *   number with the same transitions again, or open the shard anew.
 */
import type { Envelope, ErrorDescription } from '../message/envelope.js';
import type {
  DeadLetter,
  DeadLetterReason,
  OutboxEntry,
  Outcome,
  PendingState,
  ShardCounts,
  StoredMessage,
  Transition,
  Verdict,
} from './transition.js';

export interface Wal {
  /** What this store is and survives; valid after `start`. */
  readonly description: StoreDescription;
  /** Connects, checks format and identity, makes an empty store where there is none. Idempotent. */
  start(): Promise<void>;
  /** Ends all background work and lets go of every file, socket and lock. Idempotent; afterwards all else rejects. */
  stop(): Promise<void>;

  /**
   * Takes ownership of a shard: raises its epoch (I6) and returns what the new owner must know. The former owner's
   * commits are refused from here on. Changes no message: what is `dispatched` stays so until the new owner decides.
   */
  open(shard: number, incarnation: string): Promise<OpenedShard>;
  /** Applies a batch. Numbers start at 1 after `open` and grow by one with each commit. */
  commit(request: CommitRequest): Promise<CommitAnswer>;
  /** Gives a shard up cleanly: it has no owner then, and further commits are stale. A stale epoch is ignored. */
  release(shard: number, epoch: number, incarnation: string): Promise<void>;

  /**
   * Hands work in from outside the owner. Durable on return; each commit takes in the oldest offers first, at most
   * `OFFERS_TAKEN_MAX`, also a commit without transitions (a poll). Each session numbers its offers of a shard 1, 2, 3, …;
   * a number at or below the session's mark, or in the inbox already, is ignored (M11). All or nothing: a gap in the
   * numbers or an illegal transition rejects the whole call (`IllegalTransitionError`), so that what is in the inbox can
   * always be taken in. Works on a shard without an owner.
   */
  offer(shard: number, offers: readonly Offer[], limits?: OfferLimits): Promise<void>;
  /** The highest number of a session that a commit has taken in; 0 if none. */
  offerMark(shard: number, session: string): Promise<number>;

  /** Heads of the messages in line with `seq > afterSeq`, by `seq`, at most `limit`. Without payloads. */
  scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]>;
  /** The messages in line with these places, payloads included. One that is not there is left out. Order by `seq`. */
  load(shard: number, seqs: readonly number[]): Promise<readonly StoredMessage[]>;
  /**
   * Delayed messages that are due at `now`, at most `limit`, earliest first, those due at one time in the order of their
   * acceptance. `nextDueAt`: due time of the first one that is not in `ids` (at or before `now` when `limit` cut it off).
   */
  due(shard: number, now: number, limit: number): Promise<DueMessages>;
  /** Delayed messages with a `recurrence` (reminders), in the order of their acceptance (`order`), payloads included. */
  reminders(shard: number, query: ReminderQuery): Promise<readonly Reminder[]>;
  /**
   * Where a message is: in line, delayed, in the dead letters (with the verdict it ended with), or only its kept verdict
   * until its time is up. One that is only offered so far counts as `enqueued` with attempt 0; it is looked for when the id
   * is found nowhere else, among the newest 10,000 offers. Undefined when the store does not know it (any more).
   */
  status(shard: number, id: string): Promise<StatusRecord | undefined>;
  counts(shard: number): Promise<ShardCounts>;
  deadLetters(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetter[]>;
  /** As `deadLetters`, without reading the messages. Optional: without it, whole letters are read. */
  deadLetterIds?(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetterRef[]>;
  /** How many letters there are like this. Optional, as `deadLetterIds`. */
  deadLetterCount?(shard: number, filter: DeadLetterFilterQuery): Promise<number>;
  deadLetter(shard: number, id: string): Promise<DeadLetter | undefined>;
  /** The actor states of these entities as JSON text, in their order; undefined for one that has none (any more). */
  actorStates(shard: number, entities: readonly EntityRef[]): Promise<readonly (string | undefined)[]>;
  /** Messages in the outbox, oldest first, at most `limit`. */
  outbox(shard: number, limit: number): Promise<readonly OutboxEntry[]>;
  /** Heads of the blocked messages with `seq > afterSeq`, by `seq`, with their ids, at most `limit`. */
  blocked(shard: number, afterSeq: number, limit: number): Promise<readonly BlockedMessage[]>;
  /** The paused lines, in no particular order. */
  paused(shard: number): Promise<readonly PausedLine[]>;

  /**
   * Forgets what nobody can ask for any more: kept verdicts past their time and actor states past theirs, those with the
   * earliest time first, at most `limit` of each in one call so that it never holds the store for long. Returns how many
   * went. The owner calls it every `cleanupInterval`. A stale epoch or incarnation is refused.
   */
  cleanup(shard: number, epoch: number, incarnation: string, limit: number): Promise<number>;
}

export interface StoreDescription {
  /** e.g. `memory`, `sqlite`. */
  readonly kind: string;
  /** Made once with the store; ids of messages start with its first letters. */
  readonly clusterId: string;
  /** Format of what is stored, a whole number. */
  readonly formatVersion: number;
  readonly shardCount: number;
  /** The level's name and what it survives, in words. */
  readonly durability: string;
  /** Offers that one commit takes in at most (M3). */
  readonly offersTakenMax: number;
  /**
   * Whether an append of the owner waits while offers are left in the inbox (M2): outcome `deferred`. A store whose offers
   * come from tools only, and are no new messages, need not.
   */
  readonly defersAppends: boolean;
}

export interface OpenedShard {
  readonly epoch: number;
  /** No message ever had this place or a higher one. */
  readonly nextSeq: number;
  /** Whether the last owner released the shard (or there was none). Otherwise what it was running may have run. */
  readonly clean: boolean;
  /** Messages marked as started, by `seq`, payloads left empty (`load` brings them). */
  readonly inFlight: readonly MessageHead[];
  readonly counts: ShardCounts;
  readonly paused: readonly PausedLine[];
  /** Dead letters of each entity type. */
  readonly deadLettersByType: Readonly<Record<string, number>>;
  /** The earliest due time of the delayed messages. */
  readonly nextDueAt?: number | undefined;
  /** The store's wall time inside the opening. A store that several nodes share tells it. */
  readonly now?: number | undefined;
}

export interface PausedLine {
  readonly entityType: string;
  readonly entityId?: string | undefined;
}

export interface CommitRequest {
  readonly shard: number;
  readonly epoch: number;
  readonly incarnation: string;
  readonly number: number;
  readonly transitions: readonly Transition[];
  /**
   * Whether the owner would start this offered message at once if it stands alone in its line. A store that decides in
   * the owner's process may ask, and then marks the message as started in the commit that takes it in, at most one of an
   * entity; others ignore it. Asked anew when a commit is tried again.
   */
  readonly startsAtOnce?: ((message: Envelope) => boolean) | undefined;
  /**
   * Whether the owner runs (or ran) the message at this place without having marked it as started (`Starts`): then it can
   * be neither cancelled nor expire (`already-started`). Its id names it where the place is not known to the owner yet,
   * because this very commit appends it. Asked inside the commit, and anew when it is tried again.
   */
  readonly runsUnmarked?: ((seq: number, id: string) => boolean) | undefined;
}

export interface CommitAnswer {
  /** One per transition, in order. */
  readonly outcomes: readonly Outcome[];
  /** What the commit took in from the inbox before its own transitions. */
  readonly taken: readonly TakenOffer[];
  /** The store's wall time inside the commit. */
  readonly now: number;
  /** As in `OpenedShard`, after this commit. */
  readonly nextSeq: number;
  /** Offers that this commit found unusable and put into the quarantine. Absent: none. */
  readonly quarantined?: number | undefined;
  /** Offers that were in the inbox when the commit was done. Absent: the store does not tell. */
  readonly offersLeft?: number | undefined;
  /** Messages that this commit ended and whose verdicts it has sent to their `replyTo` itself: id -> that address. */
  readonly told?: ReadonlyMap<string, string> | undefined;
}

export interface OfferLimits {
  /** Address of the node that owns the shard, as far as the offerer knows: a hint that there is something goes there. */
  readonly owner?: string | undefined;
  /**
   * Messages that may be pending in the shard, offers included. Checked when one of the offers is an append. 0: unbounded.
   * @throws ShardFullError
   */
  readonly depthMax: number;
}

/**
 * Offers that one commit takes in at most; the rest wait for the next commit (M3). A replay takes SQLite about 40 µs, so
 * that 25 hold the event loop for 1 ms.
 */
export const OFFERS_TAKEN_MAX = 25;

/** Something handed in from outside the owner: a message, or a wish about one. */
export interface Offer {
  /** The producer's session: unique to one life of one producer. */
  readonly session: string;
  /** 1 for the session's first offer to this shard, then one more each time. */
  readonly number: number;
  readonly transition: OfferedTransition;
}

export type OfferedTransition = Extract<
  Transition,
  { readonly type: 'append' | 'cancel' | 'replay' | 'purge' | 'pause' | 'resume' | 'unblock' | 'skip' }
>;

export interface TakenOffer {
  readonly offer: Offer;
  /** As if the owner had committed it; an offered append is dispatched only where `startsAtOnce` said so. */
  readonly outcome: Outcome;
  /** The message as it stands in line, when the offer put one there. */
  readonly message?: StoredMessage | undefined;
}

/** What an owner needs to know of a message to keep it in line without holding its payload. */
export interface MessageHead {
  readonly seq: number;
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
  readonly state: PendingState;
  readonly attempt: number;
  readonly interruptions: number;
  readonly notBefore: number;
  readonly expiresAt: number;
}

export interface StatusRecord {
  readonly id: string;
  readonly state: PendingState | Verdict['state'];
  readonly entityType: string;
  readonly entityId: string;
  /** 0 where it is no longer known. */
  readonly attempt: number;
  readonly verdict?: Verdict | undefined;
  /** No owner has taken it in yet. */
  readonly isOffered?: boolean | undefined;
}

export interface DueMessages {
  readonly ids: readonly string[];
  readonly nextDueAt?: number | undefined;
  /** What the owner must know of those in `ids` that recur, by id. Absent: none of them does. */
  readonly recurring?:
    | Readonly<Record<string, { readonly recurrence: string; readonly notBefore: number }>>
    | undefined;
}

export interface ReminderQuery {
  /** Only this entity's, or this type's. */
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
  /** Only those with a larger `order`: the cursor of the next page. Default 0. */
  readonly after?: number | undefined;
  readonly limit: number;
}

export interface Reminder {
  readonly order: number;
  readonly message: StoredMessage;
}

export interface EntityRef {
  readonly entityType: string;
  readonly entityId: string;
}

export interface BlockedMessage extends MessageHead {
  readonly id: string;
  /** What blocked it. */
  readonly error?: ErrorDescription | undefined;
  /** Wall time at which it was blocked; 0 where it is not known. */
  readonly blockedAt: number;
}

/** Which dead letters: all conditions that are given must hold. */
export interface DeadLetterFilterQuery {
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
  /** Wire name of the message. */
  readonly name?: string | undefined;
  readonly reason?: DeadLetterReason | undefined;
  /** `diedAt` at or after / before this wall time. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

export interface DeadLetterQuery extends DeadLetterFilterQuery {
  /** Only letters with a larger `number`: the cursor of the next page. Default 0. */
  readonly after?: number | undefined;
  /** At most this many. */
  readonly limit: number;
}

/** A dead letter by name. */
export type DeadLetterRef = Pick<DeadLetter, 'id' | 'number'>;

/** Limits of what a store keeps for those who may still ask. */
export interface RetentionOptions {
  /** How long a kept verdict stays, milliseconds. Default 86,400,000 (a day). */
  readonly entryTtlMs: number;
  /**
   * Kept verdicts per shard, checked at the end of each commit: past it the oldest (by the time they are kept until, then
   * by the order of keeping) are forgotten first. Default 1,000,000.
   */
  readonly verdictsMax: number;
  /** How long a verdict stays that is kept only for a waiter on another node, milliseconds. Default 600,000. */
  readonly waiterTtlMs?: number | undefined;
}

/** What a shard's rules depend on besides its state. */
export interface ShardRules extends RetentionOptions {
  /** Default `OFFERS_TAKEN_MAX`. */
  readonly offersTakenMax?: number | undefined;
  /** Default false. */
  readonly defersAppends?: boolean | undefined;
}

/** The commit's epoch or incarnation is not the shard's: someone else owns it now (I3). Never retried by the loser. */
export class StaleEpochError extends Error {
  override readonly name = 'StaleEpochError';
  constructor(
    readonly shard: number,
    readonly epoch: number,
    readonly currentEpoch: number,
  ) {
    super(
      `Shard ${shard}: the commit carries epoch ${epoch}, the shard is at ${currentEpoch === epoch ? 'another opening of that epoch (a store that lost writes numbers again)' : `epoch ${currentEpoch}`}. Another owner has opened it; this one must stop writing.`,
    );
  }
}

/** A move that the state machine does not have, e.g. completing what never started: a fault of the owner's code. */
export class IllegalTransitionError extends Error {
  override readonly name = 'IllegalTransitionError';
}

/** The commit number is neither the next one nor the last one: owner and store disagree; the owner must open anew. */
export class CommitNumberError extends Error {
  override readonly name = 'CommitNumberError';
}

/** The store could not do it: disk full, file gone, connection lost. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
  constructor(
    message: string,
    /** `no`: nothing was changed. `unknown`: the answer was lost; send the same commit again. */
    readonly applied: 'no' | 'unknown',
    /** Whether a later attempt can succeed without anyone restarting this process. */
    readonly recoverable: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
