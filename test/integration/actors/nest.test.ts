import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  Optional,
  Scope,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { CommandHandler, QueryHandler } from '@nestjs/cqrs';
import {
  Actor,
  ActorSystem,
  AtomicQueuesNode,
  currentMessage,
  isAtomicQueuesError,
  JobHandler,
  On,
  QueueBus,
  Transient,
  WorkerProcessor,
} from 'atomic-queues';
import { map, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Balance, Deposit, Withdraw } from '../nestjs/account-messages.js';
import { configProblem, errorOf, LogRecorder, startApp } from '../nestjs/harness.js';

@Injectable()
class Ledger {
  readonly entries: string[] = [];
}

@Actor('account')
class AccountActor {
  static made = 0;
  balance = 0;
  tags = new Map<string, bigint>();
  @Inject(QueueBus) protected readonly bus!: QueueBus;
  @Transient() calls = 0;

  constructor(
    protected readonly ledger: Ledger,
    @Inject('limit') protected readonly limit: number,
    @Optional() @Inject('nobody') protected readonly nobody?: object,
  ) {
    AccountActor.made += 1;
  }

  @On(Deposit)
  deposit(message: Deposit): number {
    if (message.amount > this.limit) throw new Error('over the limit');
    this.balance += message.amount;
    this.calls += 1;
    this.tags.set(`d${this.tags.size}`, BigInt(message.doubled));
    this.ledger.entries.push(`${currentMessage()?.entityId} ${message.amount}`);
    return this.balance;
  }

  @On(Balance)
  read(): number {
    return this.balance;
  }

  @On('state', { kind: 'query' })
  state(): object {
    return { fields: Object.keys(this), tags: this.tags.size, calls: this.calls, bus: this.bus instanceof QueueBus };
  }
}

const limit = { provide: 'limit', useValue: 100 };

describe('Actors in a Nest application', () => {
  it('get their dependencies, have an instance for each entity, and keep only their own fields as state', async () => {
    const { app, bus } = await startApp({ providers: [AccountActor, Ledger, limit] });
    expect(await bus.enqueueAndWait(new Deposit('a', 5))).toBe(5);
    expect(await bus.enqueueAndWait(new Deposit('b', 7))).toBe(7);
    expect(await bus.enqueueAndWait(new Deposit('a', 5))).toBe(10);
    expect(app.get(Ledger).entries).toEqual(['a 5', 'b 7', 'a 5']);
    expect(await bus.enqueueAndWait('account', 'state', 'a', {})).toMatchObject({ tags: 2, calls: 2, bus: true });
    const [stored] = await app.get(AtomicQueuesNode).wal.actorStates(0, [{ entityType: 'account', entityId: 'a' }]);
    expect(stored).toBe(
      '{"version":1,"state":{"balance":10,"tags":{"$map":[["d0",{"$bigint":"10"}],["d1",{"$bigint":"10"}]]}}}',
    );
    await app.close();
  });

  it('find their states again after a restart, on the embedded store', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'aq-actors-'));
    const config = { wal: { enabled: true }, store: { path: join(folder, 'queue.db') } };
    try {
      const first = await startApp({ providers: [AccountActor, Ledger, limit], config });
      await first.bus.enqueueAndWait(new Deposit('a', 5));
      await expect(first.bus.enqueueAndWait(new Deposit('a', 500))).rejects.toThrow('over the limit');
      await first.app.close();
      const second = await startApp({ providers: [AccountActor, Ledger, limit], config });
      expect(await second.bus.enqueueAndWait(new Balance('a'))).toBe(5);
      expect(await second.bus.enqueueAndWait(new Deposit('a', 2))).toBe(7);
      expect(await second.bus.enqueueAndWait('account', 'state', 'a', {})).toMatchObject({ tags: 2 });
      await second.app.close();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('share the line of an entity with CQRS handlers and processors', async () => {
    @CommandHandler(Withdraw)
    class WithdrawHandler {
      execute({ amount }: Withdraw): Promise<string> {
        return Promise.resolve(`CQRS ${amount}`);
      }
    }
    @WorkerProcessor({ entityType: 'account' })
    class Rest {
      @JobHandler('*')
      all(): string {
        return 'processor';
      }
    }
    const { app, bus } = await startApp({ providers: [AccountActor, Ledger, limit, WithdrawHandler, Rest] });
    expect(
      await Promise.all([
        bus.enqueueAndWait(new Deposit('a', 5)),
        bus.enqueueAndWait(new Withdraw('a', 3)),
        bus.enqueueAndWait('account', 'audit', 'a', {}),
        bus.enqueueAndWait(new Balance('a')),
      ]),
    ).toEqual([5, 'CQRS 3', 'processor', 5]);
    await app.close();
  });

  it('are reached by the injectable ActorSystem', async () => {
    @Injectable()
    class Bank {
      constructor(@Inject(ActorSystem) readonly actors: ActorSystem) {}
    }
    const { app } = await startApp({ providers: [AccountActor, Ledger, limit, Bank] });
    const { actors } = app.get(Bank);
    await actors.send('account', 'a', new Deposit('a', 4));
    const balance: number = await actors.sendAndWait('account', 'a', new Balance('a'));
    expect(balance).toBe(4);
    const error = await errorOf(actors.send('account', 'a', new Withdraw('a', 1)));
    expect(error.code).toBe('NO_HANDLER');
    expect(error.message).toMatch(/There are: Deposit \(AccountActor \(in AppModule\)\.deposit\)/);
    await app.close();
  });

  it('run guards and interceptors that are bound to them and to their methods', async () => {
    const seen: string[] = [];
    @Injectable()
    class Watch implements NestInterceptor {
      intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
        seen.push(`${context.getClass().name}.${context.getHandler().name}`);
        return next.handle().pipe(map((value: number) => value * 10));
      }
    }
    @Injectable()
    class Small implements CanActivate {
      constructor(readonly ledger: Ledger) {}
      canActivate(context: ExecutionContext): boolean {
        return context.getArgByIndex<Deposit>(0).amount < 10;
      }
    }
    @Actor('account')
    @UseInterceptors(Watch)
    class GuardedActor {
      balance = 0;

      @On(Deposit)
      @UseGuards(Small)
      deposit({ amount }: Deposit): number {
        this.balance += amount;
        return this.balance;
      }

      @On(Balance)
      read(): number {
        return this.balance;
      }
    }
    const { app, bus } = await startApp({ providers: [GuardedActor, Ledger] });
    expect(await bus.enqueueAndWait(new Deposit('a', 1))).toBe(10);
    expect(await bus.enqueueAndWait(new Deposit('b', 2))).toBe(20);
    expect(await bus.enqueueAndWait(new Deposit('a', 2))).toBe(30);
    await expect(bus.enqueueAndWait(new Deposit('a', 99))).rejects.toThrow('Forbidden');
    expect(await bus.enqueueAndWait(new Balance('a'))).toBe(30);
    expect(new Set(seen)).toEqual(new Set(['GuardedActor.deposit', 'GuardedActor.read']));
    await app.close();
  });

  it('may have request-scoped guards: those are made for each message, the actor is not', async () => {
    let guards = 0;
    @Injectable({ scope: Scope.REQUEST })
    class Counting implements CanActivate {
      constructor() {
        guards += 1;
      }
      canActivate(): boolean {
        return true;
      }
    }
    @Actor('account')
    @UseGuards(Counting)
    class ScopedActor {
      balance = 0;
      @On(Deposit)
      deposit({ amount }: Deposit): number {
        this.balance += amount;
        return this.balance;
      }
    }
    const { app, bus } = await startApp({ providers: [ScopedActor] });
    guards = 0;
    expect(await bus.enqueueAndWait(new Deposit('a', 1))).toBe(1);
    expect(await bus.enqueueAndWait(new Deposit('a', 1))).toBe(2);
    expect(guards).toBe(2);
    await app.close();
  });

  it('can be replaced in a test by a class that extends them', async () => {
    class Generous extends AccountActor {
      override deposit(message: Deposit): number {
        return super.deposit(message) * 100;
      }
    }
    const { app, bus } = await startApp({
      providers: [AccountActor, Ledger, limit],
      prepare: (builder) => builder.overrideProvider(AccountActor).useClass(Generous),
    });
    expect(await bus.enqueueAndWait(new Deposit('a', 5))).toBe(500);
    await app.close();
  });

  it('warn of private fields, which are never state', async () => {
    @Actor('account')
    class Secretive {
      #balance = 0;
      @On(Deposit)
      deposit({ amount }: Deposit): number {
        this.#balance += amount;
        return this.#balance;
      }
    }
    const logger = new LogRecorder();
    const { app } = await startApp({ providers: [Secretive], logger });
    expect(logger.texts('warn').join()).toContain('Secretive (in AppModule) has private fields (#balance)');
    await app.close();
  });
});

describe('A start with actors is refused', () => {
  it('when a message has both a method and a CQRS handler, or a job handler', async () => {
    @QueryHandler(Balance)
    class BalanceHandler {
      execute(): number {
        return 1;
      }
    }
    expect(await configProblem(startApp({ providers: [AccountActor, Ledger, limit, BalanceHandler] }))).toMatch(
      /Two handlers for message "Balance".*BalanceHandler \(in AppModule\) and AccountActor \(in AppModule\)\.read/,
    );
    @WorkerProcessor({ entityType: 'account' })
    class Processor {
      @JobHandler(Deposit)
      deposit(): void {}
    }
    expect(await configProblem(startApp({ providers: [AccountActor, Ledger, limit, Processor] }))).toMatch(
      /Two handlers for message "Deposit"/,
    );
  });

  it('when there are two actors of one type, or one actor in two modules', async () => {
    @Actor('account')
    class Other {
      @On(Withdraw) withdraw(): void {}
    }
    expect(await configProblem(startApp({ providers: [AccountActor, Ledger, limit, Other] }))).toMatch(
      /Two actors of entity type "account": AccountActor \(in AppModule\) and Other \(in AppModule\)/,
    );
    @Module({ providers: [Other] })
    class Feature {}
    expect(await configProblem(startApp({ imports: [Feature], providers: [Other] }))).toMatch(
      /Two actors of entity type "account": Other \(in (Feature|AppModule)\) and Other/,
    );
  });

  it('when a class has @On methods but no @Actor', async () => {
    class Lost {
      @On(Deposit) deposit(): void {}
    }
    expect(await configProblem(startApp({ providers: [Lost] }))).toMatch(/Lost \(in AppModule\) has no @Actor/);
  });

  it('when an actor is request-scoped or depends on something that is', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {}
    @Actor('account')
    class Scoped {
      constructor(readonly perRequest: PerRequest) {}
      @On(Deposit) deposit(): void {}
    }
    expect(await configProblem(startApp({ providers: [Scoped, PerRequest] }))).toMatch(/serves many messages/);
    @Actor('account')
    @Injectable({ scope: Scope.REQUEST })
    class ScopedItself {
      @On(Deposit) deposit(): void {}
    }
    expect(await configProblem(startApp({ providers: [ScopedItself] }))).toMatch(/serves many messages/);
  });

  it('when an actor is provided as a value, by a factory, or replaced by something that is no actor', async () => {
    const value = { provide: AccountActor, useValue: { deposit: () => 1 } };
    expect(await configProblem(startApp({ providers: [value] }))).toMatch(/provided as a value/);
    const factory = { provide: AccountActor, useFactory: () => new AccountActor(new Ledger(), 1) };
    expect(await configProblem(startApp({ providers: [factory] }))).toMatch(/what a factory makes/);
    class Impostor {
      deposit(): void {}
    }
    const impostor = { provide: AccountActor, useClass: Impostor };
    expect(await configProblem(startApp({ providers: [impostor] }))).toMatch(/Let it extend AccountActor/);
  });

  it('when the initial state cannot be stored, naming the field; nothing stays open then', async () => {
    @Actor('account')
    class Logging {
      readonly logger = new LogRecorder();
      @On(Deposit) deposit(): void {}
    }
    const error = await errorOf(startApp({ providers: [Logging] }));
    expect(isAtomicQueuesError(error, 'STATE_INVALID')).toBe(true);
    expect(error.message).toMatch(/logger is an instance of LogRecorder.*@Transient/);
  });
});
