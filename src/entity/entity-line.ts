/**
 * What stands in one entity's line, and where each message of it is: the state that the worker (`entity-worker.ts`) decides
 * upon and that the store's answers (`store-answers.ts`) change. It starts nothing.
 *
 * Owns: the mailbox, the messages marked as started, the running one, and the stage of every item; those that run before
 * they are durable with `early-runs.ts`.
 */

import type { EntityKey } from '../message/entity-key.js';
import type { FinalState, Transition } from '../wal/transition.js';
import { Backoff } from './backoff.js';
import { EarlyRuns } from './early-runs.js';
import type { EntityWorker } from './entity-worker.js';
import { Item } from './item.js';
import { Mailbox } from './mailbox.js';
import { SlotHold } from './running-slots.js';
import { UnplacedQueries } from './unplaced-queries.js';
import type { WorkerHost, WorkerOptions } from './worker-host.js';

export abstract class EntityLine {
  readonly mailbox = new Mailbox();
  marked: Item[] = [];
  running: Item | undefined;
  readonly early = new EarlyRuns(this);
  protected readonly unplaced = new UnplacedQueries();
  /** Items whose outcome is on its way to the store. */
  finishing = 0;
  protected readonly slot: SlotHold;
  protected readonly backoff: Backoff;
  /** Pending messages of this entity on this node, for `workerMaxQueueDepth`. */
  depth = 0;
  paused = false;
  /** An offered message may be starting with the commit that is under way: nothing else is marked meanwhile. */
  reserved = false;
  /** Queries on their way into the line: a worker that waits for one must not make room for another of its entity (I3). */
  expected = 0;
  /** After an unclean start so many messages run alone, each with a durable start (M13). */
  runsAlone = 0;

  constructor(
    readonly key: EntityKey,
    readonly entityType: string,
    readonly entityId: string,
    readonly options: WorkerOptions,
    readonly host: WorkerHost,
  ) {
    this.slot = new SlotHold(host, () => {
      this.advance();
      this.letSlotGo();
    });
    this.backoff = new Backoff(host, () => this.advance());
  }

  get isIdle(): boolean {
    if (this.expected > 0) return false;
    return this.mailbox.length === 0 && this.marked.length === 0 && this.running === undefined && this.finishing === 0;
  }

  /** Whether anything of this entity has started and not settled, or is marked to start. */
  get isBusy(): boolean {
    return this.running !== undefined || this.marked.length > 0;
  }

  /** Whether a handler is at work, or what one did is not durable yet. */
  get isAtWork(): boolean {
    return this.running !== undefined || this.finishing > 0;
  }

  /** Looks whether anything can start or be marked. Safe to call at any time. */
  abstract advance(): void;

  /** The worker whose line it is. */
  protected abstract get self(): EntityWorker;

  /** Takes out a message that the store no longer has in line; returns it when it was more than a place. */
  takeOut(seq: number): Item | undefined {
    let entry = this.mailbox.removePlace(seq);
    if (entry === undefined) {
      entry = this.marked.find((each) => each.seq === seq && each.stage === 'dispatching');
      this.marked = this.marked.filter((each) => each !== entry);
    }
    if (typeof entry === 'object') return entry;
    if (entry !== undefined) {
      this.host.placeRemoved(this.self);
      this.advance();
      this.idleCheck();
    }
    return undefined;
  }

  /** Ends an item that `takeOut` returned. */
  endTakenOut(item: Item, state: FinalState): void {
    this.end(item, state);
    this.advance();
    this.letSlotGo();
  }

  /** Drops a volatile query that has not started. */
  dropVolatile(item: Item): void {
    if (this.mailbox.remove((each) => each === item) === undefined) return;
    if (!this.unplaced.takeOut(item)) {
      this.endTakenOut(item, 'cancelled');
      return;
    }
    this.queryRefused(item, this.host.lostWith ?? new Error('The query was dropped before it had its place.'));
    this.advance();
    this.letSlotGo();
  }

  /** A volatile query will not be accepted. Nobody has heard of it, so nobody hears of its end. */
  queryRefused(item: Item, error: Error): void {
    item.stage = 'ended';
    this.host.refusedByStore(item, error);
    this.idleCheck();
  }

  /** Every item in memory that has not ended, whatever its stage. */
  items(): Item[] {
    const waiting = this.mailbox.entries().filter((entry): entry is Item => typeof entry !== 'number');
    const { running } = this;
    const isUnlisted = running !== undefined && (running.isVolatile || running.isUnmarked);
    return [...(isUnlisted ? [running] : []), ...this.marked, ...waiting];
  }

  /** Takes an item out of those that are marked. */
  unmark(item: Item): void {
    this.marked = this.marked.filter((each) => each !== item);
  }

  /**
   * Something takes a place ahead of what is on its way to the store: that is not started by its append any more, and stands
   * in line, ahead of what came after it (I4).
   */
  unmarkAppends(): void {
    const unmarked = this.marked.filter(({ stage }) => stage === 'appending');
    if (unmarked.length === 0) return;
    this.marked = this.marked.filter(({ stage }) => stage !== 'appending');
    for (const item of unmarked) {
      item.appendDispatches = false;
      if (item.append !== undefined) item.append.dispatch = false;
    }
    this.mailbox.putAhead(unmarked);
  }

  /** One stands in line again that was to start: what is behind it, and not on its way to the store, must not start first. */
  unmarkBehind({ seq }: Item): void {
    this.unmarkAppends();
    for (const item of this.marked.filter((each) => each.stage === 'dispatching' && each.seq > seq)) {
      if (!this.host.withdrawDispatch(item)) continue;
      this.unmark(item);
      this.waits(item);
      this.mailbox.putBack(item);
    }
  }

  /** One that stands in line was marked as started by its append. */
  markStanding(item: Item): void {
    item.appendDispatches = true;
    this.mailbox.remove((entry) => entry === item);
    this.marked.push(item);
  }

  /** An item waits in line again; its deadline may have passed unheeded while it did not. */
  waits(item: Item): void {
    item.stage = 'waiting';
    item.isUnmarked = false;
    if (item.expiresAt > 0 && item.attempt === 0) this.host.watchExpiry(item);
  }

  end(item: Item, state: FinalState): void {
    item.stage = 'ended';
    this.host.ended(item, state);
    this.idleCheck();
  }

  /** The head of the line as an item; a place number becomes one when its turn comes near. */
  protected head(): Item | undefined {
    const entry = this.mailbox.peek();
    if (typeof entry !== 'number') return entry;
    const head = this.host.unusualHead(entry);
    const item = new Item(
      this.self,
      'command',
      false,
      '',
      head?.name ?? '',
      undefined,
      undefined,
      undefined,
      'waiting',
    );
    item.seq = entry;
    item.counted = true;
    if (head !== undefined) {
      item.notBefore = head.notBefore;
      item.expiresAt = head.expiresAt;
      item.attempt = head.attempt;
      item.interruptions = head.interruptions;
      if (head.state === 'blocked') item.stage = 'blocked';
      if (item.expiresAt > 0 && item.attempt === 0) this.host.watchExpiry(item);
    }
    this.mailbox.replaceHead(item);
    return item;
  }

  protected leaveRunning(item: Item): void {
    this.running = undefined;
    if (this.runsAlone > 0 && !item.isVolatile) this.runsAlone -= 1;
    if (!item.isVolatile && this.marked[0] === item) this.marked.shift();
  }

  protected finish(item: Item, transition: Transition): void {
    item.stage = 'finishing';
    this.finishing += 1;
    this.host.commit(transition, item);
  }

  /** A slot is kept from message to message only while nobody else waits for one (I9). */
  protected letSlotGo(): void {
    if (!this.isBusy) this.slot.letGo();
  }

  protected idleCheck(): void {
    if (this.isIdle) this.host.becameIdle(this.self);
  }
}
