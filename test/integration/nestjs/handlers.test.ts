import { Injectable, Module } from '@nestjs/common';
import { CommandBus, CommandHandler, QueryHandler } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import {
  AtomicQueuesModule,
  AtomicQueuesNode,
  DeadLetterService,
  EntityType,
  type Job,
  JobCommand,
  JobHandler,
  JobQuery,
  QueueBus,
  QueueEntityId,
  WorkerProcessor,
  type WorkerProcessorOptions,
} from 'atomic-queues';
import { describe, expect, it } from 'vitest';
import { Balance, Deposit, Entries, Undecorated, Withdraw } from './account-messages.js';
import { configProblem, errorOf, startApp } from './harness.js';

@CommandHandler(Deposit)
class DepositHandler {
  execute(command: Deposit): Promise<string> {
    return Promise.resolve(`deposit ${command.doubled} ${command instanceof Deposit}`);
  }
}

@CommandHandler(Withdraw)
class WithdrawHandler {
  execute(): Promise<string> {
    return Promise.resolve('withdraw by CQRS');
  }
}

@QueryHandler(Balance)
class BalanceHandler {
  execute(): Promise<number> {
    return Promise.resolve(12);
  }
}

describe('Discovery of CQRS handlers', () => {
  it('sends commands and queries to their registered handlers, as instances of their classes', async () => {
    const { app, bus } = await startApp({ providers: [DepositHandler, BalanceHandler] });
    await expect(bus.enqueueAndWait(new Deposit('a', 2))).resolves.toBe('deposit 4 true');
    await expect(bus.enqueueAndWait(new Balance('a'))).resolves.toBe(12);
    await expect(bus.enqueueAndWait('account', 'Deposit', 'a', { accountId: 'a', amount: 3 })).resolves.toBe(
      'deposit 6 true',
    );
    await app.close();
  });

  it('finds handlers in feature modules, behind other tokens and made by factories', async () => {
    @Module({ providers: [DepositHandler] })
    class FeatureModule {}
    const { app, bus } = await startApp({
      // CQRS 11 does not take a handler that a factory makes.
      withCqrs: false,
      imports: [FeatureModule],
      providers: [
        { provide: 'withdrawing', useClass: WithdrawHandler },
        { provide: 'balance', useFactory: () => new BalanceHandler() },
        { provide: 'other name', useExisting: 'balance' },
      ],
    });
    await expect(bus.enqueueAndWait(new Deposit('a', 1))).resolves.toBe('deposit 2 true');
    await expect(bus.enqueueAndWait(new Withdraw('a', 1))).resolves.toBe('withdraw by CQRS');
    await expect(bus.enqueueAndWait(new Balance('a'))).resolves.toBe(12);
    await app.close();
  });

  it('uses what a test puts in the place of a handler', async () => {
    const { app, bus } = await startApp({
      providers: [DepositHandler],
      prepare: (builder) => builder.overrideProvider(DepositHandler).useValue({ execute: () => 'replaced' }),
    });
    await expect(bus.enqueueAndWait(new Deposit('a', 1))).resolves.toBe('replaced');
    await app.close();
  });

  it('leaves handlers of undecorated commands to CQRS', async () => {
    @CommandHandler(Undecorated)
    class UndecoratedHandler {
      execute(): Promise<string> {
        return Promise.resolve('by the CommandBus');
      }
    }
    const { app, bus } = await startApp({ providers: [UndecoratedHandler] });
    await expect(app.get(CommandBus, { strict: false }).execute(new Undecorated())).resolves.toBe('by the CommandBus');
    expect((await errorOf(bus.enqueue(new Undecorated()))).code).toBe('UNKNOWN_ENTITY_TYPE');
    await app.close();
  });

  it('refuses a message without a handler when it is enqueued, not later', async () => {
    const { app, bus } = await startApp({ providers: [DepositHandler] });
    expect((await errorOf(bus.enqueue(new Withdraw('a', 1)))).code).toBe('NO_HANDLER');
    await app.close();
  });

  it('does not need @nestjs/cqrs for processors', async () => {
    @WorkerProcessor({ entityType: 'report' })
    class ReportProcessor {
      @JobHandler('build')
      build(job: Job<{ pages: number }>, entityId: string): string {
        return `${entityId} with ${job.data.pages} pages`;
      }
    }
    const app = await Test.createTestingModule({
      imports: [AtomicQueuesModule.forRoot({ wal: { enabled: false } })],
      providers: [ReportProcessor],
    }).compile();
    await app.init();
    const reply = app.get(QueueBus).enqueueAndWait('report', 'build', 'r-1', { pages: 3 });
    await expect(reply).resolves.toBe('r-1 with 3 pages');
    await app.close();
  });
});

describe('Processors and precedence', () => {
  @WorkerProcessor({ entityType: 'account' })
  class AccountProcessor {
    @JobHandler('Withdraw')
    withdraw(job: Job<Withdraw>): string {
      return `withdraw by name, ${job.data instanceof Withdraw}`;
    }

    @JobHandler('audit')
    @JobHandler('special-audit')
    audit(job: Job): string {
      return job.name;
    }

    @JobHandler('*')
    rest(job: Job): string {
      return `rest: ${job.name}`;
    }
  }

  it('prefers @JobHandler(name) to a CQRS handler, and that to @JobHandler("*")', async () => {
    const { app, bus } = await startApp({ providers: [AccountProcessor, WithdrawHandler, DepositHandler] });
    await expect(bus.enqueueAndWait(new Withdraw('a', 1))).resolves.toBe('withdraw by name, true');
    await expect(bus.enqueueAndWait(new Deposit('a', 1))).resolves.toBe('deposit 2 true');
    await expect(bus.enqueueAndWait('account', 'audit', 'a', null)).resolves.toBe('audit');
    await expect(bus.enqueueAndWait('account', 'special-audit', 'a', null)).resolves.toBe('special-audit');
    await expect(bus.enqueueAndWait('account', 'anything', 'a', {})).resolves.toBe('rest: anything');
    await app.close();
  });

  it('calls a job handler with the id, the data, the attempts before this one and the time of acceptance', async () => {
    const jobs: { readonly job: Job; readonly entityId: string }[] = [];
    @WorkerProcessor({ entityType: 'account', retry: { maxAttempts: 2, backoffDelay: 0 } })
    class FlakyProcessor {
      @JobHandler(Deposit)
      deposit(job: Job<Deposit>, entityId: string): number {
        jobs.push({ job, entityId });
        if (job.attemptsMade === 0) throw new Error('the first attempt fails');
        return job.data.doubled;
      }
    }
    const { app, bus } = await startApp({ providers: [FlakyProcessor] });
    const before = Date.now();
    const { id } = await bus.enqueue(new Deposit('a-1', 5));
    await app.get(AtomicQueuesNode).whenIdle();
    expect(jobs.map(({ job }) => ({ ...job, timestamp: 0 }))).toEqual(
      [0, 1].map((attemptsMade) => ({
        id,
        name: 'Deposit',
        data: { accountId: 'a-1', amount: 5 },
        attemptsMade,
        timestamp: 0,
      })),
    );
    expect(jobs[0]!.entityId).toBe('a-1');
    expect(jobs[0]!.job.data).toBeInstanceOf(Deposit);
    expect(jobs[0]!.job.timestamp).toBeGreaterThanOrEqual(before);
    await app.close();
  });

  it('hands over plain data when no class is known for a name', async () => {
    const { app, bus } = await startApp({ providers: [AccountProcessor] });
    await expect(bus.enqueueAndWait('account', 'Withdraw', 'a', { amount: 1 })).resolves.toBe(
      'withdraw by name, false',
    );
    await app.close();
  });

  it('knows message classes that are listed as providers, and their kind', async () => {
    @WorkerProcessor({ entityType: 'account' })
    class ReadingProcessor {
      @JobHandler('*')
      all(job: Job): boolean {
        return job.data instanceof Entries;
      }
    }
    const { app, bus } = await startApp({ providers: [ReadingProcessor, { provide: Entries, useValue: Entries }] });
    const kinds: string[] = [];
    app.get(AtomicQueuesNode).events.on('started', ({ kind }) => kinds.push(kind));
    await expect(bus.enqueueAndWait('account', 'list-entries', 'a', { accountId: 'a' })).resolves.toBe(true);
    await expect(bus.enqueueAndWait('account', 'other', 'a', {})).resolves.toBe(false);
    expect(kinds).toEqual(['query', 'command']);
    await app.close();
  });

  it('gives a named job handler the kind of the message: its mark, else its CQRS handler', async () => {
    @WorkerProcessor({ entityType: 'account' })
    class QueryProcessor {
      @JobHandler('Balance')
      balance(): number {
        return 1;
      }

      @JobHandler(Entries)
      entries(): number {
        return 2;
      }
    }
    const { app, bus } = await startApp({ providers: [QueryProcessor, BalanceHandler] });
    const kinds: string[] = [];
    app.get(AtomicQueuesNode).events.on('started', ({ kind }) => kinds.push(kind));
    await expect(bus.enqueueAndWait(new Balance('a'))).resolves.toBe(1);
    await expect(bus.enqueueAndWait(new Entries('a'))).resolves.toBe(2);
    expect(kinds).toEqual(['query', 'query']);
    await app.close();
  });

  it('inherits job handlers from a base class, and lets a subclass replace them', async () => {
    abstract class BaseProcessor {
      @JobHandler('ping')
      ping(): string {
        return 'ping of the base';
      }

      @JobHandler('pong')
      pong(): string {
        return 'pong of the base';
      }
    }
    @WorkerProcessor({ entityType: 'table' })
    class TableProcessor extends BaseProcessor {
      override pong(): string {
        return 'pong of the table';
      }
    }
    const { app, bus } = await startApp({ providers: [TableProcessor] });
    await expect(bus.enqueueAndWait('table', 'ping', 't', {})).resolves.toBe('ping of the base');
    await expect(bus.enqueueAndWait('table', 'pong', 't', {})).resolves.toBe('pong of the table');
    await app.close();
  });

  it('takes the options of a type from @WorkerProcessor', async () => {
    @Injectable()
    @WorkerProcessor({ entityType: 'account', defaultEntityId: 'number', retry: { maxAttempts: 3 } })
    class OptionsProcessor {
      @JobHandler('*')
      all(): void {}
    }
    const { app } = await startApp({
      providers: [OptionsProcessor],
      config: { entities: { account: { replyTimeout: 9, retry: { backoff: 'fixed', maxAttempts: 3 } } } },
    });
    const options = app.get(AtomicQueuesNode).config.entityType('account');
    expect(options).toMatchObject({ defaultEntityId: 'number', replyTimeout: 9 });
    expect(options.retry).toMatchObject({ maxAttempts: 3, backoff: 'fixed' });
    await app.close();
  });
});

describe('Handlers that contradict each other fail the start', () => {
  const problemWith = (...providers: (new () => object)[]): Promise<string> => configProblem(startApp({ providers }));

  it('two CQRS handlers of one message', async () => {
    @CommandHandler(Deposit)
    class OtherDepositHandler {
      execute(): void {}
    }
    const problem = await problemWith(DepositHandler, OtherDepositHandler);
    expect(problem).toContain('Two handlers for message "Deposit" of entity type "account"');
    expect(problem).toMatch(/DepositHandler \(in AppModule\) and OtherDepositHandler/);
  });

  it('one handler class in two modules', async () => {
    @Module({ providers: [DepositHandler] })
    class FeatureModule {}
    const problem = await configProblem(startApp({ imports: [FeatureModule], providers: [DepositHandler] }));
    expect(problem).toMatch(/DepositHandler \(in \w+Module\) and DepositHandler \(in \w+Module\)/);
  });

  it('two @JobHandler of one name, and two wildcards', async () => {
    for (const name of ['audit', '*']) {
      class Twice {
        first(): void {}
        second(): void {}
      }
      for (const method of ['first', 'second'] as const) {
        JobHandler(name)(Twice.prototype, method, Object.getOwnPropertyDescriptor(Twice.prototype, method));
      }
      WorkerProcessor({ entityType: 'account' })(Twice);
      expect(await problemWith(Twice)).toMatch(/Twice \(in AppModule\)\.first and Twice \(in AppModule\)\.second/);
    }
  });

  it('two message classes of one name', async () => {
    @EntityType('account', { name: 'Deposit' })
    class Deposit2 {
      @QueueEntityId() id = '';
    }
    @CommandHandler(Deposit2)
    class Deposit2Handler {
      execute(): void {}
    }
    expect(await problemWith(DepositHandler, Deposit2Handler)).toContain("are both 'Deposit' of entity type 'account'");
  });

  it('a query mark and a command handler, or the other way round', async () => {
    @CommandHandler(Entries)
    class EntriesHandler {
      execute(): void {}
    }
    expect(await problemWith(EntriesHandler)).toContain('list-entries is marked with @JobQuery');

    @EntityType('account')
    @JobCommand()
    class Close {
      @QueueEntityId() id = '';
    }
    @QueryHandler(Close)
    class CloseHandler {
      execute(): void {}
    }
    expect(await problemWith(CloseHandler)).toContain('Close is marked with @JobCommand');
  });

  it('a handler without execute, @JobHandler without @WorkerProcessor, and a message of another type', async () => {
    @CommandHandler(Deposit)
    class Empty {}
    expect(await problemWith(Empty)).toContain('Empty (in AppModule) has no method execute');

    class Lonely {
      @JobHandler('audit')
      audit(): void {}
    }
    expect(await problemWith(Lonely)).toContain(
      'Lonely (in AppModule) has @JobHandler methods but no @WorkerProcessor',
    );

    @WorkerProcessor({ entityType: 'report' })
    class Misled {
      @JobHandler(Deposit)
      deposit(): void {}
    }
    expect(await problemWith(Misled)).toContain("for entity type 'report', but has a @JobHandler for Deposit");
  });

  it('options of @WorkerProcessor that an older version had, that do not exist, or are out of range', async () => {
    const withOptions = (options: object): Promise<string> => {
      class Processor {}
      WorkerProcessor({ entityType: 'account', ...options } as WorkerProcessorOptions)(Processor);
      return problemWith(Processor);
    };
    const old = await withOptions({ queueName: () => 'q', idleTimeoutSeconds: 15 });
    expect(old).toContain('@WorkerProcessor on Processor (in AppModule)');
    expect(old).toContain('queueName was removed');
    expect(old).toContain('idleTimeoutSeconds was replaced by workerIdleTimeout');
    expect(await withOptions({ replyTimeot: 5 })).toContain('did you mean entities.account.replyTimeout?');
    expect(await withOptions({ dispatchAhead: 0 })).toContain('dispatchAhead is 0');
  });

  it('options of @WorkerProcessor that the configuration or another processor gives another value', async () => {
    @WorkerProcessor({ entityType: 'account', replyTimeout: 5, retry: { maxAttempts: 2 } })
    class First {}
    @WorkerProcessor({ entityType: 'account', replyTimeout: 6 })
    class Second {}
    const config = { entities: { account: { replyTimeout: 7, retry: { maxAttempts: 3 } } } };
    const problem = await configProblem(startApp({ providers: [First], config }));
    expect(problem).toContain(
      "replyTimeout of entity type 'account' is 7 in the configuration (entities.account), but 5 in @WorkerProcessor on First",
    );
    expect(problem).toContain("retry.maxAttempts of entity type 'account' is 3");
    expect(await problemWith(First, Second)).toMatch(/is 5 in @WorkerProcessor on First .* but 6 in .* on Second/);
  });

  it('decorators in the wrong place, as soon as they are read', () => {
    expect(() => WorkerProcessor({ entityType: 'not a type' })(class {})).toThrow(/entity type is "not a type"/);
    expect(() => JobHandler('two words')(class {}.prototype, 'x', { value: () => {} })).toThrow(/the wire name is/);
    expect(() => JobHandler('audit')(class {}, 'x', { value: () => {} })).toThrow(/instance method/);
    class Twice {}
    WorkerProcessor({ entityType: 'a' })(Twice);
    expect(() => WorkerProcessor({ entityType: 'b' })(Twice)).toThrow(/has two of them/);
    expect(() => JobQuery('a')(Entries)).toThrow(/already marked/);
  });
});

describe('DeadLetterService', () => {
  it('lists, gets, replays and purges what did not complete (I7)', async () => {
    let broken = true;
    @CommandHandler(Deposit)
    class FailingHandler {
      execute(): void {
        if (broken) throw new Error('the ledger is closed');
      }
    }
    const { app, bus } = await startApp({ providers: [FailingHandler] });
    const node = app.get(AtomicQueuesNode);
    const dead = app.get(DeadLetterService);
    const first = await bus.enqueue(new Deposit('a', 1));
    await bus.enqueue(new Deposit('b', 1));
    await bus.enqueue(new Deposit('c', 1));
    await node.whenIdle();
    const { letters } = await dead.list({ entityType: 'account' });
    expect(letters.map(({ entityId, reason }) => [entityId, reason])).toEqual([
      ['a', 'failed'],
      ['b', 'failed'],
      ['c', 'failed'],
    ]);
    await expect(dead.get(first.id)).resolves.toMatchObject({ error: { message: 'the ledger is closed' } });
    broken = false;
    await expect(dead.replay(first.id)).resolves.toMatchObject({ id: expect.any(String) });
    await expect(dead.replay({ entityId: 'b' })).resolves.toBe(1);
    await expect(dead.purge({ entityType: 'account' })).resolves.toBe(1);
    await node.whenIdle();
    await expect(dead.count()).resolves.toBe(0);
    await expect(dead.purge(first.id)).resolves.toBe(false);
    await app.close();
    expect((await errorOf(dead.list())).code).toBe('SHUTTING_DOWN');
  });
});
