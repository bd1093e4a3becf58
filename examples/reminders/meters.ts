/** The example of docs/reminders.md: a meter reads itself every so often, and each tenant gets a bill on the first. */
import { type AtomicQueuesConfig, type AtomicQueuesNode, createNode, type Reminder } from 'atomic-queues/core';

export interface Meters {
  readonly node: AtomicQueuesNode;
  /** What has happened, in order. */
  readonly log: string[];
}

export function meters(config: AtomicQueuesConfig): Meters {
  const node = createNode({ config });
  const log: string[] = [];
  node.handle('meter', 'Read', (_, { entityId }) => {
    log.push(`${entityId} read`);
  });
  node.handle('tenant', 'Bill', (message, { entityId }) => {
    log.push(`${entityId} billed: ${(message as { tariff: string }).tariff}`);
  });
  return { node, log };
}

/** Resolves when the meter was read twice; tells what reminders there are then. */
export async function tour({ node, log }: Meters): Promise<readonly Reminder[]> {
  const { queueBus } = node;
  await node.start();
  const meter = queueBus.forEntity('meter', 'm-7');
  await meter.remind('read', 'Read', {}, { everyMs: 100, times: 2, missed: 'all' });
  const tenant = queueBus.forEntity('tenant', 't-1');
  await tenant.remind('bill', 'Bill', { tariff: 'night' }, { cron: '0 6 1 * *', timezone: 'Europe/Berlin' });
  await new Promise<void>((resolve) => {
    let left = 3;
    // Two runs end, and the reminder, which is withdrawn when its times are over.
    const stop = node.events.on('ended', () => {
      left -= 1;
      if (left > 0) return;
      stop();
      resolve();
    });
  });
  await queueBus.forEntity('meter', 'm-8').remind('read', 'Read', {}, { everyMs: 3_600_000 });
  await queueBus.forEntity('meter', 'm-8').forgetReminder('read');
  log.push('done');
  return queueBus.reminders.list();
}
