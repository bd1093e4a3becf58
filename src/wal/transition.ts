/**
 * The words of the WAL: what a commit can ask for, what the store answers, and what it keeps. Plain data, no behaviour.
 * `shard-state.ts` says what each transition does; `wal.ts` is the port.
 */
import type { Envelope, ErrorDescription } from '../message/envelope.js';

/** States of a command that still has a place in the line. */
export type PendingState = 'enqueued' | 'dispatched' | 'blocked';
/** States that end a command (I5). */
export type FinalState = 'completed' | 'failed' | 'interrupted' | 'expired' | 'cancelled';
/** Final states that put the message in the dead letters. */
export type DeadLetterReason = 'failed' | 'interrupted' | 'expired';

/**
 * One move of one message (or of the shard). A commit carries an ordered list of them; a later one sees what an earlier
 * one of the same commit did. Durations are relative: the store adds them to its own time inside the commit (M14).
 * Messages in line are named by `seq`, their place, which the store assigned and which never changes while they stay.
 *
 * Rules that hold for all of them (the pure model in `shard-state.ts` is what decides in doubt):
 * - Durations and times are whole milliseconds. A delay of 0 or less is no delay: `notBefore` is then 0.
 * - A `seq` that no message ever had is illegal. One that has left the line is `not-found` for `dispatch` and `expire`
 *   (an offered `cancel` may have been first, which is nobody's fault) and illegal for all else: only the owner moves
 *   a message that has started or is blocked.
 * - An id names one message. `append` of an id that is pending, dead or has a kept verdict is a `duplicate`; a
 *   `messageId` is looked up before the id. `replay` to a known `newId` likewise, and changes nothing.
 * - Verdicts past their time count as unknown; an `append` that meets one by id or `messageId` forgets it.
 */
export type Transition =
  /**
   * A new message at the end of its entity's line. With `dispatch`, it is also marked as started in the same commit,
   * if its line is not paused and all messages of its entity ahead of it are started; otherwise it just waits
   * (`dispatched: false`). With `dispatch` and a deadline that has passed, it goes to the dead letters at once.
   */
  | {
      readonly type: 'append';
      readonly message: Envelope;
      readonly dispatch?: boolean | undefined;
      /**
       * The message takes its place in line this much later (milliseconds). `delayMs` above 0, `runAt` and `dispatch`
       * exclude each other: two of them together are illegal.
       */
      readonly delayMs?: number | undefined;
      /** The message takes its place in line at this wall time (milliseconds since the epoch); at once when past. */
      readonly runAt?: number | undefined;
      /** The message ends as `expired` unless it started this many milliseconds after the commit. */
      readonly expiresInMs?: number | undefined;
    }
  /**
   * A delayed message that is due takes its place at the end of the line, with a new `seq` and `notBefore` 0. One whose
   * deadline has passed as well ends as `expired` (its dead letter has `seq` 0).
   */
  | { readonly type: 'promote'; readonly id: string }
  /**
   * Marks a waiting message as started. Attempt grows by one. Only from `enqueued`. Checked in this order: its deadline
   * has passed and it never started: it ends as `expired`, whatever its place; its line is paused: outcome `paused`; a message of its entity
   * ahead of it is not started: `not-due` if that one is backing off (with its time), else illegal; it is backing off
   * itself: `not-due`. So the started messages of an entity were always the first of its line (I4), and the store leaves
   * to the owner how many there may be (`dispatchAhead`).
   */
  | { readonly type: 'dispatch'; readonly seq: number }
  | {
      readonly type: 'complete';
      readonly seq: number;
      /** JSON text of the handler's result, or undefined when it returned nothing. */
      readonly reply?: string | undefined;
      /** Keeps the verdict for `entryTTL` although the message has no `messageId`: someone may still ask (M12). */
      readonly keepVerdict?: boolean | undefined;
      /** The entity's new actor state (JSON text; null removes it), durable together with the completion. */
      readonly state?: string | null | undefined;
      /** Messages that become durable together with the completion, for the outbox. */
      readonly outgoing?: readonly OutgoingMessage[] | undefined;
    }
  /** The attempt failed and another one is left: back to `enqueued` at the same place, not before `delayMs` from now. */
  | {
      readonly type: 'retry';
      readonly seq: number;
      readonly delayMs: number;
      readonly error: ErrorDescription;
      /**
       * The handler did not start: the message was marked ahead of its turn and one before it must run again. The
       * attempt is taken back and nothing is added to the history (`error` is not kept).
       */
      readonly unstarted?: boolean | undefined;
    }
  | {
      readonly type: 'fail';
      readonly seq: number;
      readonly error: ErrorDescription;
      readonly keepVerdict?: boolean | undefined;
    }
  /**
   * The owner lost track of a started message: it may have run. `interruptions` grows by one. With `retry` it goes back
   * to `enqueued` at its place, with `notBefore` 0, instead of to the dead letters.
   */
  | {
      readonly type: 'interrupt';
      readonly seq: number;
      readonly retry?: boolean | undefined;
      readonly error?: ErrorDescription | undefined;
      readonly keepVerdict?: boolean | undefined;
    }
  /** `onFailure: 'block'`: the started message stays at the head of its line as `blocked` (M17). */
  | { readonly type: 'block'; readonly seq: number; readonly error: ErrorDescription }
  /** A blocked message goes back to `enqueued`, in place, with `notBefore` 0. */
  | { readonly type: 'unblock'; readonly seq: number }
  /** A blocked message goes to the dead letters as `failed`, with the error that blocked it; no new history record. */
  | { readonly type: 'skip'; readonly seq: number }
  /**
   * A waiting message whose deadline has passed by the store's time ends. Before the deadline: outcome `not-due`. Illegal
   * for a message that has started, is blocked or has no deadline. A deadline holds for every attempt.
   */
  | { readonly type: 'expire'; readonly seq: number }
  /**
   * Withdraws a message that never started, in line or delayed. One that has started once, also if it waits for its next
   * attempt or is blocked, may have had effects and stays: `already-started`. One that has ended: `not-found`.
   */
  | { readonly type: 'cancel'; readonly id: string }
  /**
   * A dead letter becomes a new message (id `newId`) at the end of its entity's line, and the letter goes (M17). The new
   * one starts afresh: attempt 0, no history, no deadline; it counts as accepted. Its `messageId` now points to it.
   */
  | { readonly type: 'replay'; readonly id: string; readonly newId: string }
  /** Removes a dead letter. */
  | { readonly type: 'purge'; readonly id: string }
  /**
   * Stops (resumes) starting messages of an entity, or of a whole type when `entityId` is absent. Durable. Twice is once.
   * Resuming a type leaves its entities that were paused on their own paused.
   */
  | { readonly type: 'pause'; readonly entityType: string; readonly entityId?: string | undefined }
  | { readonly type: 'resume'; readonly entityType: string; readonly entityId?: string | undefined };

export interface OutgoingMessage {
  readonly targetShard: number;
  readonly message: Envelope;
}

/** How a message ended, as kept for a waiter or a `messageId`. */
export interface Verdict {
  readonly state: FinalState;
  /** JSON text; only with `completed`. */
  readonly reply?: string | undefined;
  readonly error?: ErrorDescription | undefined;
}

/** What became of one transition. Races that are nobody's fault are outcomes; an impossible move refuses the commit. */
export type Outcome =
  /** Done as asked. For everything that needs no more words. */
  | { readonly type: 'applied' }
  /** In line at `seq`. `dispatched` when it was also marked as started (attempt 1). */
  | {
      readonly type: 'appended';
      readonly seq: number;
      readonly dispatched: boolean;
      readonly expiresAt?: number | undefined;
    }
  /**
   * `append`: offers of others were left in the inbox, which go first (M2). Nothing was done; the owner sends it again
   * with a later commit. Only from stores with `defersAppends`.
   */
  | { readonly type: 'deferred' }
  /** Accepted and waiting for its time; it has no place in line yet. */
  | { readonly type: 'delayed'; readonly notBefore: number }
  /**
   * The `messageId` (or the id) is known: nothing was appended. `id` is the first message's; `verdict` when it has ended.
   */
  | { readonly type: 'duplicate'; readonly id: string; readonly verdict?: Verdict | undefined }
  /** Marked as started. */
  | { readonly type: 'dispatched'; readonly attempt: number }
  /** The deadline had passed: the message went to the dead letters instead of starting. */
  | { readonly type: 'expired'; readonly message: StoredMessage }
  | { readonly type: 'cancelled'; readonly message: StoredMessage }
  /** `retry` and `interrupt` with `retry`: not before this wall time; 0: at once. */
  | { readonly type: 'retried'; readonly notBefore: number }
  /** `promote`, `replay`: the message as it now stands in line. */
  | { readonly type: 'queued'; readonly message: StoredMessage }
  /** `promote`, `expire` or `dispatch` came too early by the store's clock. */
  | { readonly type: 'not-due'; readonly dueAt: number }
  /** `dispatch`: the entity or its type is paused. */
  | { readonly type: 'paused' }
  /** `cancel`, `replay`, `purge`, `promote` of what is not there; `dispatch`, `expire` of what has left the line. */
  | { readonly type: 'not-found' }
  /** `purge`: the letter's entity type. */
  | { readonly type: 'purged'; readonly entityType: string }
  /** `cancel` of something that has started once or is blocked; `expire` of what has started once, whose deadline is void. */
  | { readonly type: 'already-started' };

/** A message as the store has it. */
export interface StoredMessage extends Envelope {
  /** Place in line: grows with every message that takes a place; also the order across entities. */
  readonly seq: number;
  readonly state: PendingState;
  /** Attempts started so far. */
  readonly attempt: number;
  /** Times that an owner was lost while the message was marked as started (M13). */
  readonly interruptions: number;
  /** Wall time of acceptance by the store, ms since the epoch. */
  readonly enqueuedAt: number;
  /** Not before this wall time: back-off of a retry, or due time of a delayed message. 0: at once. */
  readonly notBefore: number;
  /** Ends as `expired` unless started by this wall time. 0: never. */
  readonly expiresAt: number;
  /** Errors of the attempts so far, oldest first, at most `HISTORY_LENGTH_MAX`. */
  readonly history: readonly AttemptRecord[];
  /** The dead letter that this message is a replay of. */
  readonly replayOf?: string | undefined;
}

export interface AttemptRecord {
  readonly attempt: number;
  /** Wall time at which the attempt's end was committed. */
  readonly at: number;
  readonly outcome: 'retried' | 'interrupted' | 'blocked' | 'failed';
  readonly error?: ErrorDescription | undefined;
}

/** Older records of an often retried message are dropped first, so that a message cannot grow without limit (I10). */
export const HISTORY_LENGTH_MAX = 20;

export interface DeadLetter {
  /** Id of the message. */
  readonly id: string;
  /** Grows with every dead letter of the shard; the order of pages. */
  readonly number: number;
  readonly reason: DeadLetterReason;
  readonly error?: ErrorDescription | undefined;
  /** Wall time at which it became a dead letter. */
  readonly diedAt: number;
  /** The message as it was in line, history included. */
  readonly message: StoredMessage;
}

/** What the shard has seen since it was made. accepted = pending + sum of the final ones, always (I7). */
export interface ShardCounts {
  readonly accepted: number;
  readonly completed: number;
  readonly failed: number;
  readonly interrupted: number;
  readonly expired: number;
  readonly cancelled: number;
  /** Messages that have not ended: in line (any `PendingState`) or delayed. */
  readonly pending: number;
  readonly deadLetters: number;
}
