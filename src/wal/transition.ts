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
       * Only with `dispatch`: the message's handler has run already (state-only handlers, I2). If this append marks it as
       * started, it also completes here, with this, as if `complete` followed; otherwise nothing of that run shows.
       */
      readonly completes?: Completion | undefined;
      /**
       * The message takes its place in line this much later (milliseconds). `delayMs` above 0, `runAt` and `dispatch`
       * exclude each other: two of them together are illegal.
       */
      readonly delayMs?: number | undefined;
      /**
       * The message takes its place in line at this wall time (milliseconds since the epoch); at once when past. One with
       * a `recurrence` is delayed in any case, also with a time that has passed, and without one until now.
       */
      readonly runAt?: number | undefined;
      /** The message ends as `expired` unless it started this many milliseconds after the commit. */
      readonly expiresInMs?: number | undefined;
      /**
       * A delayed message with this id makes room for the new one and counts as cancelled. Without one, a plain append:
       * an id that is known otherwise is still a `duplicate`. For reminders, of which there is one per name.
       */
      readonly replace?: boolean | undefined;
    }
  /**
   * A delayed message that is due takes its place at the end of the line, with a new `seq` and `notBefore` 0. One whose
   * deadline has passed as well ends as `expired` (its dead letter has `seq` 0).
   *
   * With `again`, the delayed message stays, with this due time and `lastRunId`, and a copy of it takes the place: with the
   * id `newId`, accepted now, without `recurrence`, `messageId`, `replyTo`, `lastRunId` and deadline. While the copy of the
   * time before is still pending and `overlap` is not set, no copy is made: outcome `skipped-run`.
   */
  | {
      readonly type: 'promote';
      readonly id: string;
      readonly again?:
        | {
            readonly newId: string;
            /** Wall time of the next run, after the present one's. */
            readonly notBefore: number;
            readonly overlap?: boolean | undefined;
          }
        | undefined;
    }
  /**
   * Marks a waiting message as started. Attempt grows by one. Only from `enqueued`. Checked in this order: its deadline
   * has passed and it never started: it ends as `expired`, whatever its place; its line is paused: outcome `paused`; a message of its entity
   * ahead of it is not started: `not-due` if that one is backing off (with its time), else illegal; it is backing off
   * itself: `not-due`. So the started messages of an entity were always the first of its line (I4), and the store leaves
   * to the owner how many there may be (`dispatchAhead`).
   */
  | { readonly type: 'dispatch'; readonly seq: number }
  | (Completion & { readonly type: 'complete'; readonly seq: number; readonly starts?: Starts })
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
      readonly starts?: Starts;
    }
  | {
      readonly type: 'fail';
      readonly seq: number;
      readonly error: ErrorDescription;
      readonly keepVerdict?: boolean | undefined;
      readonly starts?: Starts;
    }
  /**
   * The owner lost track of a started message: it may have run. `interruptions` grows by one. With `retry` it goes back
   * to `enqueued` at its place, with `notBefore` 0, instead of to the dead letters; with `block` it stays there as
   * `blocked` (M17). Both together are illegal.
   */
  | {
      readonly type: 'interrupt';
      readonly seq: number;
      readonly retry?: boolean | undefined;
      readonly block?: boolean | undefined;
      readonly error?: ErrorDescription | undefined;
      readonly keepVerdict?: boolean | undefined;
    }
  /** `onFailure: 'block'`: the started message stays at the head of its line as `blocked` (M17). */
  | { readonly type: 'block'; readonly seq: number; readonly error: ErrorDescription; readonly starts?: Starts }
  /**
   * A blocked message goes back to `enqueued`, in place, with `notBefore` 0: outcome `unblocked`. `not-found` when it is
   * not blocked (any more): who asks may be late.
   */
  | { readonly type: 'unblock'; readonly id: string }
  /**
   * A blocked message goes to the dead letters as `failed`, or as `interrupted` if that is what blocked it, with the error
   * that blocked it; no new history record. Outcome `skipped`, or `not-found` as for `unblock`.
   */
  | { readonly type: 'skip'; readonly id: string; readonly keepVerdict?: boolean | undefined }
  /**
   * A waiting message whose deadline has passed by the store's time ends. Before the deadline: outcome `not-due`. Illegal
   * for a message that has started, is blocked or has no deadline. A deadline holds for every attempt.
   */
  | { readonly type: 'expire'; readonly seq: number }
  /**
   * Withdraws a message that never started, in line or delayed. One that has started once, also if it waits for its next
   * attempt or is blocked, may have had effects and stays: `already-started`. So is one that the owner runs without having
   * marked it (`CommitRequest.runsUnmarked`). One that has ended: `not-found`. `keepVerdict` as for `complete`: who offered it
   * may ask.
   */
  | { readonly type: 'cancel'; readonly id: string; readonly keepVerdict?: boolean | undefined }
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
  | { readonly type: 'resume'; readonly entityType: string; readonly entityId?: string | undefined }
  /** The `count` oldest entries of the outbox are durable at their targets and go. More than there are: illegal. */
  | { readonly type: 'relayed'; readonly count: number };

/**
 * The message was not marked as started: it starts and settles with this transition (state-only handlers, I2). Legal for
 * an `enqueued` message that is the first of its line, also if it is paused or past its deadline: its handler ran before
 * that was durable. Attempt grows by one.
 */
export type Starts = true | undefined;

/** What becomes durable when a handler has succeeded. */
export interface Completion {
  /** JSON text of the handler's result, or undefined when it returned nothing. */
  readonly reply?: string | undefined;
  /** Keeps the verdict for `entryTTL` although the message has no `messageId`: someone may still ask (M12). */
  readonly keepVerdict?: boolean | undefined;
  /** There is a reply that cannot be stored: the owner tells those who wait itself, and the store must not. */
  readonly untold?: boolean | undefined;
  /** The entity's new actor state (JSON text; null removes it), durable together with the completion. */
  readonly state?: string | null | undefined;
  /** The state counts as removed this many milliseconds after the commit. Default: never. */
  readonly stateTtlMs?: number | undefined;
  /**
   * Messages that become durable together with the completion (M15). One for this shard takes its place in line in the
   * same commit, unless offers are left in the inbox, which go first (I4), or earlier ones for this shard in the outbox;
   * all others go to the outbox, in order.
   */
  readonly outgoing?: readonly OutgoingMessage[] | undefined;
}

/** What a handler sends with its completion: an append at the target, whose durations count from its arrival there. */
export interface OutgoingMessage {
  readonly targetShard: number;
  readonly append: OutgoingAppend;
}

/** An append as it stands in an outbox: never one that dispatches. */
export type OutgoingAppend = Omit<Extract<Transition, { readonly type: 'append' }>, 'dispatch' | 'completes'>;

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
  /**
   * `complete` with `outgoing`: what became of each message, in order. `arrived` as if the owner had appended it;
   * `outbox`: it waits for being relayed.
   */
  | { readonly type: 'sent'; readonly sent: readonly Sent[] }
  /**
   * In line at `seq`. `dispatched` when it was also marked as started (attempt 1). `completed` when it also left the line
   * again (`completes`): what became of each outgoing message, in order.
   */
  | {
      readonly type: 'appended';
      readonly seq: number;
      readonly dispatched: boolean;
      readonly expiresAt?: number | undefined;
      readonly completed?: readonly Sent[] | undefined;
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
  /** `promote` with `again`: the run before is still pending, and this one is left out. */
  | { readonly type: 'skipped-run' }
  /** `unblock`: the message as it now waits at the head of its line. */
  | { readonly type: 'unblocked'; readonly message: StoredMessage }
  /** `skip`: the message as it was, and what it ended as. */
  | { readonly type: 'skipped'; readonly message: StoredMessage; readonly reason: 'failed' | 'interrupted' }
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

/** What became of one outgoing message. */
export type Sent =
  | { readonly type: 'outbox'; readonly entry: OutboxEntry }
  | {
      readonly type: 'arrived';
      readonly outcome: Outcome;
      /** The message as it stands in line, when it took a place. */
      readonly message?: StoredMessage | undefined;
    };

/** A message on its way to another shard. */
export interface OutboxEntry {
  /**
   * With the target and the epoch: its name. 1, 2, 3, … without gaps per target shard and epoch of the source. The target
   * takes it in under the session `outboxSession(shard, epoch)`, once, and in this order (M11, M15).
   */
  readonly number: number;
  /** The epoch in which it was put there: another world of numbers than those that a roll-back of the store may reuse. */
  readonly epoch: number;
  readonly targetShard: number;
  readonly append: OutgoingAppend;
}

/** The producer session under which the outbox of a shard is relayed. */
export function outboxSession(sourceShard: number, epoch: number): string {
  return `outbox.${sourceShard}.${epoch.toString(36)}`;
}

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
  /** Of a delayed message with `recurrence`: the id of its last copy that took a place in line. */
  readonly lastRunId?: string | undefined;
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
  /** Of the pending ones: `blocked` (M17). */
  readonly blocked: number;
}
