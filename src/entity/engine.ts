/**
 * What runs a node's messages, as the bus sees it: one shard in a store of its own (`local-engine.ts`), or a member of a
 * cluster (`src/cluster/`). It finds the owner of a message's entity, here or on another node.
 */
import type { Item } from './item.js';
import type { NodeShare } from './node-share.js';
import type { MessageStatus } from './operations.js';
import type { RecoveryReport } from './recovery.js';
import type { OwnerPhase } from './shard-owner.js';
import type { StopReport } from './shutdown.js';
import type { Receipt, Submission, WaitOptions } from './submission.js';

/** Takes messages in. Throws what the door refuses; rejects with what the store refuses. */
export interface MessageDoor {
  enqueue(submission: Submission): Promise<Receipt>;
  enqueueAndWait(submission: Submission, options: WaitOptions): Promise<unknown>;
  enqueueBulk(submissions: readonly Submission[]): Promise<Receipt[]>;
  /** Sets a reminder; one with the same id gives way. Resolves when that is durable. */
  remind(submission: Submission, reminder: ReminderTimes): Promise<void>;
  /** Resolves when it is durable that the reminder goes; there need not be one. */
  forgetReminder(entityType: string, entityId: string, id: string, name: string): Promise<void>;
}

/** What makes a reminder of a message. */
export interface ReminderTimes {
  /** Follows from entity and name. */
  readonly id: string;
  /** The schedule as it is stored. */
  readonly recurrence: string;
  /** Wall time. */
  readonly firstAt: number;
}

/** What operators and callers do to messages that are in the store already; see `Operations`. */
export interface MessageOperations {
  cancel(id: string): Promise<boolean>;
  status(id: string): Promise<MessageStatus>;
  setPaused(paused: boolean, entityType: string, entityId?: string): Promise<void>;
  purge(entityType: string, entityId?: string): Promise<number>;
  /** @param shard where the letter is, if that is known. */
  replay(id: string, shard?: number): Promise<string | undefined>;
  purgeDeadLetter(id: string, shard?: number): Promise<boolean>;
  /** Gives a blocked message another attempt. False when it is not blocked (any more). */
  unblock(id: string): Promise<boolean>;
  /** Moves a blocked message to the dead letters. False when it is not blocked (any more). */
  skip(id: string): Promise<boolean>;
  release(id: string): boolean;
}

/**
 * `closed`: before `open`, or after the end. `recovering`: the store is being opened and what is in it settled.
 * `accepting`: messages are accepted. `running`: they also run. `draining`: nothing new. `lost`: the node cannot go on.
 */
export type EnginePhase = OwnerPhase;

export interface Engine {
  readonly phase: EnginePhase;
  /** Nothing is in line, running, or on its way to the store on this node. */
  readonly isIdle: boolean;
  readonly door: MessageDoor;
  readonly operations: MessageOperations;
  /** What the node's limits count. */
  readonly share: NodeShare;
  /** The store does not take commits at the moment. */
  readonly storeDegraded: boolean;
  /** Why the phase is `lost`. */
  readonly lostWith: Error | undefined;
  /** Messages whose handlers are at work here. */
  running(): readonly Item[];
  /** The shards that a reader of everything must look into. */
  shards(): readonly number[];
  /** Undefined when nobody has ever handled the type. */
  shardOf(entityType: string, entityId: string): number | undefined;
  /** Whether another node has said that it takes such messages; asked when this node does not. */
  takenElsewhere(entityType: string, name: string): boolean;
  /** Entity types that other nodes have named. */
  typesElsewhere(): readonly string[];
  /** Names of messages of the type that other nodes have told of. */
  namesElsewhere(entityType: string): readonly string[];
  /** Messages of the type are in the store, or its handlers are somewhere. */
  knowsType(entityType: string): Promise<boolean>;
  open(): Promise<void>;
  /** Starts starting messages; tells what was found. */
  start(): Promise<RecoveryReport>;
  /** Takes nothing new, lets handlers end within `deadlineMs`, lets go of the store. */
  stop(deadlineMs: number): Promise<StopReport>;
}
