/**
 * Runs of one entity that begin before their messages are durable (state-only handlers, I2): what a run has left goes into
 * the very append of its message, so that the message is accepted and completed by one transition, or waits as if it had
 * never run. Nobody is told anything before that.
 *
 * Owns: the messages that have begun so and whose appends are not answered yet, in order.
 *
 * Invariants:
 * - A message may run early only if all that is ahead of it in its line does too, or has its outcome in the commit queue
 *   already: then its append, which was queued when it came, stands behind theirs.
 * - Nothing with a place is ahead of those that have begun. When something takes one (an offer, a message that came due),
 *   their runs are dropped, with the actor that remembers them, and they wait in line.
 * - What an append says is not changed once it is in a commit under way (M1).
 */
import type { EntityLine } from './entity-line.js';
import { completionOf, type HandlerOutcome } from './handler-outcome.js';
import type { Item } from './item.js';

export class EarlyRuns {
  private begun: Item[] = [];
  /** There may be candidates in the mailbox. */
  private hasCandidates = false;
  /** The last that has begun; its outcome cannot go with its append, and waits for its place. */
  private held: { readonly item: Item; readonly outcome: HandlerOutcome } | undefined;

  constructor(private readonly line: EntityLine) {}

  /** An outcome waits for its place: nothing may start before it has it. */
  get isHolding(): boolean {
    return this.held !== undefined;
  }

  /** Whether a message that comes now may run before it is durable. */
  mayJoin(): boolean {
    const { mailbox, marked, running, reserved } = this.line;
    if (reserved || marked.length > 0 || this.held !== undefined) return false;
    const last = mailbox.peekLast();
    if (last !== undefined) return typeof last === 'object' && last.early === 'candidate';
    return running === undefined || running.early === 'begun';
  }

  /** It may run before it is durable, when its turn comes. */
  join(item: Item): void {
    item.early = 'candidate';
    this.hasCandidates = true;
  }

  begin(item: Item): void {
    item.early = 'begun';
    this.begun.push(item);
  }

  /** It has not started after all, and is put back to the head of the line. */
  giveBack(item: Item): void {
    this.begun.pop();
    this.join(item);
    item.stage = 'appending';
  }

  /** Its append goes into a commit. What is not in it now comes with another one. */
  sealed(item: Item): void {
    item.isSealed = true;
    if (item.early === 'begun' && item.append?.completes === undefined) this.line.host.runsUnplaced(item);
  }

  /** The handler has succeeded, and its append is not sent yet: true if what it left goes with it. */
  goesAlong(item: Item): boolean {
    const { append } = item;
    if (append === undefined || item.isSealed) return false;
    append.dispatch = true;
    append.completes = completionOf(item);
    item.stage = 'finishing';
    this.line.finishing += 1;
    return true;
  }

  /** The handler has settled, and what it left needs the place of its message. */
  hold(item: Item, outcome: HandlerOutcome): void {
    this.held = { item, outcome };
    item.stage = 'finishing';
    this.line.finishing += 1;
    this.closeLine();
  }

  /** Its message is durable and completed. */
  completed(item: Item): void {
    if (item.early === 'begun') {
      this.begun.shift();
      item.early = undefined;
      this.line.finishing -= 1;
      return;
    }
    // Dropped, because something had taken a place ahead of it; but that had left the line again before it came.
    item.ranInVain = false;
    item.attempt += 1;
    this.line.mailbox.remove((entry) => entry === item);
  }

  /** Its message is in line, at the head, and goes on like any other. Returns the outcome that waited for that. */
  placed(item: Item): HandlerOutcome | undefined {
    const { held, line } = this;
    this.begun = this.begun.filter((each) => each !== item);
    item.early = undefined;
    line.host.runsAtPlace(item);
    // What came behind it was queued before its outcome is.
    this.closeLine();
    if (held?.item !== item) return undefined;
    this.held = undefined;
    line.finishing -= 1;
    return held.outcome;
  }

  /**
   * Something is ahead of what has begun, or its append was not taken in: nothing of those runs shows. They stand at the
   * head of the line again, except that a handler that is still at work keeps it until it settles.
   */
  drop(): void {
    const { line, begun } = this;
    this.closeLine();
    if (begun.length === 0) return;
    this.begun = [];
    this.held = undefined;
    for (const item of begun) {
      if (item.append !== undefined) {
        item.append.dispatch = false;
        item.append.completes = undefined;
      }
      if (item === line.running) item.early = 'dropped';
      else {
        line.finishing -= 1;
        this.undo(item);
      }
    }
    line.unmarkAppends();
    line.mailbox.putAhead(begun);
    line.host.forgetActor(line.key);
  }

  /**
   * A handler whose run was dropped has settled, has not started, or is not waited for any more: its message stands in line
   * already, or has ended.
   */
  settledDropped(item: Item): void {
    if (item.stage === 'running') this.undo(item);
    else if (item.stage !== 'ended') this.waits(item);
    else {
      item.early = undefined;
      this.line.host.unmarkedOver(item);
    }
  }

  private undo(item: Item): void {
    item.ranInVain = true;
    item.attempt -= 1;
    item.error = undefined;
    item.actorState = undefined;
    item.active = undefined;
    this.waits(item);
  }

  private waits(item: Item): void {
    item.early = undefined;
    item.actor = undefined;
    this.line.host.unmarkedOver(item);
    item.stage = item.append === undefined ? 'waiting' : 'appending';
  }

  /** What waits was queued ahead of an outcome that comes before it: it takes the usual way. */
  closeLine(): void {
    if (!this.hasCandidates) return;
    this.hasCandidates = false;
    for (const entry of this.line.mailbox.entries()) {
      if (typeof entry === 'object' && entry.early === 'candidate') entry.early = undefined;
    }
  }
}
