/**
 * Runs handlers. Owns: the queue of items that may start, the set of running ones, the time limit of a handler (M18), and
 * what its result means. It decides nothing about order: it starts what workers hand it, at once, or as soon as
 * `preparation.ts` has read what is missing.
 */
import type { ErrorDescription } from '../message/envelope.js';
import { AtomicQueuesError, describeError, isRetryable } from '../message/errors.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline } from '../runtime/deadlines.js';
import type { Timers } from '../runtime/timers.js';
import type { Item } from './item.js';
import { ActiveMessage, runWithMessage } from './message-context.js';
import { Preparation, type PreparationOptions } from './preparation.js';

export interface ExecutorOptions extends Omit<PreparationOptions, 'ready'> {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly epoch: number;
  /** The message as its handler gets it; throws INVALID_PAYLOAD. */
  readonly decode: (item: Item) => unknown;
  readonly encodeReply: (item: Item, value: unknown) => string | undefined;
  /** Milliseconds; 0: no limit. */
  readonly handlerTimeoutMs: (item: Item) => number;
  readonly detached: (callback: () => void) => void;
  readonly starting: (item: Item) => void;
  readonly settled: (item: Item, ok: boolean) => void;
  /** The handler is past its time limit: whoever else waits for the message is told. */
  readonly overdue: (item: Item, error: Error) => void;
  readonly stuck: (item: Item, runningMs: number) => void;
  /** The handler has settled, or is not waited for any more. */
  readonly left: (item: Item) => void;
}

/** Starts without a commit in one turn of the event loop at most, and for how long (milliseconds), before I/O has its turn. */
const TURN_STARTS_MAX = 512;
const TURN_MS_MAX = 4;

class HandlerDeadline implements Deadline {
  constructor(
    private readonly item: Item,
    private readonly passed: (item: Item) => void,
  ) {}

  deadlinePassed(): void {
    this.passed(this.item);
  }
}

export class Executor {
  readonly running = new Set<Item>();
  private startQueue: Item[] = [];
  private startScheduled = false;
  private readonly preparation: Preparation;
  private dispatchNumber = 0;
  private nextTurn: Item[] = [];
  private startsInTurn = 0;
  private turnBeganAt = 0;
  private readonly handlerDeadlines = new WeakMap<Item, HandlerDeadline>();

  constructor(private readonly options: ExecutorOptions) {
    this.preparation = new Preparation({ ...options, ready: (item, fault) => this.start(item, fault) });
  }

  get isIdle(): boolean {
    return this.running.size === 0 && this.starting === 0;
  }

  /** Items that were handed over and whose handlers have not begun. */
  get starting(): number {
    return this.startQueue.length + this.nextTurn.length + this.preparation.size;
  }

  /** Starts the item's handler in a turn of its own, never inside the caller's stack or async context. */
  run(item: Item): void {
    if ((item.isVolatile || item.isUnmarked) && this.hadTheirTurn()) this.nextTurn.push(item);
    else this.enqueue(item);
  }

  private enqueue(item: Item): void {
    this.startQueue.push(item);
    if (this.startScheduled) return;
    this.startScheduled = true;
    this.options.detached(() => queueMicrotask(this.startQueued));
  }

  /**
   * Commands let the event loop go with each commit. Queries need none, so queries that cause each other would keep it for
   * ever, and runs without a durable start for long: past a limit they wait for its next turn.
   */
  private hadTheirTurn(): boolean {
    const now = this.options.clock.monotonic();
    if (this.startsInTurn === 0) {
      this.turnBeganAt = now;
      this.options.detached(() => this.options.timers.defer(this.newTurn));
    }
    this.startsInTurn += 1;
    return this.startsInTurn > TURN_STARTS_MAX || now - this.turnBeganAt >= TURN_MS_MAX;
  }

  private readonly newTurn = (): void => {
    this.startsInTurn = 0;
    const waiting = this.nextTurn;
    this.nextTurn = [];
    for (const item of waiting) this.run(item);
  };

  /** Gives back the items that are still being prepared: their handlers will not begin. */
  giveBackLoading(): Item[] {
    return this.preparation.giveBack();
  }

  /** Fires the abort signal of a running handler. */
  abort(item: Item, reason: Error): void {
    item.active?.abort(reason);
  }

  private readonly startQueued = (): void => {
    this.startScheduled = false;
    const queue = this.startQueue;
    this.startQueue = [];
    let unprepared: Item[] | undefined;
    for (const item of queue) {
      // One that does not count is given back: its payload may be gone, and its actor must not be woken from an older state.
      if (item.early === 'dropped' || this.preparation.isReady(item)) this.start(item);
      // Its actor's time was up meanwhile: the usual way waits for outcomes that are not durable yet.
      else if (item.early === 'begun') item.worker.notStarted(item);
      else {
        unprepared ??= [];
        unprepared.push(item);
      }
    }
    if (unprepared !== undefined) this.preparation.begin(unprepared);
  };

  private start(item: Item, fault?: { readonly error: unknown }): void {
    const { options } = this;
    if (!options.mayStart() || (item.stage !== 'marked' && item.worker.paused) || item.early === 'dropped') {
      // Lost, the lease in doubt, paused before the store had it as started, or overtaken: it stands in line again until it may.
      item.actor = undefined;
      item.worker.notStarted(item);
      return;
    }
    this.dispatchNumber += 1;
    item.dispatchNumber = this.dispatchNumber;
    if (item.isVolatile) item.attempt = 1;
    else if (item.isUnmarked) item.attempt += 1;
    item.stage = 'running';
    item.reply = undefined;
    item.replyError = undefined;
    item.released = false;
    item.reportedStuck = false;
    const handler = options.findHandler(item);
    this.running.add(item);
    item.startedAt = options.clock.monotonic();
    const active = new ActiveMessage(item, options.epoch);
    item.active = active;
    options.starting(item);
    let result: unknown;
    try {
      if (handler === undefined) {
        throw new AtomicQueuesError(
          'NO_HANDLER',
          `No handler for message "${item.name}" of entity type "${item.worker.entityType}".`,
        );
      }
      if (fault !== undefined) throw fault.error;
      const message = options.decode(item);
      const timeoutMs = options.handlerTimeoutMs(item);
      if (timeoutMs > 0) this.limit(item, timeoutMs);
      result = runWithMessage(active, () =>
        item.actor === undefined
          ? handler.run({ message, context: active })
          : item.actor.instance.run({ name: item.name, message, context: active }),
      );
    } catch (error) {
      this.failed(item, active, error);
      return;
    }
    if (typeof result === 'object' && result !== null) {
      // Whatever a handler returns that looks like a promise settles once, with a value, and never throws into the caller.
      void Promise.prototype.then.call(
        Promise.resolve(result),
        (value) => this.succeeded(item, active, value),
        (error: unknown) => this.failed(item, active, error),
      );
    } else this.succeeded(item, active, result);
  }

  private succeeded(item: Item, active: ActiveMessage, value: unknown): void {
    // What a handler does that was given up counts no longer, also when its message runs again.
    if (item.released || item.active !== active) return;
    try {
      this.options.actors.keep(item);
    } catch (error) {
      // The handler has done its work, and its state cannot be stored: nothing of it is kept, and trying again would not help.
      this.failed(item, active, error, false);
      return;
    }
    if (item.waiter !== undefined || item.messageId !== undefined || item.keepVerdict) {
      try {
        item.reply = this.options.encodeReply(item, value);
      } catch (error) {
        // The handler has done its work; only its answer cannot travel. Saying that it failed would be a lie.
        item.replyError = error as Error;
      }
    }
    this.leave(item, true);
    item.worker.settled(item, undefined);
  }

  private failed(item: Item, active: ActiveMessage, thrown: unknown, retryable = isRetryable(thrown)): void {
    if (item.released || item.active !== active) return;
    const error: ErrorDescription = describeError(thrown);
    this.options.actors.undo(item);
    this.leave(item, false);
    item.worker.settled(item, { error, retryable });
  }

  private leave(item: Item, ok: boolean): void {
    this.running.delete(item);
    if (item.timeoutKey >= 0) this.clearLimit(item);
    this.options.left(item);
    this.options.settled(item, ok);
  }

  /** Forgets a running item that was released: its handler goes on, but nobody listens. */
  forget(item: Item): void {
    this.running.delete(item);
    if (item.timeoutKey >= 0) this.clearLimit(item);
    this.options.left(item);
  }

  private limit(item: Item, timeoutMs: number): void {
    const deadline = new HandlerDeadline(item, this.timedOut);
    this.handlerDeadlines.set(item, deadline);
    item.timeoutKey = this.options.deadlines.set(deadline, timeoutMs);
  }

  private clearLimit(item: Item): void {
    const deadline = this.handlerDeadlines.get(item);
    if (deadline !== undefined) this.options.deadlines.clear(deadline, item.timeoutKey);
    item.timeoutKey = -1;
  }

  private readonly timedOut = (item: Item): void => {
    item.timeoutKey = -1;
    if (item.stage !== 'running') return;
    const limitMs = this.options.handlerTimeoutMs(item);
    const error = new AtomicQueuesError(
      'HANDLER_TIMEOUT',
      `The handler of "${item.name}" for ${item.worker.entityType} "${item.worker.entityId}" has not settled within its handlerTimeout of ${limitMs} ms. ` +
        `Its abort signal has fired; its entity waits until it settles, the process ends, or the message is released by an operator.`,
      { subject: { messageId: item.id, entityType: item.worker.entityType, entityId: item.worker.entityId } },
    );
    item.keepVerdict = true;
    this.abort(item, error);
    item.waiter?.fail(error);
    item.waiter = undefined;
    this.options.overdue(item, error);
    this.reportStuck(item);
  };

  reportStuck(item: Item): void {
    if (item.reportedStuck) return;
    item.reportedStuck = true;
    this.options.stuck(item, this.options.clock.monotonic() - item.startedAt);
  }
}
