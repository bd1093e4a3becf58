/** Message classes with schemas, for the tests of contracts. */
import { EntityType, JobQuery, MessageSchema, QueueEntityId, Reply, ReplySchema } from 'atomic-queues/core';
import { z } from 'zod';

@EntityType('warehouse')
@MessageSchema(z.object({ sku: z.string().min(1), quantity: z.int().positive(), note: z.string().optional() }))
@ReplySchema(z.object({ reserved: z.int() }))
export class ReserveStock extends Reply<{ reserved: number }> {
  @QueueEntityId() readonly sku: string;
  readonly quantity: number;
  readonly note?: string;

  constructor(sku: string, quantity: number, note?: string) {
    super();
    this.sku = sku;
    this.quantity = quantity;
    if (note !== undefined) this.note = note;
  }
}

@EntityType('warehouse')
@JobQuery()
@MessageSchema(z.object({ sku: z.string() }))
@ReplySchema(z.object({ available: z.number() }))
export class GetStock extends Reply<{ available: number }> {
  @QueueEntityId() readonly sku: string;

  constructor(sku: string) {
    super();
    this.sku = sku;
  }
}

/** Without any schema. */
@EntityType('warehouse')
export class CountAll {
  @QueueEntityId() readonly sku: string;

  constructor(sku: string) {
    this.sku = sku;
  }
}
