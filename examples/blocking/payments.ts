/**
 * The example of "Cancel, pause, purge, blocked" in the README: a payment that failed holds up the payments of its own
 * account, which must not overtake it, until an operator has looked at it.
 */
import { type AtomicQueuesConfig, type AtomicQueuesNode, createNode } from 'atomic-queues/core';

export interface Payments {
  readonly node: AtomicQueuesNode;
  /** What has happened, in order. */
  readonly log: string[];
  readonly bank: { isDown: boolean };
}

export function payments(config: AtomicQueuesConfig): Payments {
  const node = createNode({ config: { ...config, entities: { account: { onFailure: 'block' } } } });
  const log: string[] = [];
  const bank = { isDown: true };
  node.handle('account', 'Pay', (message, { entityId }) => {
    if (bank.isDown) throw new Error('the bank is down');
    log.push(`${entityId} paid ${(message as { cents: number }).cents}`);
  });
  return { node, log, bank };
}

/** Pays, and is the operator when that fails. */
export async function tour({ node, log, bank }: Payments): Promise<readonly string[]> {
  const { queueBus } = node;
  await node.start();
  const isBlocked = new Promise<void>((resolve) => {
    node.events.on('blocked', () => resolve());
  });
  await queueBus.enqueue('account', 'Pay', 'a-1', { cents: 100 });
  await queueBus.enqueue('account', 'Pay', 'a-1', { cents: 200 });
  await isBlocked;

  const { messages } = await queueBus.blocked({ entityType: 'account' });
  for (const { entityId, name, error } of messages) log.push(`${name} holds up ${entityId}: ${error?.message}`);
  bank.isDown = false;
  for (const { id } of messages) await queueBus.retryBlocked(id); // one more attempt in its place; skipBlocked(id) gives it up
  await node.whenIdle();

  await queueBus.pause('account', 'a-1');
  await queueBus.enqueue('account', 'Pay', 'a-1', { cents: 300 });
  log.push(`withdrawn: ${await queueBus.purge('account', 'a-1')}`);
  await queueBus.resume('account', 'a-1');
  return log;
}
