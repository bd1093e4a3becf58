/**
 * A made-up life of a node: random work, faults of the store, crashes, stops and restarts on one in-memory store, in
 * virtual time, with everything written into a history. The same seed gives the same life.
 */
import type { EntityScope, EntityTypeScope } from '../../../src/bus/entity-scope.js';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import type { QueueBus } from '../../../src/bus/queue-bus.js';
import type { MessageContext } from '../../../src/entity/message-context.js';
import type { WaitOptions } from '../../../src/entity/submission.js';
import type { MessageKind } from '../../../src/message/envelope.js';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { type Random, seededRandom } from '../../../src/runtime/random.js';
import type { HistoryEvent } from '../../../src/testing/history.js';
import { HistoryBuffer } from '../../../src/testing/history-log.js';
import { HistoryRecorder, type RecordableBus } from '../../../src/testing/history-recorder.js';
import { recordFinal, recordWal } from '../../../src/testing/history-recording-wal.js';
import type { HistoryOptions } from '../../../src/testing/history-tracks.js';
import { createTestApp, type TestApp } from '../../../src/testing/test-app.js';
import { StoreUnavailableError, type Wal } from '../../../src/wal/wal.js';

const TYPES = ['plain', 'retrying', 'resilient', 'hot', 'kept'] as const;
const IDS = ['a', 'b', 'c'];

export const RULES: HistoryOptions = {
  entityTypes: {
    retrying: { maxAttempts: 3 },
    resilient: { maxAttempts: 2, onInterrupt: 'retry', interruptionsMax: 2 },
    hot: { maxAttempts: 2, dispatchAhead: 4 },
    kept: { queries: 'durable' },
  },
};

interface Job {
  readonly call: string;
  readonly type: string;
  readonly id: string;
  readonly kind: MessageKind;
  /** Virtual milliseconds of work. */
  readonly ms: number;
  /** Attempts that throw. */
  readonly failures: number;
  readonly inner?: { readonly job: Job; readonly wait: boolean; readonly options: WaitOptions } | undefined;
}

interface Life {
  readonly app: TestApp;
  readonly recorder: HistoryRecorder;
  readonly bus: RecordableBus<Job, WaitOptions>;
  alive: boolean;
}

export interface WorldRun {
  readonly events: readonly HistoryEvent[];
  /** What is wrong that no history tells: left-over work, wrong counts. */
  readonly faults: readonly string[];
}

export async function runWorld(seed: number, steps = 70): Promise<WorldRun> {
  const world = new World(seed);
  await world.run(steps);
  return { events: world.log.events, faults: world.faults };
}

class World {
  readonly log = new HistoryBuffer();
  readonly faults: string[] = [];
  private readonly random: Random;
  private readonly config: AtomicQueuesConfig;
  private readonly known: string[] = [];
  private calls = 0;
  private lives = 0;
  private life!: Life;

  constructor(private readonly seed: number) {
    this.random = seededRandom(seed);
    this.config = {
      maxRunningHandlers: this.pick([0, 0, 1, 3]),
      maxTotalWorkers: this.pick([0, 0, 4, 9]),
      maxTotalQueueDepth: this.pick([0, 60]),
      residentBytesMax: this.pick([0, 300, 1_000_000]),
      shutdownTimeout: this.pick([0, 15, 10_000]),
      replyTimeout: 400,
      entities: {
        plain: { workerMaxQueueDepth: this.pick([0, 6]) },
        retrying: {
          retry: { maxAttempts: 3, backoffDelay: this.pick([0, 7, 40]), backoff: this.pick(['fixed', 'exponential']) },
        },
        resilient: { onInterrupt: 'retry', maxInterruptions: 2, retry: { maxAttempts: 2, backoffDelay: 15 } },
        hot: { dispatchAhead: 4, retry: { maxAttempts: 2, backoffDelay: this.pick([0, 10]) } },
        kept: { queries: 'durable', handlerTimeout: this.pick([0, 25]) },
      },
    };
  }

  async run(steps: number): Promise<void> {
    await this.begin(await createTestApp({ ...this.options(), seed: this.seed }));
    for (let step = 0; step < steps; step += 1) await this.step();
    await this.comeToRest();
  }

  private async step(): Promise<void> {
    const dice = this.random.next();
    if (dice < 0.5) this.enqueueSome();
    else if (dice < 0.72) await this.life.app.advance(Math.floor(this.random.next() * 30));
    else if (dice < 0.76) await this.life.app.settle();
    else if (dice < 0.82) this.withdraw();
    else if (dice < 0.86) this.pauseOrResume();
    else if (dice < 0.89) this.letters();
    else if (dice < 0.94) this.breakStore();
    else if (dice < 0.97) await this.crash();
    else if (dice < 0.985) await this.stop();
    else this.life.app.wal.heal();
  }

  // One life of the process.

  private options() {
    return {
      config: this.config,
      wrapWal: (wal: Wal) => this.recorded(wal),
      setup: (node: AtomicQueuesNode) => this.setUp(node),
      start: false,
    };
  }

  private recorder!: HistoryRecorder;
  private sink!: { alive: boolean };

  private recorded(wal: Wal): Wal {
    this.lives += 1;
    const sink = { alive: true, append: (event: HistoryEvent): void => void (sink.alive && this.log.append(event)) };
    this.sink = sink;
    this.recorder = new HistoryRecorder({ node: 'n', sink, life: `${this.lives}` });
    this.recorder.start();
    return recordWal(wal, this.recorder, ({ payload }) => (JSON.parse(payload) as Job).call);
  }

  private setUp(node: AtomicQueuesNode): void {
    const { recorder } = this;
    // The store tells of durable queries, as it does of commands; the node's own word counts for volatile ones only.
    const toldByStore = new Set(['accepted', 'retried', 'ended']);
    recorder.recordLifecycle(
      {
        on: (name, listener) =>
          node.events.on(name, (event) => {
            if (!('entityType' in event && event.entityType === 'kept' && toldByStore.has(name))) listener(event);
          }),
      },
      { durableFacts: false },
    );
    for (const type of TYPES) {
      const handler = (job: unknown, context: MessageContext) => this.perform(job as Job, context, recorder);
      node.handle(type, 'Work', handler);
      node.handle(type, 'Ask', handler, { kind: 'query' });
    }
  }

  private async begin(app: TestApp): Promise<void> {
    const { recorder, sink } = this;
    const name = ({ kind }: Job) => (kind === 'query' ? 'Ask' : 'Work');
    const bus = recorder.wrapBus<Job, WaitOptions>(
      {
        enqueue: (job, options) => app.bus.enqueue(job.type, name(job), job.id, job, options),
        enqueueAndWait: (job, options) => app.bus.enqueueAndWait(job.type, name(job), job.id, job, options),
      },
      {
        address: ({ type, id, kind }) => ({ entityType: type, entityId: id, kind }),
        callOf: ({ call }) => call,
      },
    );
    this.life = {
      app,
      recorder,
      bus,
      get alive() {
        return sink.alive;
      },
      set alive(value) {
        sink.alive = value;
      },
    };
    // Some calls come while the store is being opened, and some before the start.
    if (this.chance(0.3)) this.enqueueSome();
    if (this.chance(0.3)) await app.drive(app.node.open());
    if (this.chance(0.3)) this.enqueueSome();
    const started = app.node.start();
    if (this.chance(0.3)) this.enqueueSome();
    await app.drive(started);
  }

  private async crash(): Promise<void> {
    const { app, recorder } = this.life;
    if (this.chance(0.5)) await app.settle();
    app.crash();
    recorder.record({ type: 'crashed' });
    this.life.alive = false;
    await this.begin(await app.restart(this.options()));
  }

  private async stop(): Promise<void> {
    const { app, recorder } = this.life;
    if (this.chance(0.5)) app.wal.heal();
    const stopped = app.node.stop();
    if (this.chance(0.5)) this.enqueueSome();
    await app.drive(stopped);
    // Callers hear what the stop told them before the process ends.
    await app.settle();
    recorder.record({ type: 'nodeStopped' });
    this.life.alive = false;
    await this.begin(await app.restart(this.options()));
  }

  // What happens to it.

  private enqueueSome(): void {
    for (let count = this.pick([1, 1, 2, 5]); count > 0; count -= 1)
      this.send(this.life.bus, this.job(2), this.chance(0.4), this.waitOptions());
  }

  private send(bus: Life['bus'], job: Job, wait: boolean, options: WaitOptions): void {
    if (wait || job.kind === 'query') void bus.enqueueAndWait(job, options).catch(() => {});
    else
      void bus.enqueue(job, options).then(
        ({ id }) => void this.known.push(id),
        () => {},
      );
  }

  private job(depth: number): Job {
    this.calls += 1;
    const inner =
      depth > 0 && this.chance(0.1)
        ? { job: this.job(depth - 1), wait: this.chance(0.5), options: { timeoutMs: 50 } }
        : undefined;
    return {
      call: `c${this.calls}`,
      type: this.pick(TYPES),
      id: this.pick(IDS),
      kind: this.chance(0.15) ? 'query' : 'command',
      ms: this.pick([0, 0, 0, 3, 20]),
      failures: this.pick([0, 0, 0, 1, 2, 9]),
      inner,
    };
  }

  /** The same job under a new name: a handler may run again, by a replay for example, and each call has its own name. */
  private fresh(job: Job): Job {
    this.calls += 1;
    return { ...job, call: `c${this.calls}` };
  }

  private waitOptions(): WaitOptions {
    return {
      ...(this.chance(0.15) ? { messageId: this.pick(['k1', 'k2', 'k3']) } : {}),
      ...(this.chance(0.12) ? { delayMs: Math.floor(this.random.next() * 60) } : {}),
      ...(this.chance(0.12) ? { expiresInMs: Math.floor(this.random.next() * 60) } : {}),
      ...(this.chance(0.3) ? { timeoutMs: this.pick([5, 30, 0]), cancelOnTimeout: this.chance(0.5) } : {}),
    };
  }

  private withdraw(): void {
    const { app, recorder } = this.life;
    if (this.chance(0.2)) {
      const [entityType, entityId] = [this.pick(TYPES), this.pick([undefined, ...IDS])];
      recorder.record({ type: 'cancelCalled', entityType, entityId });
      void scopeOf(app.bus, entityType, entityId)
        .purge()
        .catch(() => {});
      return;
    }
    const id = this.pick(this.known.slice(-8));
    if (id === undefined) return;
    recorder.record({ type: 'cancelCalled', id });
    void app.bus.cancel(id).catch(() => {});
  }

  private pauseOrResume(): void {
    const { bus } = this.life.app;
    const [entityType, entityId] = [this.pick(TYPES), this.pick([undefined, ...IDS])];
    void (
      this.chance(0.5) ? scopeOf(bus, entityType, entityId).pause() : scopeOf(bus, entityType, entityId).resume()
    ).catch(() => {});
  }

  private letters(): void {
    const { deadLetters } = this.life.app.node;
    const reason = this.pick(['failed', 'interrupted', 'expired'] as const);
    void (this.chance(0.6) ? deadLetters.replay({ reason }) : deadLetters.purge({ reason })).catch(() => {});
  }

  private breakStore(): void {
    const { wal } = this.life.app;
    const times = this.pick([1, 1, 2, 4]);
    const kind = this.random.next();
    if (kind < 0.3) wal.fail('commit', { times });
    else if (kind < 0.55) wal.fail('commit', { times, when: 'after' });
    else if (kind < 0.75)
      wal.fail('commit', { times, error: new StoreUnavailableError('cut before', 'unknown', true) });
    else if (kind < 0.85) wal.fail('load', { times });
    else if (kind < 0.95) wal.fail('due', { times });
    else wal.fail('commit', { times, when: 'after' }).fail('commit', { times });
  }

  private async perform(job: Job, context: MessageContext, recorder: HistoryRecorder): Promise<unknown> {
    const { app, bus, recorder: current } = this.life;
    // Nothing else tells which message the wait for a volatile query made.
    if (recorder === current && job.kind === 'query' && job.type !== 'kept') recorder.linked(job.call, context.id);
    if (job.ms > 0) await new Promise<void>((resolve) => app.runtime.timers.set(resolve, job.ms));
    const { inner } = job;
    if (inner !== undefined && context.attempt === 1 && recorder === current && !context.signal.aborted) {
      const sent = this.fresh(inner.job);
      if (inner.wait) await bus.enqueueAndWait(sent, inner.options).catch(() => {});
      else await bus.enqueue(sent, {}).catch(() => {});
    }
    if (context.attempt <= job.failures) throw new Error(`attempt ${context.attempt}`);
    return `${job.call} done`;
  }

  /** Everything is well again, and time enough passes: all that was accepted must come to its end. */
  private async comeToRest(): Promise<void> {
    const { app, recorder } = this.life;
    app.wal.heal();
    await app.advance(1_000);
    const resumed = TYPES.flatMap((type) => [undefined, ...IDS].map((id) => scopeOf(app.bus, type, id).resume()));
    await app.drive(Promise.all(resumed));
    await app.advance(60_000);
    recorder.record({ type: 'quiescent' });
    const { owner } = app.node;
    const left = {
      phase: owner.phase,
      active: owner.directory.active,
      depth: owner.door.depth,
      backlog: owner.directory.backlogEntities,
      unusual: owner.unusual.size,
    };
    const rest = { phase: 'running', active: 0, depth: 0, backlog: 0, unusual: 0 };
    if (JSON.stringify(left) !== JSON.stringify(rest)) this.faults.push(`left over: ${JSON.stringify(left)}`);
    const { taken } = owner.slots as unknown as { taken: number };
    const { residentBytes } = owner.accounts as unknown as { residentBytes: number };
    if (taken !== 0) this.faults.push(`${taken} slots are still taken`);
    if (residentBytes !== 0) this.faults.push(`${residentBytes} payload bytes are still counted`);
    await recordFinal(app.wal.wal, recorder, [0]);
    await app.stop();
    await app.settle();
    recorder.record({ type: 'nodeStopped' });
  }

  private chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  private pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random.next() * values.length)] as T;
  }
}

/** The bus of a type alone, or of an entity. */
function scopeOf(bus: QueueBus, entityType: string, entityId: string | undefined): EntityTypeScope | EntityScope {
  return entityId === undefined ? bus.forEntity(entityType) : bus.forEntity(entityType, entityId);
}
