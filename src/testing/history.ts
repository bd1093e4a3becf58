/**
 * The history of a run: one event per line of a log, written as things happen, from which `HistoryChecker` decides the
 * invariants I1 to I8. Owns the words only; `history-log.ts` writes and reads them, `history-recorder.ts` makes them.
 *
 * Order. The place of an event in the log is its position. Each event names its `node` and carries that node's own
 * count `seq` (1, 2, 3, … from each `nodeStarted`). Events of one node are always in order. Events of several nodes are
 * comparable only if the log has a common order: one file to which every process appends synchronously before it goes
 * on, or one process that plays all nodes. For logs that were only put one behind the other, set `commonOrder: false`:
 * then order between nodes is never used, and what needs it is not decided.
 *
 * When to write. An event that says that something is durable (`accepted`, `dispatched`, `retried`, `ended`, `opened`,
 * `committed`, …) is written after the store has confirmed it and before anyone is told. `enqueueCalled`, `cancelCalled`,
 * `replayCalled`, `operatorCalled` and `commitCalled` are written before the call, `started` before the handler's first instruction, and
 * `handlerEnded` before anything that follows from it. A process that dies may so lose only the news of its last act.
 */
import type { MessageKind } from '../message/envelope.js';
import type { DeadLetterReason, FinalState, ShardCounts } from '../wal/transition.js';

interface Written {
  readonly node: string;
  /** The node's own count, from 1 in each of its lives. Not checked for `crashed` and `final`, which others may write. */
  readonly seq: number;
  /** Milliseconds of one clock for the whole log: the store's time, or wall time where there is none. */
  readonly at?: number | undefined;
}

interface Addressed {
  readonly entityType: string;
  readonly entityId: string;
  readonly kind: MessageKind;
}

/** A process begins to work. The same name may live several times, one life after the other. */
export interface NodeStarted extends Written {
  readonly type: 'nodeStarted';
}
/** It ended in order. A handler that was left running is cut off. */
export interface NodeStopped extends Written {
  readonly type: 'nodeStopped';
}
/** It died: what it ran is cut off, what it was waiting for gets no answer. Written by whoever saw it. */
export interface NodeCrashed extends Written {
  readonly type: 'crashed';
}

/** Someone is about to call `enqueue` or `enqueueAndWait`. */
export interface EnqueueCalled extends Written, Addressed {
  readonly type: 'enqueueCalled';
  /** Names this call; unique in the whole history. */
  readonly call: string;
  /** `enqueueAndWait`. */
  readonly wait: boolean;
  readonly messageId?: string | undefined;
  /** `delayMs` or `runAt` was given: no place in line before it is due. */
  readonly delayed?: boolean | undefined;
  /** The caller withdraws the message itself when its wait times out. */
  readonly cancelOnTimeout?: boolean | undefined;
}
/** `enqueue` resolved. An id that was there before means that the call was a duplicate by `messageId`. */
export interface EnqueueResolved extends Written {
  readonly type: 'enqueueResolved';
  readonly call: string;
  readonly id: string;
}
/** The call failed, but not with a verdict: refused at the door, or the wait ended (`REPLY_TIMEOUT` and the like). */
export interface EnqueueRejected extends Written {
  readonly type: 'enqueueRejected';
  readonly call: string;
  /** The error's stable code; absent when it had none. */
  readonly code?: string | undefined;
  readonly id?: string | undefined;
}
/** A waiter got a verdict. */
export interface Answered extends Written {
  readonly type: 'answered';
  readonly call: string;
  readonly id?: string | undefined;
  readonly state: FinalState;
  /** JSON text or a digest of it; compared with the one of `ended` when both have it. */
  readonly reply?: string | undefined;
}
/** Tells which message a call made, where nothing else does (a waiter that got only its reply). */
export interface Linked extends Written {
  readonly type: 'linked';
  readonly call: string;
  readonly id: string;
}

/** The message is durable (a volatile query: in line). */
export interface Accepted extends Written, Addressed {
  readonly type: 'accepted';
  readonly id: string;
  readonly call?: string | undefined;
  readonly messageId?: string | undefined;
  /** Delayed until then, by the clock of `at`. */
  readonly notBefore?: number | undefined;
  readonly expiresAt?: number | undefined;
  /** No call made it: the handler of a message sent it, or it is a reminder or the copy of one. */
  readonly from?: 'handler' | 'reminder' | undefined;
  /** A delayed message of the same id gave way to it and counts as cancelled, if there was one. */
  readonly replaces?: boolean | undefined;
}
/**
 * A message that was handed in under a known `messageId`: it is none, and `of` is the one that stands for it. Its caller may
 * have got `id` as the answer to its `enqueue`.
 */
export interface Duplicate extends Written {
  readonly type: 'duplicate';
  readonly id: string;
  readonly of: string;
}
/** A delayed message took its place in line. */
export interface Promoted extends Written {
  readonly type: 'promoted';
  readonly id: string;
}
/** The mark "started" is durable. Of a state-only handler it is written together with what became of it (I2). */
export interface Dispatched extends Written {
  readonly type: 'dispatched';
  readonly id: string;
  readonly attempt: number;
  readonly shard?: number | undefined;
  readonly epoch?: number | undefined;
}
/** The handler is about to get its first instruction. */
export interface Started extends Written, Addressed {
  readonly type: 'started';
  readonly id: string;
  readonly attempt: number;
  readonly shard?: number | undefined;
  readonly epoch?: number | undefined;
  readonly fencingToken?: string | undefined;
  /** What the owner knows to be left of its lease, milliseconds of its own clock (M7). Negative: it is over. */
  readonly leaseLeftMs?: number | undefined;
}
/** The handler's promise settled. */
export interface HandlerEnded extends Written {
  readonly type: 'handlerEnded';
  readonly id: string;
  readonly attempt: number;
  readonly ok: boolean;
}
/**
 * The owner gave the handler up while it ran on: lease lost and signal fired, or released by an operator (M7, M18). Or what a
 * state-only handler did before its message was in line does not count (I2).
 */
export interface Abandoned extends Written {
  readonly type: 'abandoned';
  readonly id: string;
  readonly attempt: number;
}
/** Back to its place in line, durable. */
export interface Retried extends Written {
  readonly type: 'retried';
  readonly id: string;
  /** Why: the attempt failed, or its owner was lost and the type says `onInterrupt: 'retry'`. */
  readonly reason: 'failed' | 'interrupted';
  readonly notBefore?: number | undefined;
  /** It had been marked ahead of its turn and has not started: the mark and its attempt are taken back. */
  readonly unstarted?: boolean | undefined;
}
/** `onFailure: 'block'` holds the message at the head of its line; `unblocked` puts it back to waiting. Both durable. */
export interface BlockedOrNot extends Written {
  readonly type: 'blocked' | 'unblocked';
  readonly id: string;
}
/** The verdict is durable. */
export interface Ended extends Written {
  readonly type: 'ended';
  readonly id: string;
  readonly state: FinalState;
  readonly reply?: string | undefined;
  /** The code of the error that the verdict carries. */
  readonly code?: string | undefined;
}

/** Someone is about to withdraw a message, or everything that waits of an entity or of a type. */
export interface CancelCalled extends Written {
  readonly type: 'cancelCalled';
  readonly id?: string | undefined;
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
}
/** Someone is about to replay (purge) a dead letter. */
export interface LetterCalled extends Written {
  readonly type: 'replayCalled' | 'purgeCalled';
  readonly id: string;
}
/** The letter is gone and the new message is in line, durable. */
export interface Replayed extends Written {
  readonly type: 'replayed';
  readonly id: string;
  readonly newId: string;
}
/** The dead letter was removed for good. */
export interface Purged extends Written {
  readonly type: 'purged';
  readonly id: string;
}
/** An entity, or without `entityId` a whole type, stops (resumes) starting messages. */
export interface PausedOrResumed extends Written {
  readonly type: 'paused' | 'resumed';
  readonly entityType: string;
  readonly entityId?: string | undefined;
}

/** What an operator asks for. What became durable of it is told by other events; these tell what he was told. */
export type OperatorAction = 'pause' | 'resume' | 'cancel' | 'unblock' | 'skip' | 'replay' | 'purge';

/** An operator is about to make a call. Without an answer it may have been done, or not, or be done later. */
export interface OperatorCalled extends Written {
  readonly type: 'operatorCalled';
  /** Names this call; unique in the whole history. */
  readonly call: string;
  readonly action: OperatorAction;
  /** The message or dead letter. */
  readonly id?: string | undefined;
  /** `pause` and `resume`: the line, or without `entityId` all lines of a type. */
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
}
/** The call resolved. A call that failed has no such event: what it did is not known. */
export interface OperatorAnswered extends Written {
  readonly type: 'operatorAnswered';
  readonly call: string;
  /** False: there was nothing to do it to (any more). */
  readonly done: boolean;
  /** Of a `replay`: the message that it made. */
  readonly newId?: string | undefined;
}

/** A node opened a shard under this epoch. */
export interface ShardOpened extends Written {
  readonly type: 'opened';
  readonly shard: number;
  readonly epoch: number;
  /** The last owner had not released it: what that one runs is its own affair from here on (M7). */
  readonly taken?: boolean | undefined;
  /** With `taken`: what the last owner had left of its lease by its own clock, milliseconds; absent: it had given up. */
  readonly leaseLeftMs?: number | undefined;
}
/** A commit was sent (`commitCalled`) or the store has applied it (`committed`). */
export interface Commit extends Written {
  readonly type: 'commitCalled' | 'committed';
  readonly shard: number;
  readonly epoch: number;
  readonly number: number;
}

/**
 * Nothing is left that could run before time moves or someone acts, while every shard has a living owner: only what is
 * delayed, backing off, blocked, paused, or behind one of those may still wait.
 */
export interface Quiescent extends Written {
  readonly type: 'quiescent';
}
/** What the store holds after the run. Several of them (per shard, per page) add up; give `counts` once per shard. */
export interface FinalSnapshot extends Written {
  readonly type: 'final';
  readonly counts?: ShardCounts | undefined;
  /** Ids in line or delayed. */
  readonly pending: readonly string[];
  readonly deadLetters: readonly { readonly id: string; readonly reason: DeadLetterReason }[];
}

export type HistoryEvent =
  | NodeStarted
  | NodeStopped
  | NodeCrashed
  | EnqueueCalled
  | EnqueueResolved
  | EnqueueRejected
  | Answered
  | Linked
  | Accepted
  | Duplicate
  | Promoted
  | Dispatched
  | Started
  | HandlerEnded
  | Abandoned
  | Retried
  | BlockedOrNot
  | Ended
  | CancelCalled
  | LetterCalled
  | Replayed
  | Purged
  | PausedOrResumed
  | OperatorCalled
  | OperatorAnswered
  | ShardOpened
  | Commit
  | Quiescent
  | FinalSnapshot;

/** An event without who wrote it and when: what a recorder is handed. */
export type HistoryFact = HistoryEvent extends infer E
  ? E extends HistoryEvent
    ? Omit<E, 'node' | 'seq' | 'at'>
    : never
  : never;
