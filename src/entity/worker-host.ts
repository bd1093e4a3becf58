/**
 * What a worker needs from the owner of its shard, and what it tells it: the narrow border between the order of messages
 * and everything that has an effect.
 */
import type { ErrorDescription } from '../message/envelope.js';
import type { Deadline } from '../runtime/deadlines.js';
import type { FinalState, Outcome, Transition } from '../wal/transition.js';
import type { MessageHead } from '../wal/wal.js';
import type { EntityWorker } from './entity-worker.js';
import type { Item } from './item.js';
import type { RetryPolicy } from './retry.js';
import type { SlotTaker } from './running-slots.js';

export interface WorkerHost {
  /** False while this node does not start messages: before start-up is done, and while it drains. */
  readonly startsMessages: boolean;
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
  /** Whether a handler here takes this message. Items known by place only always have one. */
  handles(item: Item): boolean;

  /** A message that was in memory as a place only is out of the line. */
  placeRemoved(worker: EntityWorker): void;
  /** Calls for the item's end when its deadline passes while it waits. */
  watchExpiry(item: Item): void;
  accepted(item: Item): void;
  duplicate(item: Item, outcome: Extract<Outcome, { type: 'duplicate' }>): void;
  delayed(item: Item, notBefore: number): void;
  refusedByStore(item: Item, error: Error): void;
  retried(item: Item, error: ErrorDescription | undefined, notBefore: number): void;
  /** The verdict is durable. */
  ended(item: Item, state: FinalState): void;
  /** The worker has nothing left. */
  becameIdle(worker: EntityWorker): void;
}

export interface WorkerOptions {
  readonly dispatchAhead: number;
  readonly retry: RetryPolicy;
}
