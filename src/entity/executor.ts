/**
 * Runs handlers. Owns: the queue of items that may start, the set of running ones, loading of payloads that are in the
 * store only, the time limit of a handler (M18), and what its result means. It decides nothing about order: it starts
 * what workers hand it, at once.
 */
import type { ErrorDescription } from '../message/envelope.js';
import { AtomicQueuesError, describeError, isRetryable } from '../message/errors.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline, Deadlines } from '../runtime/deadlines.js';
import type { Timers } from '../runtime/timers.js';
import type { StoredMessage } from '../wal/transition.js';
import { StoreUnavailableError } from '../wal/wal.js';
import type { HandlerEntry } from './handler-table.js';
import type { Item } from './item.js';
import { ActiveMessage, runWithMessage } from './message-context.js';

export interface ExecutorOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly deadlines: Deadlines;
  readonly epoch: number;
  readonly findHandler: (item: Item) => HandlerEntry | undefined;
  /** The message as its handler gets it; throws INVALID_PAYLOAD. */
  readonly decode: (item: Item) => unknown;
  readonly encodeReply: (item: Item, value: unknown) => string | undefined;
  /** Milliseconds; 0: no limit. */
  readonly handlerTimeoutMs: (item: Item) => number;
  readonly load: (seqs: readonly number[]) => Promise<readonly StoredMessage[]>;
  /** The item's payload is in memory again. */
  readonly loaded: (item: Item) => void;
  readonly detached: (callback: () => void) => void;
  readonly starting: (item: Item) => void;
  readonly settled: (item: Item, ok: boolean, durationMs: number) => void;
  /** The handler is past its time limit: whoever else waits for the message is told. */
  readonly overdue: (item: Item, error: Error) => void;
  readonly stuck: (item: Item, runningMs: number) => void;
  /** The handler has settled, or is not waited for any more. */
  readonly left: (item: Item) => void;
  /** False once this node may start nothing more, because it has lost the shard (I3). */
  readonly mayStart: () => boolean;
  /** A payload cannot be read from the store, and trying again will not help. */
  readonly loadFailed: (items: readonly Item[], error: Error) => void;
}

/** While payloads cannot be read, it is tried again this often, milliseconds. */
const LOAD_RETRY_MS = 100;

/** Queries started in one turn of the event loop at most, and for how long (milliseconds), before I/O has its turn. */
const TURN_QUERIES_MAX = 512;
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
  /** Items whose payloads are on their way from the store. */
  private readonly loading = new Set<Item>();
  private dispatchNumber = 0;
  private nextTurn: Item[] = [];
  private queriesInTurn = 0;
  private turnBeganAt = 0;
  private readonly handlerDeadlines = new WeakMap<Item, HandlerDeadline>();

  constructor(private readonly options: ExecutorOptions) {}

  get isIdle(): boolean {
    return this.running.size === 0 && this.starting === 0;
  }

  /** Items that were handed over and whose handlers have not begun. */
  get starting(): number {
    return this.startQueue.length + this.nextTurn.length + this.loading.size;
  }

  /** Starts the item's handler in a turn of its own, never inside the caller's stack or async context. */
  run(item: Item): void {
    if (item.isVolatile && this.queriesHadTheirTurn()) this.nextTurn.push(item);
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
   * ever: past a limit they wait for its next turn.
   */
  private queriesHadTheirTurn(): boolean {
    const now = this.options.clock.monotonic();
    if (this.queriesInTurn === 0) {
      this.turnBeganAt = now;
      this.options.detached(() => this.options.timers.defer(this.newTurn));
    }
    this.queriesInTurn += 1;
    return this.queriesInTurn > TURN_QUERIES_MAX || now - this.turnBeganAt >= TURN_MS_MAX;
  }

  private readonly newTurn = (): void => {
    this.queriesInTurn = 0;
    const waiting = this.nextTurn;
    this.nextTurn = [];
    for (const item of waiting) this.run(item);
  };

  /** Gives back the items whose payloads are still on their way: their handlers will not begin. */
  giveBackLoading(): Item[] {
    const items = [...this.loading];
    this.loading.clear();
    return items;
  }

  /** Fires the abort signal of a running handler. */
  abort(item: Item, reason: Error): void {
    item.active?.abort(reason);
  }

  private readonly startQueued = (): void => {
    this.startScheduled = false;
    const queue = this.startQueue;
    this.startQueue = [];
    let missing: Item[] | undefined;
    for (const item of queue) {
      if (item.payload === undefined) {
        missing ??= [];
        missing.push(item);
      } else this.start(item);
    }
    if (missing !== undefined) void this.loadAndStart(missing);
  };

  private async loadAndStart(items: readonly Item[]): Promise<void> {
    for (const item of items) this.loading.add(item);
    await this.loadAgain(items);
  }

  private async loadAgain(handedOver: readonly Item[]): Promise<void> {
    const items = handedOver.filter((item) => this.loading.has(item));
    if (items.length === 0) return;
    const bySeq = new Map(items.map((item) => [item.seq, item]));
    let stored: readonly StoredMessage[];
    try {
      stored = await this.options.load([...bySeq.keys()].sort((a, b) => a - b));
    } catch (error) {
      if (error instanceof StoreUnavailableError && error.recoverable && this.options.mayStart()) {
        this.options.deadlines.set({ deadlinePassed: () => void this.loadAgain(items) }, LOAD_RETRY_MS);
        return;
      }
      for (const item of items) this.loading.delete(item);
      this.options.loadFailed(items, error as Error);
      return;
    }
    for (const item of items) if (!this.loading.delete(item)) bySeq.delete(item.seq);
    for (const message of stored) {
      const item = bySeq.get(message.seq);
      if (item === undefined) continue;
      bySeq.delete(message.seq);
      item.adopt(message);
      this.options.loaded(item);
      this.start(item);
    }
    if (bySeq.size > 0) {
      this.options.loadFailed(
        [...bySeq.values()],
        new Error('The store no longer has a message that it had marked as started.'),
      );
    }
  }

  private start(item: Item): void {
    const { options } = this;
    if (!options.mayStart()) {
      // Lost, or the lease is in doubt: it stands in line again and starts when the owner may.
      item.worker.notStarted(item);
      return;
    }
    this.dispatchNumber += 1;
    item.dispatchNumber = this.dispatchNumber;
    if (item.isVolatile) item.attempt = 1;
    item.stage = 'running';
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
      const message = options.decode(item);
      const timeoutMs = options.handlerTimeoutMs(item);
      if (timeoutMs > 0) this.limit(item, timeoutMs);
      result = runWithMessage(active, () => handler.run({ message, context: active }));
    } catch (error) {
      this.failed(item, error);
      return;
    }
    if (typeof result === 'object' && result !== null) {
      // Whatever a handler returns that looks like a promise settles once, with a value, and never throws into the caller.
      void Promise.prototype.then.call(
        Promise.resolve(result),
        (value) => this.succeeded(item, value),
        (error: unknown) => this.failed(item, error),
      );
    } else this.succeeded(item, result);
  }

  private succeeded(item: Item, value: unknown): void {
    if (item.released) return;
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

  private failed(item: Item, thrown: unknown): void {
    if (item.released) return;
    const error: ErrorDescription = describeError(thrown);
    this.leave(item, false);
    item.worker.settled(item, { error, retryable: isRetryable(thrown) });
  }

  private leave(item: Item, ok: boolean): void {
    this.running.delete(item);
    if (item.timeoutKey >= 0) this.clearLimit(item);
    this.options.left(item);
    this.options.settled(item, ok, this.options.clock.monotonic() - item.startedAt);
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
