/**
 * The worker of one entity: its line and the rules by which messages leave it. One handler at a time (I3), in order (I4),
 * each started only after its dispatch is durable (I2).
 *
 * Owns: the mailbox, the messages marked as started, and the stage of every item. It performs nothing itself: it asks its
 * host to commit transitions and to run handlers. It is made by an entity's first message and forgotten when idle, so it
 * holds no timer and no promise while idle.
 *
 * Invariants:
 * - `marked` holds, in order, what is being dispatched or is dispatched and has not settled; with `dispatchAhead: 1` that
 *   is at most one message.
 * - Everything in `marked` came before everything in `mailbox`, except while marked ones are being put back behind a
 *   message that failed and will be retried.
 * - `running` is the one item handed to the host to run; its handler has not settled.
 */

import type { EntityKey } from '../message/entity-key.js';
import type { ErrorDescription } from '../message/envelope.js';
import type { FinalState, Outcome, Transition } from '../wal/transition.js';
import { Backoff } from './backoff.js';
import { type HandlerFailure, handlerOutcome } from './handler-outcome.js';
import { Item } from './item.js';
import { Mailbox, type MailboxEntry } from './mailbox.js';
import { SlotHold } from './running-slots.js';
import type { WorkerHost, WorkerOptions } from './worker-host.js';

export class EntityWorker {
  readonly mailbox = new Mailbox();
  private marked: Item[] = [];
  private running: Item | undefined;
  /** Items whose outcome is on its way to the store. */
  private finishing = 0;
  private readonly slot: SlotHold;
  private readonly backoff: Backoff;
  /** Pending messages of this entity on this node, for `workerMaxQueueDepth`. */
  depth = 0;
  paused = false;
  /** An offered message may be starting with the commit that is under way: nothing else is marked meanwhile. */
  reserved = false;
  /** Queries on their way into the line: a worker that waits for one must not make room for another of its entity (I3). */
  expected = 0;
  /** After an unclean start the first message runs alone (M13). */
  firstRunsAlone = false;

  constructor(
    readonly key: EntityKey,
    readonly entityType: string,
    readonly entityId: string,
    readonly options: WorkerOptions,
    private readonly host: WorkerHost,
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

  /**
   * Takes in a new command whose append is about to be committed. Returns whether the same commit may mark it as started:
   * nothing is ahead of it but what is marked already.
   */
  enter(item: Item, mayDispatch: boolean): boolean {
    if (
      mayDispatch &&
      !this.reserved &&
      this.mailbox.length === 0 &&
      this.marked.length < this.ahead &&
      (this.marked.length === 0 || !this.host.slotsContended) &&
      this.mayStart &&
      this.host.handles(item) &&
      this.slot.have()
    ) {
      item.appendDispatches = true;
      this.marked.push(item);
      return true;
    }
    this.mailbox.push(item);
    return false;
  }

  /** Keeps the line for an offered message that the next commit may start; false when something else is before it. */
  reserve(): boolean {
    if (!this.isIdle || !this.mayStart) return false;
    this.reserved = true;
    return true;
  }

  /** The commit for which the line was kept has been answered. */
  unreserve(): void {
    this.reserved = false;
    this.advance();
    this.idleCheck();
  }

  /** Takes in an offered message that the store has marked as started. It is ahead of all that came since. */
  lineStarted(item: Item): void {
    item.stage = 'marked';
    this.marked.unshift(item);
    this.advance();
  }

  /** Takes in something that stands in line already: a volatile query, or a message that the store put there. */
  line(entry: MailboxEntry): void {
    if (typeof entry !== 'number' && entry.seq > 0) {
      this.mailbox.insertByPlace(entry);
      // Appends that wait to be sent come behind it, and must not start first (I4).
      for (const { append } of this.marked) if (append !== undefined) append.dispatch = false;
    } else this.mailbox.push(entry);
    this.advance();
  }

  /** Takes in a volatile query: it is accepted as soon as it is in line. */
  ask(query: Item): void {
    this.host.accepted(query);
    this.line(query);
  }

  /** Looks whether anything can start or be marked. Safe to call at any time. */
  advance(): void {
    if (!this.mayStart) {
      if (this.marked.length > 0) this.putBackMarked();
      return;
    }
    this.startMarked();
    this.markMore();
  }

  /** The running handler settled. `failure` is undefined when it succeeded. */
  settled(item: Item, failure: HandlerFailure | undefined): void {
    if (item.released) return;
    this.leaveRunning(item);
    item.error = failure?.error;
    if (item.isVolatile) this.end(item, failure === undefined ? 'completed' : 'failed');
    else {
      const outcome = handlerOutcome(item, failure, this.options.retry);
      if (outcome.type === 'retry') {
        // The head is back before anything else is looked at, so nothing overtakes it (I4).
        item.notBefore = Number.POSITIVE_INFINITY;
        this.mailbox.unshift(item);
      }
      this.finish(item, outcome);
    }
    if (this.host.slotsContended) this.letSlotGo();
    this.advance();
    this.letSlotGo();
  }

  /**
   * Ends the wait for a handler that does not settle: the message becomes `interrupted` (with `retry` it goes back to its
   * place), the line goes on (M18).
   */
  release(item: Item, error: ErrorDescription, retry = false): boolean {
    if (this.running !== item || item.isVolatile) return false;
    item.released = true;
    this.leaveRunning(item);
    item.error = error;
    if (retry) this.mailbox.unshift(item);
    this.finish(item, { type: 'interrupt', seq: item.seq, error, retry, keepVerdict: true });
    this.advance();
    this.letSlotGo();
    return true;
  }

  /** The host gives back an item before its handler began, because the node drains: it has not started. */
  notStarted(item: Item): void {
    if (this.running !== item) return;
    if (item.isVolatile) this.mailbox.unshift(item);
    else if (item.stage !== 'marked') return;
    this.running = undefined;
    this.advance();
    this.letSlotGo();
  }

  /** Puts marked messages that have not started back into the line, e.g. because the node drains. */
  putBackMarked(): void {
    for (const item of this.marked.filter((each) => each.stage === 'marked' && each !== this.running)) {
      this.marked = this.marked.filter((each) => each !== item);
      item.notBefore = Number.POSITIVE_INFINITY;
      this.mailbox.putBack(item);
      this.finish(item, {
        type: 'retry',
        seq: item.seq,
        delayMs: 0,
        unstarted: true,
        error: { name: 'NotStarted', message: 'Marked ahead and put back before it started.' },
      });
    }
    this.letSlotGo();
  }

  /** The shard has gone: what has not started will not start here, and its slot is for others. */
  leave(): void {
    if (this.running?.stage !== 'running') this.running = undefined;
    this.marked = this.marked.filter((each) => each === this.running);
    this.letSlotGo();
  }

  /** Takes out a message that the store no longer has in line; returns it when it was more than a place. */
  takeOut(seq: number): Item | undefined {
    let entry = this.mailbox.removePlace(seq);
    if (entry === undefined) {
      entry = this.marked.find((each) => each.seq === seq && each.stage === 'dispatching');
      this.marked = this.marked.filter((each) => each !== entry);
    }
    if (typeof entry === 'object') return entry;
    if (entry !== undefined) {
      this.host.placeRemoved(this);
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
    if (this.mailbox.remove((each) => each === item) !== undefined) this.endTakenOut(item, 'cancelled');
  }

  /** Every item in memory that has not ended, whatever its stage. */
  items(): Item[] {
    const waiting = this.mailbox.entries().filter((entry): entry is Item => typeof entry !== 'number');
    const running = this.running !== undefined && this.running.isVolatile ? [this.running] : [];
    return [...running, ...this.marked, ...waiting];
  }

  /** The store has answered for one of this worker's items. */
  committed(item: Item, outcome: Outcome, transition: Transition, now: number): void {
    switch (transition.type) {
      case 'append':
        this.appendAnswered(item, outcome, now);
        break;
      case 'dispatch':
        this.dispatchAnswered(item, outcome);
        break;
      case 'retry':
      case 'interrupt':
      case 'complete':
      case 'fail':
        this.finishing -= 1;
        if (outcome.type === 'retried') {
          item.notBefore = outcome.notBefore;
          const unstarted = transition.type === 'retry' && transition.unstarted === true;
          if (unstarted) item.attempt -= 1;
          this.waits(item);
          if (!unstarted) this.host.retried(item, item.error, outcome.notBefore);
        } else {
          this.end(
            item,
            transition.type === 'complete' ? 'completed' : transition.type === 'fail' ? 'failed' : 'interrupted',
          );
        }
        break;
      case 'expire':
        if (outcome.type === 'expired' && this.takeOut(item.seq) !== undefined) {
          item.adopt(outcome.message);
          this.end(item, 'expired');
        }
        // The clock was set back: the deadline is still to come.
        else if (outcome.type === 'not-due' && item.stage === 'waiting') this.host.watchExpiry(item);
        break;
      default:
        break;
    }
    this.advance();
    this.letSlotGo();
    this.idleCheck();
  }

  /** A volatile query that has not come in line will not: the shard is gone. */
  queryRefused(item: Item, error: Error): void {
    item.stage = 'ended';
    this.host.refusedByStore(item, error);
    this.idleCheck();
  }

  refused(item: Item, error: Error, transition: Transition): void {
    if (transition.type === 'append') {
      if (item.appendDispatches) this.marked = this.marked.filter((each) => each !== item);
      else this.mailbox.remove((each) => each === item);
    }
    item.stage = 'ended';
    this.host.refusedByStore(item, error);
    // What waits behind a message that was not taken in, a query for example, is next.
    if (transition.type === 'append') this.advance();
    this.letSlotGo();
    this.idleCheck();
  }

  private appendAnswered(item: Item, outcome: Outcome, now: number): void {
    const isMarked = item.appendDispatches;
    item.append = undefined;
    if (outcome.type === 'appended') {
      item.seq = outcome.seq;
      item.enqueuedAt = now;
      item.expiresAt = outcome.expiresAt ?? 0;
      if (outcome.dispatched) {
        item.attempt = 1;
        item.stage = 'marked';
      } else {
        item.stage = 'waiting';
        if (isMarked) {
          this.marked = this.marked.filter((each) => each !== item);
          item.appendDispatches = false;
          this.mailbox.putBack(item);
        }
      }
      this.host.accepted(item);
      return;
    }
    if (isMarked) this.marked = this.marked.filter((each) => each !== item);
    else this.mailbox.remove((each) => each === item);
    if (outcome.type === 'duplicate') {
      item.stage = 'ended';
      this.host.duplicate(item, outcome);
    } else if (outcome.type === 'expired') {
      item.enqueuedAt = now;
      item.seq = outcome.message.seq;
      this.host.accepted(item);
      this.end(item, 'expired');
    } else if (outcome.type === 'delayed') {
      item.enqueuedAt = now;
      item.stage = 'waiting';
      this.host.accepted(item);
      this.host.delayed(item, outcome.notBefore);
    }
  }

  private dispatchAnswered(item: Item, outcome: Outcome): void {
    // Withdrawn by something that was faster; whoever did that has told its waiter.
    if (item.stage === 'ended') return;
    if (outcome.type === 'dispatched') {
      item.attempt = outcome.attempt;
      item.stage = 'marked';
      return;
    }
    this.marked = this.marked.filter((each) => each !== item);
    if (outcome.type === 'expired') {
      item.adopt(outcome.message);
      this.end(item, 'expired');
    } else if (outcome.type === 'not-found') this.end(item, 'cancelled');
    else {
      if (outcome.type === 'not-due') item.notBefore = outcome.dueAt;
      this.waits(item);
      this.mailbox.putBack(item);
    }
  }

  /** An item waits in line again; its deadline may have passed unheeded while it did not. */
  private waits(item: Item): void {
    item.stage = 'waiting';
    if (item.expiresAt > 0 && item.attempt === 0) this.host.watchExpiry(item);
  }

  private get mayStart(): boolean {
    return this.host.startsMessages && !this.paused;
  }

  private get ahead(): number {
    return this.firstRunsAlone ? 1 : this.options.dispatchAhead;
  }

  private startMarked(): void {
    if (this.running !== undefined) return;
    const next = this.marked[0];
    if (next === undefined || next.stage !== 'marked') return;
    const head = this.mailbox.peek();
    if (head !== undefined && typeof head !== 'number' && head.seq > 0 && head.seq < next.seq) {
      this.putBackMarked();
      return;
    }
    this.running = next;
    this.host.start(next);
  }

  private markMore(): void {
    // While somebody waits for a slot, none is kept by marking ever more ahead (I9).
    const ahead = this.marked.length > 0 && this.host.slotsContended ? 0 : this.ahead;
    while (!this.reserved && this.marked.length < ahead) {
      const item = this.head();
      if (item === undefined || item.stage !== 'waiting') return;
      if (item.isVolatile) {
        if (this.isBusy || this.finishing > 0 || !this.slot.have()) return;
        this.mailbox.shift();
        this.running = item;
        this.host.start(item);
        return;
      }
      if (item.notBefore > 0 && item.notBefore > this.host.now()) {
        this.backoff.until(item.notBefore);
        return;
      }
      if (!this.host.handles(item) || !this.slot.have()) return;
      this.mailbox.shift();
      this.marked.push(item);
      item.stage = 'dispatching';
      this.host.commit({ type: 'dispatch', seq: item.seq }, item);
    }
  }

  /** The head of the line as an item; a place number becomes one when its turn comes near. */
  private head(): Item | undefined {
    const entry = this.mailbox.peek();
    if (typeof entry !== 'number') return entry;
    const head = this.host.unusualHead(entry);
    const item = new Item(this, 'command', false, '', head?.name ?? '', undefined, undefined, undefined, 'waiting');
    item.seq = entry;
    item.counted = true;
    if (head !== undefined) {
      item.notBefore = head.notBefore;
      item.expiresAt = head.expiresAt;
      item.attempt = head.attempt;
      item.interruptions = head.interruptions;
      if (item.expiresAt > 0 && item.attempt === 0) this.host.watchExpiry(item);
    }
    this.mailbox.replaceHead(item);
    return item;
  }

  private leaveRunning(item: Item): void {
    this.running = undefined;
    this.firstRunsAlone = false;
    if (!item.isVolatile && this.marked[0] === item) this.marked.shift();
  }

  private finish(item: Item, transition: Transition): void {
    item.stage = 'finishing';
    this.finishing += 1;
    this.host.commit(transition, item);
  }

  private end(item: Item, state: FinalState): void {
    item.stage = 'ended';
    this.host.ended(item, state);
    this.idleCheck();
  }

  /** A slot is kept from message to message only while nobody else waits for one (I9). */
  private letSlotGo(): void {
    if (!this.isBusy) this.slot.letGo();
  }

  private idleCheck(): void {
    if (this.isIdle) this.host.becameIdle(this);
  }
}
