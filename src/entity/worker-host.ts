/**
 * What a worker needs from the owner of its shard, and what it tells it: the narrow border between the order of messages
 * and everything that has an effect.
 */
import type { EntityKey } from '../message/entity-key.js';
import type { ErrorDescription } from '../message/envelope.js';
import type { Deadline } from '../runtime/deadlines.js';
import type { Completion, FinalState, Outcome, Sent, Transition } from '../wal/transition.js';
import type { MessageHead } from '../wal/wal.js';
import type { EntityWorker } from './entity-worker.js';
import type { Item } from './item.js';
import type { RetryPolicy } from './retry.js';
import type { SlotTaker } from './running-slots.js';

export interface WorkerHost {
  /** False while this node does not start messages: before start-up is done, and while it drains. */
  readonly startsMessages: boolean;
  /** Why nothing is written to the line any more. */
  readonly lostWith: Error | undefined;
  now(): number;
  commit(transition: Transition, item: Item): void;
  /** Runs the item's handler soon; the host calls `settled` when it is done. */
  start(item: Item): void;
  takeSlot(taker: SlotTaker): boolean;
  giveSlotBack(): void;
  readonly slotsContended: boolean;
  /** Calls `deadlinePassed` of the target after the delay; returns a key for `clearDeadline`. */
  setDeadline(target: Deadline, delayMs: number): number;
  clearDeadline(target: Deadline, key: number): void;
  /** Hands over, once, the head of a message that is in memory as a place only and is not usual: backing off, expiring, parked. */
  unusualHead(seq: number): MessageHead | undefined;
  /**
   * How this message starts: `marked`, after a durable dispatch; `unmarked`, without one; `none`, when no handler here takes
   * it. Items known by place only always have one.
   */
  startOf(item: Item): 'none' | 'marked' | 'unmarked';
  /**
   * Whether a message may start now without a durable dispatch. Otherwise the worker hears when it should look again. The
   * message counts as running from then on, until `runCommitted` or `unmarkedOver`.
   */
  mayRunUnmarked(item: Item): boolean;
  /**
   * Whether a message of this entity may not start before all outcomes on their way are durable: its actor is not in memory,
   * and the store does not have its latest state yet.
   */
  mustWait(worker: EntityWorker): boolean;
  /** Whether the entity's actor is in memory. */
  isAwake(worker: EntityWorker): boolean;
  /** It does not run without a durable dispatch any more. */
  unmarkedOver(item: Item): void;

  /** A message that was in memory as a place only is out of the line. */
  placeRemoved(worker: EntityWorker): void;
  /** Calls for the item's end when its deadline passes while it waits. */
  watchExpiry(item: Item): void;
  accepted(item: Item): void;
  duplicate(item: Item, outcome: Extract<Outcome, { type: 'duplicate' }>): void;
  delayed(item: Item, notBefore: number): void;
  refusedByStore(item: Item, error: Error): void;
  retried(item: Item, error: ErrorDescription | undefined, notBefore: number): void;
  /** Its handler is still at work, and what that does counts no longer. */
  givenUp(item: Item): void;
  /** What became of a start is durable; `completion` when it completed. */
  runCommitted(item: Item, completion: Completion | undefined, now: number): void;
  /** It runs while its append is on the way: until `runsAtPlace` or `unmarkedOver`, its id is all that the store knows. */
  runsUnplaced(item: Item): void;
  /** Its message has a place now. */
  runsAtPlace(item: Item): void;
  /** Takes back a dispatch that is not sent yet; false when it is in a commit, or was answered. */
  withdrawDispatch(item: Item): boolean;
  /** The actor in memory remembers what never was: the next message wakes another one. */
  forgetActor(key: EntityKey): void;
  /** It stays at the head of its line, durably. */
  blocked(item: Item, error: ErrorDescription): void;
  /** What was sent with a completion. */
  sent(sent: readonly Sent[]): void;
  /** The verdict is durable. */
  ended(item: Item, state: FinalState): void;
  /** The worker has nothing left. */
  becameIdle(worker: EntityWorker): void;
}

export interface WorkerOptions {
  readonly dispatchAhead: number;
  readonly retry: RetryPolicy;
  /** `block`: what failed for good, or was interrupted, stays at the head of the line (M17). */
  readonly onFailure: 'dead-letter' | 'block';
}
