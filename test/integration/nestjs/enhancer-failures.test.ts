import {
  BadRequestException,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExceptionFilter,
  type ExecutionContext,
  ForbiddenException,
  HttpException,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { CommandHandler } from '@nestjs/cqrs';
import {
  type AtomicQueuesConfig,
  type AtomicQueuesModuleOptions,
  DeadLetterService,
  JobHandler,
  messageOf,
  WorkerProcessor,
} from 'atomic-queues';
import { defer, EMPTY, from, merge, mergeMap, NEVER, of, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Deposit } from './account-messages.js';
import { configProblem, errorOf, startApp } from './harness.js';

const twice: AtomicQueuesConfig = { retry: { maxAttempts: 2, backoffDelay: 1 } };

const refusing: CanActivate = { canActivate: () => false };
const rejecting: PipeTransform = {
  transform: () => {
    throw new BadRequestException(['amount must be positive']);
  },
};

describe('A message that is refused', () => {
  it('by a guard fails with the error of Nest as its cause, starts no handler, and is not tried again', async () => {
    let handled = 0;
    let asked = 0;
    @CommandHandler(Deposit)
    @UseGuards({ canActivate: () => ++asked < 0 })
    class DepositHandler {
      execute(): void {
        handled += 1;
      }
    }
    const { app, bus } = await startApp({ config: twice, providers: [DepositHandler] });
    const error = await errorOf(bus.enqueueAndWait(new Deposit('a', 1)));
    expect(error).toMatchObject({
      code: 'HANDLER_FAILED',
      cause: { name: 'ForbiddenException', message: 'Forbidden resource', status: 403 },
    });
    const { letters } = await app.get(DeadLetterService).list();
    expect(letters).toMatchObject([{ reason: 'failed', attempts: 1, error: { name: 'ForbiddenException' } }]);
    expect([asked, handled]).toEqual([1, 0]);
    await app.close();
  });

  it('by a pipe fails likewise, with what the pipe found', async () => {
    let handled = 0;
    @WorkerProcessor({ entityType: 'account' })
    class Processor {
      @UsePipes(rejecting)
      @JobHandler(Deposit)
      deposit(): void {
        handled += 1;
      }
    }
    const { app, bus } = await startApp({ config: twice, providers: [Processor] });
    const error = await errorOf(bus.enqueueAndWait(new Deposit('a', 1)));
    expect(error).toMatchObject({
      cause: { name: 'BadRequestException', response: { message: ['amount must be positive'] } },
    });
    const { letters } = await app.get(DeadLetterService).list();
    expect(letters).toMatchObject([{ attempts: 1 }]);
    expect(handled).toBe(0);
    await app.close();
  });

  it('for the time being, or by the handler itself, is tried again', async () => {
    const thrown: Error[] = [
      new HttpException('too many', 429),
      new Error('no connection'),
      new HttpException('down', 503),
    ];
    for (const error of thrown) {
      let asked = 0;
      @CommandHandler(Deposit)
      @UseGuards({
        canActivate: () => {
          asked += 1;
          if (asked === 1) throw error;
          return true;
        },
      })
      class DepositHandler {
        execute(): number {
          return asked;
        }
      }
      const { app, bus } = await startApp({ config: twice, providers: [DepositHandler] });
      await expect(bus.enqueueAndWait(new Deposit('a', 1))).resolves.toBe(2);
      await app.close();
    }
    let attempts = 0;
    @CommandHandler(Deposit)
    @UseGuards({ canActivate: () => true })
    class Forbidding {
      execute(): number {
        attempts += 1;
        if (attempts === 1) throw new ForbiddenException('not now');
        return attempts;
      }
    }
    const { app, bus } = await startApp({ config: twice, providers: [Forbidding] });
    await expect(bus.enqueueAndWait(new Deposit('a', 1))).resolves.toBe(2);
    await app.close();
  });

  it('may get an answer from a filter all the same, and then counts as completed', async () => {
    @Catch(ForbiddenException)
    class Polite implements ExceptionFilter {
      catch(): string {
        return 'please ask';
      }
    }
    @CommandHandler(Deposit)
    @UseGuards(refusing)
    @UseFilters(Polite)
    class DepositHandler {
      execute(): void {}
    }
    const { app, bus } = await startApp({ providers: [DepositHandler] });
    await expect(bus.enqueueAndWait(new Deposit('a', 1))).resolves.toBe('please ask');
    await expect(app.get(DeadLetterService).count()).resolves.toBe(0);
    await app.close();
  });

  it('fails with its own error when a filter returns nothing, in a promise too', async () => {
    const seen: string[] = [];
    @Catch()
    class Noting implements ExceptionFilter {
      async catch(error: Error): Promise<void> {
        seen.push(error.message);
      }
    }
    @CommandHandler(Deposit)
    @UseFilters(Noting)
    class DepositHandler {
      execute({ amount }: Deposit): string | undefined {
        if (amount < 0) throw new Error('broken');
        return amount === 0 ? undefined : 'fine';
      }
    }
    const { app, bus } = await startApp({ providers: [DepositHandler] });
    expect(await errorOf(bus.enqueueAndWait(new Deposit('a', -1)))).toMatchObject({ cause: { message: 'broken' } });
    await expect(bus.enqueueAndWait(new Deposit('a', 0))).resolves.toBeUndefined();
    await expect(bus.enqueueAndWait(new Deposit('a', 1))).resolves.toBe('fine');
    expect(seen).toEqual(['broken']);
    await app.close();
  });

  it("fails with the filter's error when the filter throws one", async () => {
    @Catch()
    class Translating implements ExceptionFilter {
      catch(error: Error): never {
        throw new TypeError(`translated: ${error.message}`);
      }
    }
    @CommandHandler(Deposit)
    @UseFilters(new Translating())
    class DepositHandler {
      execute(): never {
        throw new Error('broken');
      }
    }
    const { app, bus } = await startApp({ providers: [DepositHandler] });
    const error = await errorOf(bus.enqueueAndWait(new Deposit('a', 1)));
    expect(error).toMatchObject({ cause: { name: 'TypeError', message: 'translated: broken' } });
    await app.close();
  });
});

describe('An interceptor that ends a message while its handler is at work', () => {
  const tooSlow = defer(() => throwError(() => new Error('too slow')));

  it('keeps the entity until the handler has settled, so that no two of its handlers run at once (I3)', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let started = (): void => {};
    const start = new Promise<void>((resolve) => {
      started = resolve;
    });
    const log: string[] = [];
    @WorkerProcessor({ entityType: 'account' })
    class Processor {
      @UseInterceptors({
        intercept: (_context, next) => merge(next.handle(), from(start).pipe(mergeMap(() => tooSlow))),
      } satisfies NestInterceptor)
      @JobHandler('slow')
      async slow(): Promise<void> {
        log.push('slow starts');
        started();
        await gate;
        log.push('slow ends');
      }

      @JobHandler('quick')
      quick(_job: unknown, entityId: string): void {
        log.push(`quick ${entityId}`);
      }
    }
    const { app, bus } = await startApp({ providers: [Processor] });
    await bus.enqueueAndWait('account', 'quick', 'b', {});
    const slow = errorOf(bus.enqueueAndWait('account', 'slow', 'a', {}));
    const next = bus.enqueueAndWait('account', 'quick', 'a', {});
    await start;
    await bus.enqueueAndWait('account', 'quick', 'b', {});
    await bus.enqueueAndWait('account', 'quick', 'b', {});
    expect(log).toEqual(['quick b', 'slow starts', 'quick b', 'quick b']);
    release();
    expect(await slow).toMatchObject({ cause: { message: 'too slow' } });
    await next;
    expect(log.slice(4)).toEqual(['slow ends', 'quick a']);
    await app.close();
  });

  it('calls no handler afterwards: a pipe may still have been at work', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const log: string[] = [];
    @CommandHandler(Deposit)
    @UseInterceptors({ intercept: (_context, next) => merge(next.handle(), tooSlow) } satisfies NestInterceptor)
    @UsePipes({ transform: (message: unknown) => gate.then(() => message) })
    class DepositHandler {
      execute(): void {
        log.push('handled');
      }
    }
    const { app, bus } = await startApp({ providers: [DepositHandler] });
    expect(await errorOf(bus.enqueueAndWait(new Deposit('a', 1)))).toMatchObject({ cause: { message: 'too slow' } });
    release();
    expect(await errorOf(bus.enqueueAndWait(new Deposit('a', 2)))).toMatchObject({ cause: { message: 'too slow' } });
    expect(log).toEqual([]);
    await app.close();
  });

  it('holds the entity when it never ends, and an operator can release it (M18)', async () => {
    const started: string[] = [];
    @CommandHandler(Deposit)
    @UseInterceptors({ intercept: () => (started.push('a'), started.length === 1 ? NEVER : of('done')) })
    class DepositHandler {
      execute(): void {}
    }
    const { app, bus } = await startApp({ providers: [DepositHandler] });
    const { id } = await bus.enqueue(new Deposit('a', 1));
    const next = bus.enqueueAndWait(new Deposit('a', 2));
    await expect.poll(() => started).toEqual(['a']);
    await expect(bus.release(id)).resolves.toBe(true);
    await expect(next).resolves.toBe('done');
    await app.close();
  });
});

describe('Observables', () => {
  it('stand for their last value, with and without an interceptor', async () => {
    @Injectable()
    class Passing implements NestInterceptor {
      intercept(_context: unknown, next: CallHandler): ReturnType<CallHandler['handle']> {
        return next.handle();
      }
    }
    @WorkerProcessor({ entityType: 'account' })
    class Processor {
      @JobHandler('direct')
      direct(): unknown {
        return from([1, 2, 3]);
      }

      @UseInterceptors(Passing)
      @JobHandler('wrapped')
      wrapped(): unknown {
        return of('a', 'b');
      }

      @JobHandler('empty')
      empty(): unknown {
        return EMPTY;
      }
    }
    const { app, bus } = await startApp({ providers: [Processor] });
    await expect(bus.enqueueAndWait('account', 'direct', 'a', {})).resolves.toBe(3);
    await expect(bus.enqueueAndWait('account', 'wrapped', 'a', {})).resolves.toBe('b');
    const error = await errorOf(bus.enqueueAndWait('account', 'empty', 'a', {}));
    expect(error).toMatchObject({ cause: { name: 'EmptyError' } });
    await app.close();
  });
});

describe('An enhancer that would not run', () => {
  it('fails the start: Nest makes none for handlers that it does not make', async () => {
    @Injectable()
    class Guard implements CanActivate {
      canActivate(): boolean {
        return false;
      }
    }
    @CommandHandler(Deposit)
    @UseGuards(Guard)
    class DepositHandler {
      execute(): void {}
    }
    const providers = [{ provide: 'handler', useFactory: () => new DepositHandler() }];
    const problem = await configProblem(startApp({ providers }));
    expect(problem).toMatch(/DepositHandler .*the guard Guard that is bound to it would not run/);
  });
});

describe('A handler that a test has replaced', () => {
  it('is a plain object without the enhancers of the class, but with those of the application', async () => {
    let asked = 0;
    @WorkerProcessor({ entityType: 'account' })
    @UseGuards(refusing)
    class Processor {
      @JobHandler('x')
      x(): string {
        return 'real';
      }
    }
    const everywhere: CanActivate = {
      canActivate: () => {
        asked += 1;
        return true;
      },
    };
    const { app, bus } = await startApp({
      providers: [Processor, { provide: APP_GUARD, useValue: everywhere }],
      prepare: (builder) =>
        builder.overrideProvider(Processor).useValue({ x: (_job: unknown, entityId: string) => `fake ${entityId}` }),
    });
    await expect(bus.enqueueAndWait('account', 'x', 'a', {})).resolves.toBe('fake a');
    expect(asked).toBe(1);
    await app.close();
  });
});

describe('With globalEnhancers: false', () => {
  it('messages are left to what is bound to their handlers', async () => {
    @CommandHandler(Deposit)
    @UseGuards({ canActivate: (context: ExecutionContext) => messageOf<Deposit>(context)?.message.amount === 1 })
    class DepositHandler {
      execute({ amount }: Deposit): number {
        return amount;
      }
    }
    const { app, bus } = await startApp({
      config: { globalEnhancers: false } as AtomicQueuesModuleOptions,
      providers: [DepositHandler, { provide: APP_GUARD, useValue: refusing }],
    });
    await expect(bus.enqueueAndWait(new Deposit('a', 1))).resolves.toBe(1);
    await expect(bus.enqueueAndWait(new Deposit('a', 2))).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    await app.close();
  });
});
