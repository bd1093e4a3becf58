import { Inject, Injectable, Scope } from '@nestjs/common';
import { type ContextId, ContextIdFactory, type HostComponentInfo, REQUEST } from '@nestjs/core';
import { CommandHandler, QueryHandler } from '@nestjs/cqrs';
import { currentMessage, type Job, JobHandler, MessageContext, WorkerProcessor } from 'atomic-queues';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Balance, Deposit, Withdraw } from './account-messages.js';
import { errorOf, startApp } from './harness.js';

let made = 0;

@Injectable({ scope: Scope.REQUEST })
class UnitOfWork {
  readonly number: number;

  constructor(@Inject(REQUEST) readonly request: MessageContext) {
    made += 1;
    this.number = made;
  }
}

describe('Request-scoped handlers', () => {
  it('get a fresh instance for each message, and its context as the request', async () => {
    made = 0;
    @CommandHandler(Deposit, { scope: Scope.REQUEST })
    class ScopedHandler {
      constructor(
        @Inject(UnitOfWork) private readonly unit: UnitOfWork,
        @Inject(REQUEST) private readonly request: MessageContext,
      ) {}

      async execute({ amount }: Deposit): Promise<unknown[]> {
        await Promise.resolve();
        const { id, entityId, attempt } = this.request;
        const isSame = this.request === this.unit.request && id === currentMessage()?.id;
        return [amount, entityId, attempt, isSame, this.unit.number];
      }
    }
    const { app, bus } = await startApp({ providers: [ScopedHandler, UnitOfWork] });
    await expect(bus.enqueueAndWait(new Deposit('a', 5))).resolves.toEqual([5, 'a', 1, true, 1]);
    await expect(bus.enqueueAndWait(new Deposit('b', 6))).resolves.toEqual([6, 'b', 1, true, 2]);
    await app.close();
  });

  it('are also those that depend on something request-scoped, and processors and transient handlers', async () => {
    made = 0;
    @QueryHandler(Balance)
    class BalanceHandler {
      constructor(@Inject(UnitOfWork) private readonly unit: UnitOfWork) {}

      execute(): number {
        return this.unit.number;
      }
    }
    @WorkerProcessor({ entityType: 'account' })
    @Injectable({ scope: Scope.REQUEST })
    class ScopedProcessor {
      constructor(@Inject(REQUEST) private readonly request: MessageContext) {}

      @JobHandler('who')
      who(_job: Job, entityId: string): boolean {
        return this.request.entityId === entityId;
      }
    }
    let transients = 0;
    @CommandHandler(Withdraw, { scope: Scope.TRANSIENT })
    class TransientHandler {
      private readonly number = ++transients;

      execute(): number {
        return this.number;
      }
    }
    const { app, bus } = await startApp({ providers: [BalanceHandler, UnitOfWork, ScopedProcessor, TransientHandler] });
    await expect(bus.enqueueAndWait(new Balance('a'))).resolves.toBe(1);
    await expect(bus.enqueueAndWait(new Balance('a'))).resolves.toBe(2);
    await expect(bus.enqueueAndWait('account', 'who', 'a-7', {})).resolves.toBe(true);
    const first = (await bus.enqueueAndWait(new Withdraw('a', 1))) as number;
    await expect(bus.enqueueAndWait(new Withdraw('a', 1))).resolves.toBe(first + 1);
    await app.close();
  });

  it('fail their message when their instance cannot be made', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Unavailable {
      constructor() {
        throw new Error('no connection');
      }
    }
    @CommandHandler(Deposit)
    class DependentHandler {
      constructor(@Inject(Unavailable) readonly unavailable: Unavailable) {}

      execute(): void {}
    }
    const { app, bus } = await startApp({ providers: [DependentHandler, Unavailable] });
    const error = await errorOf(bus.enqueueAndWait(new Deposit('a', 1)));
    expect(error).toMatchObject({ code: 'HANDLER_FAILED', cause: { message: 'no connection' } });
    await app.close();
  });

  it('share durable providers by what the strategy makes of the message', async () => {
    let tenants = 0;
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Tenant {
      readonly number = ++tenants;

      constructor(@Inject(REQUEST) readonly request: { readonly tenant: string }) {}
    }
    @CommandHandler(Deposit, { scope: Scope.REQUEST, durable: true })
    class TenantHandler {
      constructor(@Inject(Tenant) private readonly tenant: Tenant) {}

      execute(): string {
        return `${this.tenant.request.tenant} ${this.tenant.number}`;
      }
    }
    const trees = new Map<string, ContextId>();
    ContextIdFactory.apply({
      attach(contextId: ContextId, request: { readonly headers?: Readonly<Record<string, string>> }) {
        const tenant = request.headers?.['tenant'] ?? 'none';
        const tree = trees.get(tenant) ?? contextId;
        trees.set(tenant, tree);
        return {
          resolve: (info: HostComponentInfo) => (info.isTreeDurable ? tree : contextId),
          payload: { tenant },
        };
      },
    });
    onTestFinished(() => ContextIdFactory.apply(undefined as never));
    const { app, bus } = await startApp({ providers: [TenantHandler, Tenant] });
    const ask = (tenant: string): Promise<unknown> =>
      bus.enqueueAndWait(new Deposit('a', 1), { headers: { tenant } }) as Promise<unknown>;
    await expect(ask('north')).resolves.toBe('north 1');
    await expect(ask('south')).resolves.toBe('south 2');
    await expect(ask('north')).resolves.toBe('north 1');
    await app.close();
  });
});

describe('MessageContext', () => {
  it('tells any provider about the message whose handler is running, without being request-scoped', async () => {
    @Injectable()
    class Ledger {
      constructor(private readonly context: MessageContext) {}

      note(): unknown {
        const { id, entityType, entityId, name, attempt, enqueuedAt, headers, fencingToken, signal } = this.context;
        return { id, entityType, entityId, name, attempt, headers, at: enqueuedAt > 0, fencingToken, signal };
      }

      get isInside(): boolean {
        return this.context.current !== undefined;
      }
    }
    const seen: unknown[] = [];
    @CommandHandler(Deposit)
    class DepositHandler {
      constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

      async execute(): Promise<boolean> {
        await Promise.resolve();
        seen.push(this.ledger.note());
        return this.ledger.isInside;
      }
    }
    const { app, bus } = await startApp({ providers: [DepositHandler, Ledger] });
    await expect(bus.enqueueAndWait(new Deposit('a-1', 5), { headers: { trace: 'x' } })).resolves.toBe(true);
    expect(seen).toEqual([
      {
        id: expect.any(String),
        entityType: 'account',
        entityId: 'a-1',
        name: 'Deposit',
        attempt: 1,
        headers: { trace: 'x' },
        at: true,
        fencingToken: expect.any(String),
        signal: expect.any(AbortSignal),
      },
    ]);
    const outside = app.get(MessageContext);
    expect(outside.current).toBeUndefined();
    expect(() => outside.entityId).toThrow(/No message is being handled here/);
    await app.close();
  });
});
