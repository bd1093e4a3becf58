/**
 * The example of docs/outbox.md: an order is paid, and a parcel and a mail follow from it. Each handler sends with its
 * completion, so that a crash leaves no paid order without a parcel and no parcel without a paid order.
 */
import { type AtomicQueuesConfig, type AtomicQueuesNode, createNode } from 'atomic-queues/core';

export interface Shop {
  readonly node: AtomicQueuesNode;
  /** What has happened, in order. */
  readonly log: string[];
}

export function shop(config: AtomicQueuesConfig): Shop {
  const node = createNode({ config: { ...config, entities: { order: { outbox: 'atomic' } } } });
  const { queueBus } = node;
  const log: string[] = [];

  node.handle('order', 'Pay', async (message, { entityId }) => {
    const { cents, sku } = message as { cents: number; sku: string };
    // Noted only: both become durable with this handler's completion, or not at all.
    await queueBus.enqueue('parcel', 'Pack', sku, { order: entityId });
    await queueBus.enqueue('mail', 'Send', entityId, { text: `paid ${cents}` });
    if (cents <= 0) throw new Error('nothing was paid');
    log.push(`${entityId} paid ${cents}`);
  });
  node.handle('parcel', 'Pack', (message, { entityId }) => {
    log.push(`${entityId} packed for ${(message as { order: string }).order}`);
  });
  node.handle('mail', 'Send', (message, { entityId }) => {
    log.push(`mail to ${entityId}: ${(message as { text: string }).text}`);
  });
  return { node, log };
}

/** Pays two orders; the second one fails, and nothing of what it was about to send is left. */
export async function tour({ node, log }: Shop): Promise<readonly string[]> {
  const { queueBus } = node;
  await node.start();
  await queueBus.enqueueAndWait('order', 'Pay', 'o-1', { cents: 1_900, sku: 'lamp' });
  await queueBus.enqueueAndWait('order', 'Pay', 'o-2', { cents: 0, sku: 'chair' }).catch((error: Error) => {
    log.push(`o-2 failed: ${(error.cause as Error).message}`);
  });
  await node.whenIdle();
  return log;
}
