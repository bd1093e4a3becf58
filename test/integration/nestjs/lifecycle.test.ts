import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { CommandHandler } from '@nestjs/cqrs';
import {
  ATOMIC_QUEUES_RUNTIME,
  type AtomicQueuesConfig,
  AtomicQueuesEvents,
  AtomicQueuesHealth,
  AtomicQueuesNode,
  currentMessage,
  QueueBus,
  WorkerProcessor,
} from 'atomic-queues';
import { VirtualRuntime } from 'atomic-queues/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Deposit } from './account-messages.js';
import { compileApp, configProblem, errorOf, gate, LogRecorder, startApp } from './harness.js';

/** A store of its own in a folder that goes with the test. */
function sqliteConfig(): AtomicQueuesConfig {
  const folder = mkdtempSync(join(tmpdir(), 'atomic-queues-nest-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { wal: { enabled: true }, store: { path: join(folder, 'app.db') } };
}

/** A handler that says when it has started and ends when it is told to. */
function slowHandler() {
  const started = gate();
  const finish = gate();
  const ended: string[] = [];
  @CommandHandler(Deposit)
  class SlowHandler {
    async execute({ accountId }: Deposit): Promise<void> {
      started.open();
      await finish.promise;
      ended.push(accountId);
    }
  }
  return { SlowHandler, started: started.promise, finish: finish.open, ended };
}

describe('Start', () => {
  it('accepts messages in any onModuleInit and starts none before every onApplicationBootstrap has run', async () => {
    const steps: string[] = [];
    @Injectable()
    class EagerService implements OnModuleInit, OnApplicationBootstrap {
      constructor(@Inject(QueueBus) private readonly bus: QueueBus) {
        // Nest still makes instances here: the message waits like any other.
        void this.bus.enqueue(new Deposit('a', 1));
      }

      async onModuleInit(): Promise<void> {
        await this.bus.enqueue(new Deposit('a', 2));
        steps.push('init');
      }

      async onApplicationBootstrap(): Promise<void> {
        await this.bus.enqueue(new Deposit('a', 3));
        await new Promise((resolve) => setImmediate(resolve));
        steps.push('bootstrap');
      }
    }
    @CommandHandler(Deposit)
    class DepositHandler {
      constructor(@Inject(EagerService) readonly eager: EagerService) {}

      execute({ amount }: Deposit): void {
        steps.push(`${amount} ${this.eager instanceof EagerService}`);
      }
    }
    @Module({ providers: [EagerService, DepositHandler] })
    class EagerModule {}
    const { app } = await startApp({ imports: [EagerModule] });
    await app.get(AtomicQueuesNode).whenIdle();
    expect(steps).toEqual(['init', 'bootstrap', '1 true', '2 true', '3 true']);
    await app.close();
  });

  it('fails with what is wrong, also when a message in onModuleInit was the first to need the store', async () => {
    @CommandHandler(Deposit)
    class WithoutExecute {}
    @Injectable()
    class EagerService implements OnModuleInit {
      constructor(@Inject(QueueBus) private readonly bus: QueueBus) {}

      async onModuleInit(): Promise<void> {
        await this.bus.enqueue(new Deposit('a', 2));
      }
    }
    const problem = await configProblem(startApp({ providers: [WithoutExecute, EagerService] }));
    expect(problem).toContain('has no method execute');
  });

  it('lets go of the store when it fails', async () => {
    const config = sqliteConfig();
    @CommandHandler(Deposit)
    class WithoutExecute {}
    @Injectable()
    class EagerService implements OnModuleInit {
      constructor(@Inject(QueueBus) private readonly bus: QueueBus) {}

      async onModuleInit(): Promise<void> {
        await this.bus.pause('account', 'a');
      }
    }
    await configProblem(startApp({ providers: [WithoutExecute, EagerService], config }));
    await configProblem(startApp({ providers: [WithoutExecute], config }));
    const { app } = await startApp({ config });
    await app.close();
  });

  it('warns of what a crash interrupted, and says how to look at it (I2, I7)', async () => {
    const config = sqliteConfig();
    const { path } = config.store as { readonly path: string };
    const hanging = slowHandler();
    const first = await startApp({ providers: [hanging.SlowHandler], config: { ...config, shutdownTimeout: 0 } });
    await first.bus.enqueue(new Deposit('a', 1));
    await hanging.started;
    // Its process is gone for the store: nothing of the shutdown is written any more.
    const { owner, wal } = first.app.get(AtomicQueuesNode);
    await wal.stop();
    const { SlowHandler } = slowHandler();
    const logger = new LogRecorder();
    const { app } = await startApp({ providers: [SlowHandler], config, logger });
    expect(logger.texts('log')[0]).toBe(`The store is ${path}.`);
    expect(logger.texts('warn')).toContain(
      '1 messages were running when the process before this one ended. They may or may not have been carried out: ' +
        `npx atomic-queues dlq list --path ${path} --reason interrupted`,
    );
    await app.close();
    hanging.finish();
    await first.app.close();
    expect(owner.phase).toBe('closed');
  });

  it('warns of a @WorkerProcessor that takes no message', async () => {
    @WorkerProcessor({ entityType: 'account' })
    class IdleProcessor {}
    const logger = new LogRecorder();
    const { app } = await startApp({ providers: [IdleProcessor], logger });
    expect(logger.texts('warn')).toEqual([
      expect.stringMatching(
        /^IdleProcessor .*has @WorkerProcessor but no @JobHandler method, so it takes no message\.$/,
      ),
    ]);
    await app.close();
  });

  it('logs which handler takes what only with verbose', async () => {
    for (const verbose of [false, true]) {
      const logger = new LogRecorder();
      const { SlowHandler } = slowHandler();
      const { app } = await startApp({ providers: [SlowHandler], logger, config: { verbose } });
      expect(logger.texts('debug').some((text) => text.includes('account/Deposit goes to SlowHandler'))).toBe(verbose);
      await app.close();
    }
  });
});

describe('Shutdown', () => {
  it('drains running handlers before any other module is destroyed', async () => {
    const steps: string[] = [];
    @Injectable()
    class Database implements OnModuleDestroy {
      isOpen = true;

      onModuleDestroy(): void {
        this.isOpen = false;
        steps.push('database closed');
      }
    }
    @Module({ providers: [Database], exports: [Database] })
    class DatabaseModule {}
    const started = gate();
    const finish = gate();
    @CommandHandler(Deposit)
    class DepositHandler {
      constructor(@Inject(Database) private readonly database: Database) {}

      async execute(): Promise<void> {
        started.open();
        await finish.promise;
        steps.push(`handler done, database ${this.database.isOpen ? 'open' : 'closed'}`);
      }
    }
    @Injectable()
    class RootService implements OnModuleDestroy {
      onModuleDestroy(): void {
        steps.push('root destroyed');
      }
    }
    const { app, bus } = await startApp({ imports: [DatabaseModule], providers: [DepositHandler, RootService] });
    await bus.enqueue(new Deposit('a', 1));
    await started.promise;
    const closed = app.close();
    finish.open();
    await closed;
    expect(steps).toEqual(['handler done, database open', 'root destroyed', 'database closed']);
  });

  it('refuses what comes during and after it, and answers who waits for what has not started (I8)', async () => {
    const { SlowHandler, started, finish, ended } = slowHandler();
    const { app, bus } = await startApp({ providers: [SlowHandler] });
    const running = bus.enqueueAndWait(new Deposit('a', 1));
    const waiting = errorOf(bus.enqueueAndWait(new Deposit('a', 2)));
    await started;
    const closed = app.close();
    expect(await waiting).toMatchObject({ code: 'SHUTTING_DOWN', retryable: false });
    expect(app.get(AtomicQueuesHealth).check()).toMatchObject({ status: 'down', details: { phase: 'draining' } });
    expect((await errorOf(bus.enqueue(new Deposit('b', 1)))).code).toBe('SHUTTING_DOWN');
    finish();
    await closed;
    await running;
    expect(ended).toEqual(['a']);
    expect((await errorOf(bus.enqueue(new Deposit('b', 1)))).code).toBe('SHUTTING_DOWN');
    expect((await errorOf(bus.enqueueAndWait(new Deposit('b', 1)))).code).toBe('SHUTTING_DOWN');
  });

  it('ends at shutdownTimeout, fires the signal of what still runs, and says what it left', async () => {
    const runtime = new VirtualRuntime();
    const logger = new LogRecorder();
    const started = gate();
    const aborted = gate<string>();
    @CommandHandler(Deposit)
    class EndlessHandler {
      execute(): Promise<void> {
        const signal = currentMessage()?.signal;
        signal?.addEventListener('abort', () => aborted.open(String((signal.reason as Error).message)));
        started.open();
        return new Promise(() => {});
      }
    }
    const compiled = compileApp({
      providers: [EndlessHandler],
      logger,
      config: { shutdownTimeout: 3_000 },
      prepare: (builder) => builder.overrideProvider(ATOMIC_QUEUES_RUNTIME).useValue(runtime),
    });
    const app = await compiled;
    await app.init();
    const bus = app.get(QueueBus);
    const sent = Promise.all([bus.enqueue(new Deposit('a', 1)), bus.enqueue(new Deposit('a', 2))]);
    await runtime.settle();
    await sent;
    await started.promise;
    const closed = app.close();
    await runtime.advance(3_000);
    await runtime.settle();
    await closed;
    expect(await aborted.promise).toContain('had not settled 3000 ms after the shutdown began');
    const [abandoned, left] = logger.texts('warn');
    expect(abandoned).toContain('1 handlers had not ended 3000 ms (shutdownTimeout)');
    expect(abandoned).toContain('Deposit of account "a"');
    expect(left).toContain('1 messages that had not ended are gone: wal.enabled is false');
  });

  it('leaves what has not started in the store for the next start (I1)', async () => {
    const config = sqliteConfig();
    const logger = new LogRecorder();
    const first = slowHandler();
    const { app, bus } = await startApp({ providers: [first.SlowHandler], config, logger });
    const running = bus.enqueueAndWait(new Deposit('a', 1));
    await bus.enqueue(new Deposit('a', 2));
    await bus.enqueue(new Deposit('a', 3));
    const waiting = errorOf(bus.enqueueAndWait(new Deposit('b', 4), { delayMs: 60_000 }));
    await first.started;
    const closed = app.close();
    await waiting;
    first.finish();
    await Promise.all([closed, running]);
    expect(logger.texts('log')).toEqual([
      `The store is ${config.store?.path}.`,
      expect.stringMatching(/^\d messages stay in the store/),
    ]);

    const amounts: number[] = [];
    @CommandHandler(Deposit)
    class NextHandler {
      execute({ amount }: Deposit): void {
        amounts.push(amount);
      }
    }
    const next = await startApp({ providers: [NextHandler], config, logger });
    await next.app.get(AtomicQueuesNode).whenIdle();
    expect(amounts).toEqual([2, 3]);
    await next.app.close();
  });

  it('drains on SIGTERM when shutdown hooks are enabled', async () => {
    const { SlowHandler, started, finish, ended } = slowHandler();
    const { app, bus } = await startApp({ providers: [SlowHandler] });
    // Nest sends the signal to its own process once more when it is done; this listener outlives that.
    const signals: string[] = [];
    const endedBySignal = gate();
    const listener = (signal: string): void => {
      signals.push(signal);
      if (signals.length === 2) endedBySignal.open();
    };
    process.on('SIGTERM', listener);
    onTestFinished(() => void process.off('SIGTERM', listener));
    app.enableShutdownHooks(['SIGTERM' as never]);
    await bus.enqueue(new Deposit('a', 1));
    const waiting = errorOf(bus.enqueueAndWait(new Deposit('a', 2)));
    await started;
    process.kill(process.pid, 'SIGTERM');
    expect(await waiting).toMatchObject({ code: 'SHUTTING_DOWN' });
    expect(ended).toEqual([]);
    finish();
    await endedBySignal.promise;
    expect(ended).toEqual(['a']);
    expect(app.get(AtomicQueuesHealth).check().details.phase).toBe('closed');
  });

  it('happens once, however often the application is closed', async () => {
    const logger = new LogRecorder();
    const { SlowHandler, started, finish } = slowHandler();
    const { app, bus } = await startApp({ providers: [SlowHandler], logger, config: { verbose: true } });
    await bus.enqueue(new Deposit('a', 1));
    const waiting = errorOf(bus.enqueueAndWait(new Deposit('a', 2)));
    await started;
    const closed = Promise.all([app.close(), app.close()]);
    await waiting;
    finish();
    await closed;
    await app.close();
    expect(logger.texts('debug').filter((text) => text.startsWith('Stopped:'))).toEqual([
      'Stopped: 1 running handlers ended in time.',
    ]);
  });
});

describe('The warning about shutdown hooks', () => {
  async function warnings(options: {
    readonly hooksBefore?: boolean;
    readonly hooksAfter?: boolean;
  }): Promise<string[]> {
    const others = process.listeners('SIGTERM');
    process.removeAllListeners('SIGTERM');
    onTestFinished(() => {
      for (const listener of others) process.on('SIGTERM', listener);
    });
    const runtime = new VirtualRuntime();
    const logger = new LogRecorder();
    const app = await compileApp({
      logger,
      prepare: (builder) => builder.overrideProvider(ATOMIC_QUEUES_RUNTIME).useValue(runtime),
    });
    if (options.hooksBefore === true) app.enableShutdownHooks();
    await app.init();
    if (options.hooksAfter === true) app.enableShutdownHooks();
    await runtime.advance(60_000);
    const closed = app.close();
    await runtime.settle();
    await closed;
    return logger.texts('warn');
  }

  it('comes once when nothing listens for SIGTERM', async () => {
    const found = await warnings({});
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('app.enableShutdownHooks()');
  });

  it('does not come when hooks are enabled before the start, or right after it', async () => {
    expect(await warnings({ hooksBefore: true })).toEqual([]);
    expect(await warnings({ hooksAfter: true })).toEqual([]);
  });
});

describe('Health and events', () => {
  it('tells how the node does from start to end', async () => {
    const { SlowHandler, started, finish } = slowHandler();
    const app = await compileApp({ providers: [SlowHandler] });
    const health = app.get(AtomicQueuesHealth);
    expect(health.check()).toMatchObject({ status: 'down', details: { phase: 'closed' } });
    await app.init();
    expect(health.check()).toMatchObject({ status: 'up', details: { phase: 'running', pending: 0, reasons: [] } });
    await app.get(QueueBus).enqueue(new Deposit('a', 1));
    await started;
    expect(health.check().details).toMatchObject({ pending: 1, runningHandlers: 1, activeWorkers: 1 });
    finish();
    await app.close();
    expect(health.check().status).toBe('down');
  });

  it('is degraded while the dead letters of a type are full (M17)', async () => {
    @CommandHandler(Deposit)
    class FailingHandler {
      execute(): void {
        throw new Error('no');
      }
    }
    const { app, bus } = await startApp({
      providers: [FailingHandler],
      config: { entities: { account: { deadLettersMax: 1 } } },
    });
    await bus.enqueue(new Deposit('a', 1));
    await app.get(AtomicQueuesNode).whenIdle();
    expect(app.get(AtomicQueuesHealth).check()).toMatchObject({
      status: 'degraded',
      details: { deadLettersFull: ['account'], reasons: ["the dead letters of 'account' are full"] },
    });
    await app.close();
  });

  it('emits lifecycle events to whoever injects AtomicQueuesEvents', async () => {
    const { SlowHandler, finish } = slowHandler();
    const { app, bus } = await startApp({ providers: [SlowHandler] });
    finish();
    const ended = app.get(AtomicQueuesEvents).once('ended');
    const { id } = await bus.enqueue(new Deposit('a', 1));
    expect(await ended).toMatchObject({ id, state: 'completed', entityId: 'a' });
    await app.close();
  });
});
