/**
 * A whole node in memory with a clock that moves only when a test moves it, for tests of your own handlers. It knows no
 * test framework.
 *
 *     const app = await createTestApp({ setup: (node) => node.handle(Withdraw, withdraw) });
 *     await app.send(new Withdraw('a-1', 5));
 *     await app.settle();            // everything that can run without time passing has run
 *     await app.advance(30_000);     // retries, delays and deadlines of the next 30 s
 *     expect((await app.inspect()).deadLetters).toEqual([]);
 *     await app.stop();
 *
 * Real I/O of a handler is not seen by the virtual clock: await it in the test, then `settle`.
 */
import { type AtomicQueuesNode, createNode } from '../bus/node.js';
import type { MessageStatus, QueueBus } from '../bus/queue-bus.js';
import type { DeadLetter } from '../dead-letter/dead-letters.js';
import type { StopReport } from '../entity/shutdown.js';
import type { EnqueueOptions, Receipt, WaitOptions } from '../entity/submission.js';
import type { WaitedReply } from '../message/reply.js';
import type { AtomicQueuesConfig } from '../runtime/config.js';
import type { Logger } from '../runtime/logger.js';
import { MemoryStore, MemoryWal } from '../wal/memory/memory-wal.js';
import type { PendingState } from '../wal/transition.js';
import type { Wal } from '../wal/wal.js';
import { FaultyWal } from './faulty-wal.js';
import { type AppEvent, EventLog } from './test-app-events.js';
import { beginLife, type Life } from './test-app-life.js';
import { VirtualRuntime } from './virtual-runtime.js';

export interface TestAppOptions {
  /** As for `forRoot` or `createNode`. `store` and `wal.enabled` do not matter: everything is kept in memory. */
  readonly config?: AtomicQueuesConfig | undefined;
  /** Registers handlers (`node.handle(...)`) before the node starts. */
  readonly setup?: ((node: AtomicQueuesNode) => void) | undefined;
  readonly logger?: Logger | undefined;
  /** Seed of chance and ids. Default 1. */
  readonly seed?: number | undefined;
  /** Wall time at the start, milliseconds since the epoch. Default 2025-01-01T00:00:00Z. */
  readonly startAtMs?: number | undefined;
  /** False: opened and started by the test (`node.open`, `node.start`). Default true. */
  readonly start?: boolean | undefined;
  /** Puts something between the node and its store, e.g. a recorder. */
  readonly wrapWal?: ((wal: Wal) => Wal) | undefined;
}

/** A message in the store that has not ended. */
export interface PendingMessage {
  readonly id: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
  readonly state: PendingState;
  /** Attempts started so far. */
  readonly attempt: number;
  /** Delayed or backing off until this wall time; 0: due. */
  readonly notBefore: number;
}

export interface Inspection {
  /** In line order; delayed ones last. */
  readonly pending: readonly PendingMessage[];
  /** Messages and queries whose handlers are at work. */
  readonly running: readonly {
    readonly id: string;
    readonly entityType: string;
    readonly entityId: string;
    readonly name: string;
  }[];
  readonly deadLetters: readonly DeadLetter[];
  /** What the node has announced so far. */
  readonly events: readonly AppEvent[];
}

/** What a wait may take in virtual time before `sendAndWait` and `stop` call it endless: one hour. */
const WAIT_LIMIT_MS = 3_600_000;
const PAGE = 1_000;
/** The last move of each clock: moves go one after the other, whichever app asks for them. */
const moves = new WeakMap<VirtualRuntime, Promise<void>>();

/** Makes a node in memory and starts it. */
export async function createTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const runtime = new VirtualRuntime({ seed: options.seed, startAtMs: options.startAtMs });
  return begin(runtime, new MemoryStore(), options);
}

async function begin(runtime: VirtualRuntime, store: MemoryStore, options: TestAppOptions): Promise<TestApp> {
  const app = new TestApp(runtime, store, options);
  if (options.start !== false) await app.drive(app.node.start());
  return app;
}

export class TestApp {
  readonly node: AtomicQueuesNode;
  readonly log: EventLog;
  /** Lets the store fail, wait or vanish. */
  readonly wal: FaultyWal;
  private readonly life: Life;

  constructor(
    readonly runtime: VirtualRuntime,
    readonly store: MemoryStore,
    private readonly options: TestAppOptions,
  ) {
    this.life = beginLife(runtime);
    const retention = { entryTtlMs: (options.config?.wal?.entryTTL ?? 86_400) * 1000 };
    this.wal = new FaultyWal(new MemoryWal({ clock: runtime.clock, store, retention }));
    this.node = createNode({
      config: options.config,
      runtime: this.life.runtime,
      logger: options.logger,
      wal: options.wrapWal?.(this.wal) ?? this.wal,
    });
    this.log = new EventLog(this.node.events);
    options.setup?.(this.node);
  }

  get bus(): QueueBus {
    return this.node.queueBus;
  }

  /** Enqueues a message and lets everything run that needs no time to pass. */
  async send(message: object, options?: EnqueueOptions): Promise<Receipt> {
    const accepted = this.bus.enqueue(message, options);
    await this.settleBeside(accepted);
    return accepted;
  }

  /** Enqueues a message and lets time pass until there is an answer. Rejects as `enqueueAndWait` does. */
  async sendAndWait<R = never, M extends object = object>(
    message: M,
    options?: WaitOptions,
  ): Promise<WaitedReply<R, M>> {
    return this.drive(this.bus.enqueueAndWait<R, M>(message, options));
  }

  /** Runs everything that is ready now, and what that makes ready, without moving time. */
  settle(): Promise<void> {
    return this.move(() => this.runtime.settle());
  }

  /** Moves the clock on by `ms` milliseconds and runs what becomes due on the way. */
  advance(ms: number): Promise<void> {
    return this.move(() => this.runtime.advance(ms));
  }

  /** Lets time pass until `promise` settles; at most an hour of virtual time. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    let passedMs = 0;
    await this.settle();
    while (!settled) {
      const stepMs = this.runtime.nextTimerInMs;
      if (stepMs === undefined || passedMs > WAIT_LIMIT_MS) {
        throw new Error(`The test app waits for something that does not come (${passedMs} ms of virtual time passed).`);
      }
      passedMs += stepMs;
      await this.advance(stepMs);
    }
    return promise;
  }

  status(id: string): Promise<MessageStatus> {
    return this.bus.status(id);
  }

  async inspect(): Promise<Inspection> {
    const { wal } = this.wal;
    const pending: PendingMessage[] = [];
    let after = 0;
    for (;;) {
      const heads = await wal.scan(0, after, PAGE);
      const messages = await wal.load(
        0,
        heads.map((head) => head.seq),
      );
      pending.push(...messages.map(toPending));
      const last = heads.at(-1);
      if (last === undefined) break;
      after = last.seq;
    }
    for (const id of (await wal.due(0, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)).ids) {
      const delayed = this.store.shard(0).delayed.get(id)?.message;
      if (delayed !== undefined) pending.push(toPending(delayed));
    }
    const running = this.node.engine.running().map((item) => ({
      id: item.id,
      entityType: item.worker.entityType,
      entityId: item.worker.entityId,
      name: item.name,
    }));
    return { pending, running, deadLetters: await this.deadLetters(), events: [...this.log.events] };
  }

  /** Stops the node in order; running handlers get their `shutdownTimeout` of virtual time. */
  stop(): Promise<StopReport> {
    return this.drive(this.node.stop());
  }

  /**
   * Ends the node as `kill -9` would: nothing of it reaches the store any more, and its timers are gone. A handler that
   * was running is real code and stays where it is.
   */
  crash(): void {
    this.wal.die();
    this.life.end();
  }

  /** A new node on the same store, after `stop` or `crash`; other options may replace those of the first one. */
  restart(options: Partial<TestAppOptions> = {}): Promise<TestApp> {
    return begin(this.runtime, this.store, { ...this.options, ...options });
  }

  private async deadLetters(): Promise<DeadLetter[]> {
    if (this.node.engine.phase === 'closed') return [];
    const letters: DeadLetter[] = [];
    let cursor: number | undefined;
    do {
      const page = await this.node.deadLetters.list({ limit: PAGE, cursor });
      letters.push(...page.letters);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return letters;
  }

  private async settleBeside(promise: Promise<unknown>): Promise<void> {
    // A refusal is the caller's to hear, later; until then it is not unhandled.
    promise.catch(() => {});
    await this.settle();
  }

  private move(action: () => Promise<void>): Promise<void> {
    const moved = (moves.get(this.runtime) ?? Promise.resolve()).then(action);
    moves.set(
      this.runtime,
      moved.catch(() => {}),
    );
    return moved;
  }
}

function toPending({ id, entityType, entityId, name, state, attempt, notBefore }: PendingMessage): PendingMessage {
  return { id, entityType, entityId, name, state, attempt, notBefore };
}
