/**
 * Two services on one Redis: the warehouse says what its messages look like, the gateway calls it by name and without any of
 * its code. Run by its test; see docs/contracts.md.
 */
import {
  type AtomicQueuesNode,
  createNode,
  EntityType,
  JobQuery,
  MessageSchema,
  QueueEntityId,
  Reply,
  ReplySchema,
} from 'atomic-queues/core';
import { z } from 'zod';

@EntityType('warehouse')
@MessageSchema(z.object({ sku: z.string().min(1), quantity: z.int().positive() }))
@ReplySchema(z.object({ reserved: z.int() }))
export class ReserveStock extends Reply<{ reserved: number }> {
  @QueueEntityId() readonly sku: string;
  readonly quantity: number;

  constructor(sku: string, quantity: number) {
    super();
    this.sku = sku;
    this.quantity = quantity;
  }
}

@EntityType('warehouse')
@JobQuery()
@MessageSchema(z.object({ sku: z.string() }))
@ReplySchema(z.object({ available: z.int() }))
export class GetStock extends Reply<{ available: number }> {
  @QueueEntityId() readonly sku: string;

  constructor(sku: string) {
    super();
    this.sku = sku;
  }
}

export function warehouseService(redis: string): AtomicQueuesNode {
  const stock = new Map([['SKU-1', 10]]);
  const node = createNode({
    config: { redis, cluster: { serviceGroup: 'warehouse' }, registry: { serviceName: 'warehouse-service' } },
  });
  node.handle(ReserveStock, ({ sku, quantity }) => {
    const left = stock.get(sku) ?? 0;
    const reserved = Math.min(left, quantity);
    stock.set(sku, left - reserved);
    return { reserved };
  });
  node.handle(GetStock, ({ sku }) => ({ available: stock.get(sku) ?? 0 }));
  return node;
}

/** It has no handlers: it takes no work, and sees what others take. */
export function gateway(redis: string): AtomicQueuesNode {
  return createNode({
    config: { redis, cluster: { serviceGroup: 'gateway' }, registry: { serviceName: 'gateway' } },
  });
}

/** What the gateway can learn and do. Returns what it has seen. */
export async function tour({ queueBus }: AtomicQueuesNode): Promise<string[]> {
  const seen: string[] = [];
  const contracts = await queueBus.introspect();
  seen.push(contracts.toString());

  const { reserved } = await queueBus.enqueueAndWait<{ reserved: number }>('warehouse', 'ReserveStock', 'SKU-1', {
    sku: 'SKU-1',
    quantity: 4,
  });
  seen.push(`reserved ${reserved}`);

  for (const call of [
    () => queueBus.enqueue('warehouse', 'ReserveStock', 'SKU-1', { sku: 'SKU-1', quantity: 'four' }),
    () => queueBus.enqueue('warehouse', 'ReserveStok', 'SKU-1', { sku: 'SKU-1', quantity: 4 }),
    () => queueBus.enqueue('werehouse', 'ReserveStock', 'SKU-1', { sku: 'SKU-1', quantity: 4 }),
  ]) {
    await call().catch((error: Error) => seen.push(error.message));
  }
  return seen;
}
