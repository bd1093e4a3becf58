/**
 * Finds waits that can never end: a handler that waits for a message to an entity which itself waits, through a chain of
 * live waits, for that handler (M16). Waits that have ended and handlers that have settled are not part of a chain.
 */

import type { EntityKey } from '../message/entity-key.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { Item } from './item.js';
import type { ActiveMessage } from './message-context.js';

/** @throws AtomicQueuesError `DEADLOCK`, naming the cycle, when `waiting` may not wait for a message to `target`. */
export function refuseDeadlock(waiting: ActiveMessage, target: EntityKey): void {
  const chain: Item[] = [];
  let start: ActiveMessage | undefined = waiting;
  while (start !== undefined && isRunning(start)) {
    const { item }: ActiveMessage = start;
    chain.push(item);
    if (item.worker.key === target) {
      const cycle = [...chain.reverse(), chain[0] as Item];
      const names = cycle.map((each) => `${each.worker.entityType} "${each.worker.entityId}"`);
      throw new AtomicQueuesError(
        'DEADLOCK',
        `Waiting here could never end: ${names.join(' waits for ')}. Use enqueue without waiting, or answer from the state at hand.`,
        // Not the id of the waiting message: the subject is the one that was refused, and it has none.
        {
          subject: { entityType: item.worker.entityType, entityId: item.worker.entityId },
          details: { waiting: chain.map((each) => each.id) },
        },
      );
    }
    start = item.link?.active === true ? item.link.waiting : undefined;
  }
}

/** Whether it is this start whose handler is at work: a later attempt does not wait for what an earlier one asked. */
function isRunning(start: ActiveMessage): boolean {
  return start.item.stage === 'running' && start.item.active === start;
}
