import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  createParamDecorator,
  type ExceptionFilter,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  SetMetadata,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, Reflector } from '@nestjs/core';
import { CommandHandler, QueryHandler } from '@nestjs/cqrs';
import {
  type AtomicQueuesContextType,
  currentMessage,
  type Job,
  JobHandler,
  messageOf,
  WorkerProcessor,
} from 'atomic-queues';
import { catchError, map, of, tap } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Balance, Deposit, Withdraw } from './account-messages.js';
import { startApp } from './harness.js';

/** What happened, in order, in all of a test's guards, pipes, interceptors, handlers and filters. */
let steps: string[] = [];

/** For guards that ask their dependencies, as an application's do. */
@Injectable()
class Permissions {
  allows(role: string): boolean {
    return role !== 'nobody';
  }
}

const Role = (role: string) => SetMetadata('role', role);

@Injectable()
class RoleGuard implements CanActivate {
  constructor(
    @Inject(Permissions) private readonly permissions: Permissions,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    await Promise.resolve();
    const targets = [context.getHandler(), context.getClass()];
    const role = this.reflector.getAllAndOverride<string | undefined>('role', targets) ?? 'any';
    steps.push(`guard ${role} ${context.getType<AtomicQueuesContextType>()} ${currentMessage()?.name}`);
    return this.permissions.allows(role);
  }
}

@Injectable()
class DoublingPipe implements PipeTransform {
  transform(value: Deposit, { metatype, type }: { metatype?: unknown; type: string }): unknown {
    steps.push(`pipe ${type} ${(metatype as { name?: string } | undefined)?.name} ${currentMessage()?.name}`);
    return Object.assign(Object.create(Object.getPrototypeOf(value) as object) as object, value, {
      amount: value.amount * 2,
    });
  }
}

@Injectable()
class NotingInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    const handled = messageOf<Deposit>(context);
    steps.push(`before ${context.getClass().name} ${handled?.message.amount} ${handled?.context.entityId}`);
    return next.handle().pipe(
      tap(() => steps.push(`after ${currentMessage()?.entityId}`)),
      map((reply: unknown) => [reply]),
    );
  }
}

class Overdrawn extends Error {}

@Catch(Overdrawn)
class OverdrawnFilter implements ExceptionFilter {
  catch(error: Overdrawn, host: ArgumentsHost): string {
    const { context } = messageOf(host) ?? {};
    steps.push(`filter ${host.getType()} ${currentMessage() === context}`);
    return `${context?.name}: ${error.message}`;
  }
}

const Amount = createParamDecorator((unit: string, context: ExecutionContext) => {
  const { message } = messageOf<Deposit>(context) as { message: Deposit };
  return `${message.amount} ${unit} ${context.getHandler().name} ${context.getClass().name}`;
});

const enhancers = [UseGuards(RoleGuard), UsePipes(DoublingPipe), UseInterceptors(NotingInterceptor)] as const;
const everything = (target: object, key?: string | symbol, descriptor?: PropertyDescriptor): void => {
  for (const decorator of [...enhancers, UseFilters(OverdrawnFilter)])
    (decorator as (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => void)(
      target,
      key,
      descriptor,
    );
};

function handle(message: Deposit, where: string): number {
  steps.push(`${where} ${message.constructor.name} ${message.amount} ${currentMessage()?.name}`);
  if (message.amount > 100) throw new Overdrawn('too much');
  return message.amount;
}

@CommandHandler(Deposit)
@everything
class OnClass {
  async execute(message: Deposit): Promise<number> {
    await Promise.resolve();
    return handle(message, 'execute');
  }
}

@CommandHandler(Deposit)
class OnMethod {
  @everything
  @Role('clerk')
  execute(message: Deposit): number {
    return handle(message, 'execute');
  }
}

@QueryHandler(Deposit)
@everything
class OnQuery {
  execute(message: Deposit): number {
    return handle(message, 'execute');
  }
}

@WorkerProcessor({ entityType: 'account' })
@everything
class OnProcessor {
  @JobHandler(Deposit)
  deposit(job: Job<Deposit>, entityId: string): number {
    return handle(job.data, `${job.name} ${entityId} ${job.attemptsMade}`);
  }
}

@WorkerProcessor({ entityType: 'account' })
class OnJobMethod {
  @everything
  @JobHandler(Deposit)
  deposit(job: Job<Deposit>, entityId: string): number {
    return handle(job.data, `${job.name} ${entityId} ${job.attemptsMade}`);
  }

  /** Its neighbour's enhancers are not its own. */
  @JobHandler('bare')
  bare(): string {
    steps.push('bare');
    return 'bare';
  }
}

const kinds = [
  ['a class of @CommandHandler', OnClass, 'execute', 'any'],
  ['the method of a @CommandHandler', OnMethod, 'execute', 'clerk'],
  ['a class of @QueryHandler', OnQuery, 'execute', 'any'],
  ['a class of @WorkerProcessor', OnProcessor, 'Deposit a 0', 'any'],
  ['a method with @JobHandler', OnJobMethod, 'Deposit a 0', 'any'],
] as const;

describe('Guards, interceptors, pipes and filters', () => {
  it.each(kinds)('bound to %s run for every message, in the order of Nest', async (_what, cls, handler, role) => {
    const { app, bus } = await startApp({ providers: [cls, Permissions] });
    const order = (amount: number): string[] => [
      `guard ${role} atomic-queues Deposit`,
      `before ${cls.name} ${amount} a`,
      'pipe body Deposit Deposit',
      `${handler} Deposit ${amount * 2} Deposit`,
    ];
    for (const amount of [1, 2]) {
      steps = [];
      await expect(bus.enqueueAndWait(new Deposit('a', amount))).resolves.toEqual([amount * 2]);
      expect(steps).toEqual([...order(amount), 'after a']);
    }
    steps = [];
    await expect(bus.enqueueAndWait(new Deposit('a', 51))).resolves.toBe('Deposit: too much');
    expect(steps).toEqual([...order(51), 'filter atomic-queues true']);
    await app.close();
  });

  it('of one method leave the others of its class alone', async () => {
    const { app, bus } = await startApp({ providers: [OnJobMethod, Permissions] });
    steps = [];
    await expect(bus.enqueueAndWait('account', 'bare', 'a', {})).resolves.toBe('bare');
    expect(steps).toEqual(['bare']);
    await app.close();
  });

  it('of the whole application run for every message, around those of its handlers', async () => {
    @Injectable()
    class Everywhere implements NestInterceptor {
      intercept(context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
        const { message, context: about } = messageOf(context) ?? {};
        steps.push(`all ${context.getClass().name}.${context.getHandler().name} ${about?.name} ${typeof message}`);
        return next.handle().pipe(catchError((error: Error) => of(`caught ${error.message}`)));
      }
    }
    @WorkerProcessor({ entityType: 'account' })
    class Processor {
      @JobHandler('*')
      any(job: Job): string {
        if (job.name === 'bad') throw new Error('no');
        return job.name;
      }
    }
    @QueryHandler(Balance)
    class BalanceHandler {
      execute(): number {
        return 7;
      }
    }
    const { app, bus } = await startApp({
      providers: [
        OnMethod,
        Permissions,
        Processor,
        BalanceHandler,
        { provide: APP_INTERCEPTOR, useClass: Everywhere },
        { provide: APP_GUARD, useClass: RoleGuard },
      ],
    });
    steps = [];
    await expect(bus.enqueueAndWait(new Deposit('a', 1))).resolves.toEqual([2]);
    expect(steps.slice(0, 4)).toEqual([
      'guard clerk atomic-queues Deposit',
      'guard clerk atomic-queues Deposit',
      'all OnMethod.execute Deposit object',
      'before OnMethod 1 a',
    ]);
    steps = [];
    await expect(bus.enqueueAndWait(new Balance('a'))).resolves.toBe(7);
    await expect(bus.enqueueAndWait('account', 'good', 'a', 1)).resolves.toBe('good');
    await expect(bus.enqueueAndWait('account', 'bad', 'a', 1)).resolves.toBe('caught no');
    expect(steps).toEqual([
      'guard any atomic-queues Balance',
      'all BalanceHandler.execute Balance object',
      'guard any atomic-queues good',
      'all Processor.any good number',
      'guard any atomic-queues bad',
      'all Processor.any bad number',
    ]);
    await app.close();
  });

  it('of the whole application may be pipes and filters as well, also for jobs', async () => {
    @Catch()
    class Anything implements ExceptionFilter {
      catch(error: Error): unknown {
        return of(1, `filtered ${error.message}`);
      }
    }
    @CommandHandler(Withdraw)
    class WithdrawHandler {
      execute({ amount }: Withdraw): number {
        if (amount > 100) throw new Error('too much');
        return amount;
      }
    }
    const { app, bus } = await startApp({
      providers: [
        WithdrawHandler,
        OnJobMethod,
        Permissions,
        { provide: APP_PIPE, useClass: DoublingPipe },
        { provide: APP_FILTER, useClass: Anything },
      ],
    });
    await expect(bus.enqueueAndWait(new Withdraw('a', 3))).resolves.toBe(6);
    await expect(bus.enqueueAndWait(new Withdraw('a', 80))).resolves.toBe('filtered too much');
    await expect(bus.enqueueAndWait(new Deposit('a', 3))).resolves.toEqual([12]);
    await app.close();
  });

  it("fill parameters that the application's own decorators ask for, each with its pipes", async () => {
    const upper = { transform: (value: string) => value.toUpperCase() };
    @CommandHandler(Deposit)
    class DepositHandler {
      execute(message: Deposit, @Amount('euro') amount: string, @Amount('cent', upper) loud: string): unknown {
        return [message.amount, amount, loud];
      }
    }
    const { app, bus } = await startApp({ providers: [DepositHandler] });
    await expect(bus.enqueueAndWait(new Deposit('a', 5))).resolves.toEqual([
      5,
      '5 euro execute DepositHandler',
      '5 CENT EXECUTE DEPOSITHANDLER',
    ]);
    await app.close();
  });

  it('are told apart by getType, getHandler and getClass', async () => {
    const seen: unknown[] = [];
    const looking: CanActivate = {
      canActivate: (context) => {
        seen.push(context.getType(), context.getHandler(), context.getClass(), context.getArgs().length);
        return true;
      },
    };
    @CommandHandler(Deposit)
    @UseGuards(looking)
    class DepositHandler {
      execute(): void {}
    }
    @WorkerProcessor({ entityType: 'account' })
    @UseGuards(looking)
    class Processor {
      @JobHandler('x')
      x(): void {}
    }
    const { app, bus } = await startApp({ providers: [DepositHandler, Processor] });
    await bus.enqueueAndWait(new Deposit('a', 5));
    await bus.enqueueAndWait('account', 'x', 'a', {});
    expect(seen).toEqual([
      ...['atomic-queues', DepositHandler.prototype.execute, DepositHandler, 2],
      ...['atomic-queues', Processor.prototype.x, Processor, 2],
    ]);
    await app.close();
  });

  it('say nothing of a message where there is none', () => {
    const host = { getType: () => 'http', getArgs: () => [{}, {}] } as unknown as ArgumentsHost;
    expect(messageOf(host)).toBeUndefined();
  });
});
