/**
 * Finds waits that can never end: a handler that waits for a message to an entity which itself waits, through a chain of
 * live waits, for that handler (M16). Waits that have ended and handlers that have settled are not part of a chain.
 */

import { type EntityKey, splitEntityKey } from '../message/entity-key.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { Item } from './item.js';
import { type ActiveMessage, CHAIN_HEADER } from './message-context.js';
import type { Submission } from './submission.js';

/** @throws AtomicQueuesError `DEADLOCK`, naming the cycle, when `waiting` may not wait for a message to `target`. */
export function refuseDeadlock(waiting: ActiveMessage, target: EntityKey): void {
  const { items, remote } = walk(waiting);
  const keys = [...items.map((item) => item.worker.key), ...remote];
  const at = keys.indexOf(target);
  if (at < 0) return;
  const cycle = [...keys.slice(0, at + 1).reverse(), target].map((key) => {
    const { entityType, entityId } = splitEntityKey(key);
    return `${entityType} "${entityId}"`;
  });
  const { entityType, entityId } = splitEntityKey(target);
  throw new AtomicQueuesError(
    'DEADLOCK',
    `Waiting here could never end: ${cycle.join(' waits for ')}. Use enqueue without waiting, or answer from the state at hand.`,
    // Not the id of the waiting message: the subject is the one that was refused, and it has none.
    { subject: { entityType, entityId }, details: { waiting: items.slice(0, at + 1).map((each) => each.id) } },
  );
}

/** The entities that wait for what `waiting` sends now, nearest first. */
export function chainOf(waiting: ActiveMessage): readonly EntityKey[] {
  const { items, remote } = walk(waiting);
  return [...items.map((item) => item.worker.key), ...remote];
}

/** The submission with the chain in its headers, for another node. */
export function withChain(submission: Submission, chain: readonly EntityKey[] | undefined): Submission {
  if (chain === undefined || chain.length === 0) return submission;
  const headers = { ...submission.options.headers, [CHAIN_HEADER]: JSON.stringify(chain) };
  return { ...submission, options: { ...submission.options, headers } };
}

/** The live waits that end in `waiting`: those on this node, and what came with the first message from another one. */
function walk(waiting: ActiveMessage): { readonly items: readonly Item[]; readonly remote: readonly EntityKey[] } {
  const items: Item[] = [];
  let start: ActiveMessage | undefined = waiting;
  let remote: readonly EntityKey[] = [];
  while (start !== undefined && isRunning(start)) {
    const { item }: ActiveMessage = start;
    items.push(item);
    remote = chainIn(item.headers?.[CHAIN_HEADER]);
    start = item.link?.active === true ? item.link.waiting : undefined;
  }
  return { items, remote };
}

function chainIn(header: string | undefined): readonly EntityKey[] {
  if (header === undefined) return [];
  try {
    const chain: unknown = JSON.parse(header);
    return Array.isArray(chain) ? chain.filter((key): key is EntityKey => typeof key === 'string') : [];
  } catch {
    // Anyone may set a header of this name; what is no chain refuses nothing.
    return [];
  }
}

/** Whether it is this start whose handler is at work: a later attempt does not wait for what an earlier one asked. */
function isRunning(start: ActiveMessage): boolean {
  return start.item.stage === 'running' && start.item.active === start;
}
