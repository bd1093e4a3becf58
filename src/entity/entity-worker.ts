/**
 * The worker of one entity: its line and the rules by which messages leave it. One handler at a time (I3), in order (I4),
 * each started only after its dispatch is durable; those that have no effect outside of their completion start without (I2).
 *
 * What stands where is in `entity-line.ts`; this is who decides. It performs nothing itself: it asks its
 * host to commit transitions and to run handlers. It is made by an entity's first message and forgotten when idle, so it
 * holds no timer and no promise while idle.
 *
 * Invariants:
 * - `marked` holds, in order, what is being dispatched or is dispatched and has not settled; with `dispatchAhead: 1` that
 *   is at most one message.
 * - Everything in `marked` came before everything in `mailbox`, except while marked ones are being put back behind a
 *   message that failed and will be retried.
 * - `running` is the one item handed to the host to run; its handler has not settled. It is the first of `marked`, a
 *   volatile query, or runs unmarked; while it does that, nothing is marked.
 * - A blocked message is the first of the mailbox, and nothing starts while it is there.
 *
 * What an answer of the store means is in `store-answers.ts`.
 */

import type { ErrorDescription } from '../message/envelope.js';
import type { Outcome, Transition } from '../wal/transition.js';
import { EntityLine } from './entity-line.js';
import { type HandlerFailure, type HandlerOutcome, handlerOutcome } from './handler-outcome.js';
import type { Item } from './item.js';
import type { MailboxEntry } from './mailbox.js';
import { storeAnswered } from './store-answers.js';

/** Runs of one entity without a durable start whose outcome is on its way to the store, at most (I10). */
export const UNCOMMITTED_RUNS_MAX = 256;

export class EntityWorker extends EntityLine {
  protected get self(): EntityWorker {
    return this;
  }

  /**
   * Takes in a new command whose append is about to be committed. Returns whether the same commit may mark it as started:
   * nothing is ahead of it but what is marked already. With `mayRunEarly` it becomes a candidate for running before that,
   * if it can be one; `advance` starts it.
   */
  enter(item: Item, mayDispatch: boolean, mayRunEarly = false): boolean {
    this.unplaced.appendSent();
    if (mayRunEarly && this.startOf(item) === 'unmarked' && this.early.mayJoin()) this.early.join(item);
    else if (
      mayDispatch &&
      !this.reserved &&
      !this.early.isHolding &&
      this.mailbox.length === 0 &&
      this.marked.length < this.ahead &&
      (this.marked.length === 0 || !this.host.slotsContended) &&
      this.running?.isUnmarked !== true &&
      this.mayStart &&
      this.startOf(item) === 'marked' &&
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
      this.early.drop();
      this.unmarkAppends();
      this.mailbox.insertByPlace(entry);
    } else this.mailbox.push(entry);
    this.advance();
  }

  /** Takes in a volatile query: it is accepted as soon as it has its place. */
  ask(query: Item): void {
    if (this.unplaced.add(query)) this.host.accepted(query);
    this.line(query);
  }

  private appendAnswered(): void {
    const { lostWith } = this.host;
    for (const query of this.unplaced.appendAnswered()) {
      if (lostWith === undefined) this.host.accepted(query);
      // Its line is gone, and its waiter asks elsewhere.
      else if (this.mailbox.remove((each) => each === query) !== undefined) this.queryRefused(query, lostWith);
    }
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
    else if (item.early !== undefined) this.settledEarly(item, failure);
    else this.commitOutcome(item, handlerOutcome(item, failure, this.options));
    if (this.host.slotsContended) this.letSlotGo();
    this.advance();
    this.letSlotGo();
    if (item.stage === 'ended') this.idleCheck();
  }

  private settledEarly(item: Item, failure: HandlerFailure | undefined): void {
    if (item.early === 'dropped') this.early.settledDropped(item);
    else if (failure !== undefined || !this.early.goesAlong(item)) {
      this.early.hold(item, handlerOutcome(item, failure, this.options));
    }
  }

  /** What ran before it was durable has its place; what its handler left, if it has settled, can be committed. */
  placedEarly(item: Item): void {
    const outcome = this.early.placed(item);
    if (outcome !== undefined) this.commitOutcome(item, { ...outcome, seq: item.seq });
  }

  private commitOutcome(item: Item, outcome: HandlerOutcome): void {
    if (outcome.type === 'retry' || outcome.type === 'block') {
      // The head is back before anything else is looked at, so nothing overtakes it (I4).
      item.notBefore = Number.POSITIVE_INFINITY;
      this.mailbox.unshift(item);
    }
    this.finish(item, outcome);
  }

  /**
   * Ends the wait for a handler that does not settle: the message becomes `interrupted` (with `retry` it goes back to its
   * place; with `onFailure: 'block'` it stays there, blocked), the line goes on (M18).
   */
  release(item: Item, error: ErrorDescription, retry = false): boolean {
    if (this.running !== item || item.isVolatile) return false;
    // The store does not have its message yet: there is nothing to give up, unless it stays for another run.
    if (item.early === 'begun' && !retry) return false;
    item.released = true;
    this.host.givenUp(item);
    this.leaveRunning(item);
    item.error = error;
    if (item.early === 'dropped') this.early.settledDropped(item);
    else if (item.isUnmarked && retry) {
      // The store never heard of this start, and nothing of it is left: it has not started.
      this.unstart(item);
    } else if (item.isUnmarked) {
      this.marked.unshift(item);
      item.stage = 'dispatching';
      this.host.commit({ type: 'dispatch', seq: item.seq }, item);
    } else this.interrupt(item, error, retry);
    this.advance();
    this.letSlotGo();
    if (item.stage === 'ended') this.idleCheck();
    return true;
  }

  /** A message that was released while it ran without a durable start has one now. */
  interruptReleased(item: Item): void {
    this.unmark(item);
    this.interrupt(item, item.error, false);
  }

  private interrupt(item: Item, error: ErrorDescription | undefined, retry: boolean): void {
    const block = !retry && this.options.onFailure === 'block';
    if (retry || block) this.mailbox.unshift(item);
    const { seq } = item;
    this.finish(item, { type: 'interrupt', seq, error, retry, ...(block && { block }), keepVerdict: true });
  }

  /** It stands at the head again as if it had not started. */
  private unstart(item: Item): void {
    item.attempt -= 1;
    this.host.unmarkedOver(item);
    if (item.early === 'begun') this.early.giveBack(item);
    else this.waits(item);
    this.mailbox.unshift(item);
  }

  /** The host gives back an item before its handler began, e.g. because the node drains: it has not started. */
  notStarted(item: Item): void {
    if (this.running !== item) return;
    if (item.early === 'dropped') {
      this.early.settledDropped(item);
      this.running = undefined;
      this.advance();
      this.letSlotGo();
      this.idleCheck();
      return;
    }
    if (item.isUnmarked) {
      this.host.unmarkedOver(item);
      if (item.early === 'begun') this.early.giveBack(item);
      else this.waits(item);
    }
    if (item.isVolatile || item.stage === 'waiting' || item.stage === 'appending') {
      item.isNext = item.isVolatile;
      this.mailbox.unshift(item);
    } else if (item.stage !== 'marked') return;
    this.running = undefined;
    this.advance();
    this.letSlotGo();
  }

  /** Puts marked messages that have not started back into the line, e.g. because the node drains. */
  putBackMarked(): void {
    for (const item of this.marked.filter((each) => each.stage === 'marked' && each !== this.running)) {
      this.unmark(item);
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

  /** The blocked head waits for another attempt now. */
  unblocked(seq: number): void {
    const item = this.mailbox.find(seq);
    if (typeof item === 'object' && item.stage === 'blocked') {
      item.notBefore = 0;
      this.waits(item);
    }
    this.advance();
  }

  /** The store has answered for one of this worker's items. */
  committed(item: Item, outcome: Outcome, transition: Transition, now: number): void {
    storeAnswered(this, item, outcome, transition, now);
    if (transition.type === 'append') this.appendAnswered();
    this.advance();
    this.letSlotGo();
    this.idleCheck();
  }

  refused(item: Item, error: Error, transition: Transition): void {
    if (transition.type === 'append') {
      if (item.early === 'begun') this.early.drop();
      if (item.appendDispatches) this.unmark(item);
      else this.mailbox.remove((each) => each === item);
    }
    item.stage = 'ended';
    this.host.refusedByStore(item, error);
    if (transition.type === 'append') this.appendAnswered();
    // What waits behind a message that was not taken in, a query for example, is next.
    if (transition.type === 'append') this.advance();
    this.letSlotGo();
    this.idleCheck();
  }

  private get mayStart(): boolean {
    return this.host.startsMessages && !this.paused;
  }

  private get ahead(): number {
    return this.runsAlone > 0 ? 1 : this.options.dispatchAhead;
  }

  /** How a message starts, or `none`: no handler here takes it. */
  private startOf(item: Item): 'none' | 'marked' | 'unmarked' {
    const start = this.host.startOf(item);
    return start === 'unmarked' && this.runsAlone > 0 ? 'marked' : start;
  }

  private startMarked(): void {
    if (this.running !== undefined) return;
    const next = this.marked[0];
    if (next === undefined || next.stage !== 'marked') return;
    const head = this.mailbox.peek();
    if (typeof head === 'object' && (head.isNext || (head.seq > 0 && head.seq < next.seq))) {
      this.putBackMarked();
      return;
    }
    if (this.finishing > 0 && this.host.mustWait(this)) return;
    // It was let go if everything that was marked had to stand in line for a moment.
    if (!this.slot.have()) return;
    this.running = next;
    this.host.start(next);
  }

  private markMore(): void {
    // While somebody waits for a slot, none is kept by marking ever more ahead (I9).
    const ahead = this.marked.length > 0 && this.host.slotsContended ? 0 : this.ahead;
    while (!this.reserved && this.marked.length < ahead) {
      const item = this.head();
      if (item?.early === 'candidate') {
        this.runEarly(item);
        return;
      }
      if (item === undefined || item.stage !== 'waiting') return;
      if (item.isVolatile) {
        if (this.isBusy || this.finishing > 0 || !this.slot.have()) return;
        this.mailbox.shift();
        if (this.unplaced.takeOut(item)) this.host.accepted(item);
        this.running = item;
        this.host.start(item);
        return;
      }
      if (item.notBefore > 0 && item.notBefore > this.host.now()) {
        this.backoff.until(item.notBefore);
        return;
      }
      const start = this.startOf(item);
      if (start === 'none') return;
      if (start === 'unmarked') {
        this.runUnmarked(item);
        return;
      }
      // What was being marked while it was put back comes behind it, and is put back as well (I4).
      if (this.marked.some((each) => each.seq > item.seq)) {
        this.putBackMarked();
        if (this.marked.some((each) => each.seq > item.seq)) return;
      }
      // Its dispatch would come before what runs ahead of it has its place in the store's history.
      if (this.running?.isUnmarked === true || !this.slot.have()) return;
      this.mailbox.shift();
      this.marked.push(item);
      item.stage = 'dispatching';
      this.host.commit({ type: 'dispatch', seq: item.seq }, item);
    }
  }

  /** Starts the head before it is durable, if that can still go with its append. */
  private runEarly(item: Item): void {
    if (item.isSealed || this.isBusy || this.early.isHolding || this.finishing >= UNCOMMITTED_RUNS_MAX) return;
    if (!this.host.isAwake(this) || !this.slot.have()) return;
    this.mailbox.shift();
    this.early.begin(item);
    item.isUnmarked = true;
    this.running = item;
    this.host.start(item);
  }

  /** Starts the head without a durable dispatch: whatever it does becomes durable with its completion, or not at all (I2). */
  private runUnmarked(item: Item): void {
    if (this.isBusy || this.finishing >= UNCOMMITTED_RUNS_MAX) return;
    if (item.expiresAt > 0 && item.attempt === 0 && item.expiresAt <= this.host.now()) {
      this.host.watchExpiry(item);
      return;
    }
    if (this.finishing > 0 && !this.host.isAwake(this)) return;
    if (!this.slot.have()) return;
    if (!this.host.mayRunUnmarked(item)) {
      this.letSlotGo();
      return;
    }
    this.mailbox.shift();
    item.isUnmarked = true;
    this.running = item;
    this.host.start(item);
  }
}
