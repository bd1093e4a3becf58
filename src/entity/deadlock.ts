/**
 * Finds waits that can never end: a handler that waits for a message to an entity which itself waits, through a chain of
 * live waits, for that handler (M16). Waits that have ended and handlers that have settled are not part of a chain.
 */

import type { EntityKey } from '../message/entity-key.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { Item } from './item.js';

/** @throws AtomicQueuesError `DEADLOCK`, naming the cycle, when `waiting` may not wait for a message to `target`. */
export function refuseDeadlock(waiting: Item, target: EntityKey): void {
  const chain: Item[] = [];
  let item: Item | undefined = waiting;
  while (item !== undefined && item.stage === 'running') {
    chain.push(item);
    if (item.worker.key === target) {
      const cycle = [...chain.reverse(), chain[0] as Item];
      const names = cycle.map((each) => `${each.worker.entityType} "${each.worker.entityId}"`);
      throw new AtomicQueuesError(
        'DEADLOCK',
        `Waiting here could never end: ${names.join(' waits for ')}. Use enqueue without waiting, or answer from the state at hand.`,
        { subject: { entityType: item.worker.entityType, entityId: item.worker.entityId, messageId: item.id } },
      );
    }
    item = item.link?.active === true ? item.link.waitingItem : undefined;
  }
}
