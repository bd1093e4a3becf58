import {
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  Scope,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, ExternalContextCreator, ModulesContainer, REQUEST } from '@nestjs/core';
import { CommandHandler } from '@nestjs/cqrs';
import { type Job, JobHandler, MessageContext, MessageRequest, WorkerProcessor } from 'atomic-queues';
import { describe, expect, it } from 'vitest';
import { explore } from '../../../src/nestjs/handler-explorer.js';
import { messageItself } from '../../../src/nestjs/handler-method.js';
import { methodRunner } from '../../../src/nestjs/handler-source.js';
import { nestContexts } from '../../../src/nestjs/nest-contexts.js';
import { allProviders } from '../../../src/nestjs/providers.js';
import { Deposit, Withdraw } from './account-messages.js';
import { startApp } from './harness.js';

let guards = 0;
let seen: unknown[] = [];

@Injectable({ scope: Scope.REQUEST })
class ScopedGuard implements CanActivate {
  private readonly number = ++guards;

  constructor(@Inject(REQUEST) private readonly request: MessageRequest<Deposit>) {}

  canActivate(context: ExecutionContext): boolean {
    seen.push([this.number, this.request.message.amount, this.request.id === this.context(context).id]);
    return true;
  }

  private context(context: ExecutionContext): MessageContext {
    return context.getArgByIndex<MessageContext>(1);
  }
}

@Injectable({ scope: Scope.TRANSIENT })
class TransientGuard implements CanActivate {
  private readonly number = ++guards;

  constructor(@Inject(MessageContext) private readonly context: MessageContext) {}

  canActivate(): boolean {
    seen.push([this.number, this.context.entityId]);
    return true;
  }
}

let handlers = 0;

@CommandHandler(Deposit)
class DepositHandler {
  private readonly number = ++handlers;

  execute(): number {
    return this.number;
  }
}

@WorkerProcessor({ entityType: 'account' })
class Processor {
  private readonly number = ++handlers;

  @JobHandler(Withdraw)
  withdraw(_job: Job, entityId: string): string {
    return `${entityId} ${this.number}`;
  }
}

function reset(): void {
  guards = 0;
  handlers = 0;
  seen = [];
}

describe('Request-scoped enhancers', () => {
  it('are made for each message, with the message as the request, and their handler with them', async () => {
    @CommandHandler(Deposit)
    @UseGuards(ScopedGuard)
    class Guarded extends DepositHandler {}
    const { app, bus } = await startApp({ providers: [Guarded] });
    reset();
    await expect(bus.enqueueAndWait(new Deposit('a', 5))).resolves.toBe(1);
    await expect(bus.enqueueAndWait(new Deposit('a', 6))).resolves.toBe(2);
    expect(seen).toEqual([
      [1, 5, true],
      [2, 6, true],
    ]);
    await app.close();
  });

  it('may be those of the whole application', async () => {
    const { app, bus } = await startApp({
      providers: [DepositHandler, Processor, { provide: APP_GUARD, useClass: ScopedGuard }],
    });
    reset();
    await expect(bus.enqueueAndWait(new Deposit('a', 5))).resolves.toBe(1);
    await expect(bus.enqueueAndWait(new Deposit('a', 6))).resolves.toBe(2);
    await expect(bus.enqueueAndWait(new Withdraw('b', 7))).resolves.toBe('b 3');
    expect(seen).toEqual([
      [1, 5, true],
      [2, 6, true],
      [3, 7, true],
    ]);
    await app.close();
  });
});

describe('Transient enhancers', () => {
  it('are made once for each handler that they are bound to', async () => {
    reset();
    @CommandHandler(Deposit)
    @UseGuards(TransientGuard)
    class Guarded extends DepositHandler {}
    @WorkerProcessor({ entityType: 'account' })
    @UseGuards(TransientGuard)
    class GuardedProcessor {
      @JobHandler(Withdraw)
      withdraw(): void {}
    }
    const { app, bus } = await startApp({ providers: [Guarded, GuardedProcessor] });
    await expect(bus.enqueueAndWait(new Deposit('a', 5))).resolves.toBe(1);
    await expect(bus.enqueueAndWait(new Deposit('a', 5))).resolves.toBe(1);
    await bus.enqueueAndWait(new Withdraw('b', 5));
    await bus.enqueueAndWait(new Withdraw('b', 5));
    const [first, second, third, fourth] = seen as [number, string][];
    expect(first).toEqual(second);
    expect(third).toEqual(fourth);
    expect([first?.[1], third?.[1]]).toEqual(['a', 'b']);
    expect(first?.[0]).not.toBe(third?.[0]);
    await app.close();
  });

  it('of the whole application are made for each handler as well', async () => {
    const { app, bus } = await startApp({
      providers: [DepositHandler, Processor, { provide: APP_GUARD, useClass: TransientGuard }],
    });
    reset();
    await bus.enqueueAndWait(new Deposit('a', 5));
    await bus.enqueueAndWait(new Deposit('a', 5));
    await bus.enqueueAndWait(new Withdraw('b', 5));
    expect(seen).toEqual([
      [1, 'a'],
      [1, 'a'],
      [2, 'b'],
    ]);
    await app.close();
  });
});

describe('A handler without enhancers', () => {
  it('is called as it is: Nest is not asked for a context', async () => {
    let created = 0;
    @Injectable()
    class Passing implements NestInterceptor {
      intercept(_context: unknown, next: CallHandler): ReturnType<CallHandler['handle']> {
        return next.handle();
      }
    }
    @WorkerProcessor({ entityType: 'account' })
    class Wrapped {
      @UseInterceptors(Passing)
      @JobHandler(Withdraw)
      withdraw(): void {}
    }
    const { app, bus } = await startApp({ providers: [DepositHandler, Wrapped] });
    const creator = app.get(ExternalContextCreator);
    const create = creator.create.bind(creator) as (...args: unknown[]) => unknown;
    Object.assign(creator, {
      create: (...args: unknown[]) => {
        created += 1;
        return create(...args);
      },
    });
    for (let message = 0; message < 3; message += 1) await bus.enqueueAndWait(new Deposit('a', 5));
    expect(created).toBe(0);
    for (let message = 0; message < 3; message += 1) await bus.enqueueAndWait(new Withdraw('a', 5));
    expect(created).toBe(1);
    await app.close();
  });
});

describe('Instances that someone else makes and keeps', () => {
  it('get the enhancers of their class: shared ones once, request-scoped ones for each message', async () => {
    @Injectable()
    @UseGuards(ScopedGuard, TransientGuard)
    class Kept {
      total = 0;

      add({ amount }: Deposit): number {
        this.total += amount;
        return this.total;
      }
    }
    @CommandHandler(Deposit)
    class Host {
      private readonly kept = new Map<string, Kept>();

      constructor(
        @Inject(ModulesContainer) private readonly modules: ModulesContainer,
        @Inject(ExternalContextCreator) private readonly creator: ExternalContextCreator,
        @Inject(MessageContext) private readonly context: MessageContext,
      ) {}

      execute(message: Deposit): unknown {
        this.run ??= this.runner();
        const instance = this.kept.get(message.accountId) ?? new Kept();
        this.kept.set(message.accountId, instance);
        const { current } = this.context;
        return current === undefined ? undefined : this.run(instance)(message, current);
      }

      private run: ReturnType<typeof methodRunner> | undefined;

      private runner(): ReturnType<typeof methodRunner> {
        const provider = [...allProviders(this.modules)].find(({ wrapper }) => wrapper.token === Kept);
        if (provider === undefined) throw new Error('Not found.');
        const contexts = nestContexts(this.creator, this.modules, true);
        return methodRunner({ provider, cls: Kept, method: 'add', parameters: [messageItself] }, contexts);
      }
    }
    const { app, bus } = await startApp({ providers: [Host, Kept] });
    expect(explore(app.get(ModulesContainer)).cqrsHandlers).toHaveLength(1);
    reset();
    await expect(bus.enqueueAndWait(new Deposit('a', 5))).resolves.toBe(5);
    await expect(bus.enqueueAndWait(new Deposit('a', 6))).resolves.toBe(11);
    await expect(bus.enqueueAndWait(new Deposit('b', 7))).resolves.toBe(7);
    expect(seen).toEqual([
      [1, 5, true],
      [2, 'a'],
      [3, 6, true],
      [4, 'a'],
      [5, 7, true],
      [6, 'b'],
    ]);
    await app.close();
  });
});

describe('Interceptors', () => {
  it('of the application wrap handlers of every scope', async () => {
    let wrapped = 0;
    @Injectable()
    class Counting implements NestInterceptor {
      intercept(_context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
        wrapped += 1;
        return next.handle();
      }
    }
    @CommandHandler(Deposit, { scope: Scope.REQUEST })
    class Scoped {
      constructor(@Inject(REQUEST) private readonly request: MessageRequest) {}

      execute(message: Deposit): boolean {
        return this.request.message === message && this.request.entityId === message.accountId;
      }
    }
    @CommandHandler(Withdraw, { scope: Scope.TRANSIENT })
    class Transient {
      execute(): number {
        return 1;
      }
    }
    const { app, bus } = await startApp({
      providers: [Scoped, Transient, { provide: APP_INTERCEPTOR, useClass: Counting }],
    });
    await expect(bus.enqueueAndWait(new Deposit('a', 5))).resolves.toBe(true);
    await expect(bus.enqueueAndWait(new Withdraw('a', 5))).resolves.toBe(1);
    expect(wrapped).toBe(2);
    await app.close();
  });
});
