/** Contracts in a Nest application: handlers of CQRS and `@JobHandler` methods are behind the same checks. */
import { Injectable } from '@nestjs/common';
import { CommandHandler, QueryHandler } from '@nestjs/cqrs';
import { type Job, JobHandler, type QueueBus, WorkerProcessor } from 'atomic-queues';
import { afterEach, describe, expect, it } from 'vitest';
import { AtomicQueuesNode } from '../../../src/bus/node.js';
import { startApp } from '../nestjs/harness.js';
import { CountAll, GetStock, ReserveStock } from './messages.js';

const calls: string[] = [];

@CommandHandler(ReserveStock)
class ReserveStockHandler {
  async execute({ quantity }: ReserveStock): Promise<{ reserved: number }> {
    calls.push('reserve');
    return { reserved: quantity };
  }
}

@QueryHandler(GetStock)
class GetStockHandler {
  async execute(): Promise<{ available: unknown }> {
    return { available: 'many' };
  }
}

@Injectable()
@WorkerProcessor({ entityType: 'warehouse' })
class WarehouseProcessor {
  @JobHandler(CountAll)
  count(): number {
    return 1;
  }
}

@Injectable()
@WorkerProcessor({ entityType: 'warehouse' })
class OverridingProcessor {
  @JobHandler('ReserveStock')
  reserve({ data }: Job<ReserveStock>): { reserved: number } {
    calls.push('job');
    return { reserved: data.quantity };
  }
}

describe('contracts in a Nest application', () => {
  let stop: () => Promise<void> = async () => {};
  afterEach(async () => {
    await stop();
    calls.length = 0;
  });

  async function start(...providers: (new () => object)[]): Promise<{ bus: QueueBus; node: AtomicQueuesNode }> {
    const { app, bus } = await startApp({ providers, config: { registry: { serviceName: 'shop' } } });
    stop = () => app.close();
    return { bus, node: app.get(AtomicQueuesNode) };
  }

  it('hold for CQRS handlers, when sending, before the handler, and for replies', async () => {
    const { bus, node } = await start(ReserveStockHandler, GetStockHandler, WarehouseProcessor);
    expect(await bus.enqueueAndWait(new ReserveStock('a', 2))).toEqual({ reserved: 2 });
    await expect(bus.enqueue(new ReserveStock('a', 0))).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await expect(bus.enqueueAndWait(new GetStock('a'))).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      message: expect.stringContaining('available'),
    });
    node.contracts.checkSending = () => {};
    await expect(bus.enqueueAndWait(new ReserveStock('a', 0))).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      message: expect.stringContaining('Its handler was not called'),
    });
    expect(calls).toEqual(['reserve']);
    const contracts = await bus.introspect();
    expect(contracts.messagesFor('warehouse')).toEqual(['CountAll', 'GetStock', 'ReserveStock']);
    expect(contracts.kindOf('warehouse', 'GetStock')).toBe('query');
    expect(contracts.services.map(({ serviceName }) => serviceName)).toEqual(['shop']);
  });

  it('hold for a @JobHandler method', async () => {
    const { bus, node } = await start(ReserveStockHandler, OverridingProcessor);
    expect(await bus.enqueueAndWait(new ReserveStock('a', 2))).toEqual({ reserved: 2 });
    node.contracts.checkSending = () => {};
    await expect(bus.enqueueAndWait('warehouse', 'ReserveStock', 'a', { sku: 'a' })).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
    });
    expect(calls).toEqual(['job']);
  });
});
