/**
 * What it costs to look at a message's form: a payload of ten fields with a zod schema, a nested object and a list. Timed
 * are the checks alone, as the bus and the owner of an entity call them.
 */
import { createNode, EntityType, MessageSchema, QueueEntityId } from 'atomic-queues/core';
import { z } from 'zod';
import type { Figures, RunContext } from './run.js';

const address = z.object({ street: z.string(), city: z.string(), zip: z.string().max(10) });
const orderSchema = z.object({
  orderId: z.string().min(1),
  customer: z.string().min(1).max(64),
  amount: z.number().positive(),
  currency: z.enum(['EUR', 'USD', 'GBP']),
  quantity: z.int().min(1).max(1_000),
  express: z.boolean(),
  placedAt: z.string(),
  note: z.string().optional(),
  tags: z.array(z.string()).max(8),
  address,
});

@EntityType('order')
@MessageSchema(orderSchema)
class PlaceOrder {
  @QueueEntityId() readonly orderId = 'o-1';
}

const payload = {
  orderId: 'o-1',
  customer: 'c-0815',
  amount: 99.5,
  currency: 'EUR',
  quantity: 3,
  express: false,
  placedAt: '2025-01-01T00:00:00.000Z',
  note: 'leave at the door',
  tags: ['new', 'web'],
  address: { street: 'Long Street 1', city: 'Vienna', zip: '1010' },
} satisfies z.input<typeof orderSchema>;

const BATCH = 1_000;

export async function runValidation({ timings }: RunContext): Promise<Figures[]> {
  const node = createNode({ config: { wal: { enabled: false } } });
  node.handle(PlaceOrder, () => {});
  await node.open();
  const { contracts } = node;
  const subject = { entityType: 'order', entityId: 'o-1', name: 'PlaceOrder' };
  const text = JSON.stringify(payload);
  const data: unknown = JSON.parse(text);
  const checks = {
    arrivalMicros: () => contracts.checkArrival(subject, data),
    sendMicros: () => contracts.checkSending(subject, text, true),
    publishedMicros: () => contracts.checkSending(subject, text, false),
  };
  const measured = (durationMs: number): Figures =>
    Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, microsOf(check, durationMs / 3)]));
  measured(timings.warmUpMs);
  const runs: Figures[] = [];
  for (let run = 0; run < timings.runs; run += 1) runs.push(measured(timings.closedMs / 2));
  await node.stop();
  return runs;
}

function microsOf(check: () => void, durationMs: number): number {
  const startedAt = performance.now();
  let calls = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    for (let call = 0; call < BATCH; call += 1) check();
    calls += BATCH;
    elapsedMs = performance.now() - startedAt;
  }
  return (elapsedMs * 1_000) / calls;
}
