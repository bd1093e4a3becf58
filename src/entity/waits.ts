/**
 * Those who wait on this node for what is in a shard's line, when the shard is let go: they wait on elsewhere, or are told
 * that nothing here answers them any more.
 */
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { VolatileQuery } from './cluster-hooks.js';
import type { Item } from './item.js';
import type { ShardOwner } from './shard-owner.js';

/** The shard is lost: whoever waits for what the store has taken goes on waiting, for whoever owns it now. */
export function leaveWaits(owner: ShardOwner): void {
  const { cluster } = owner.options;
  if (cluster === undefined) return;
  for (const item of itemsOf(owner)) {
    if (item.isVolatile || item.enqueuedAt > 0) leave(owner, item);
  }
  owner.verdicts.leaveAll((id, waiter) => cluster.waitElsewhere(id, { messageId: id }, waiter));
}

/** The shard is being handed over: as `leaveWaits`, for what has not begun here. */
export function handWaitsOver(owner: ShardOwner): void {
  const { cluster } = owner.options;
  if (cluster === undefined) return;
  for (const item of itemsOf(owner)) {
    if (item.waiter === undefined || isUnderWay(item)) continue;
    leave(owner, item);
    if (item.isVolatile) item.worker.dropVolatile(item);
    else {
      // Should the shard stay here after all, its verdict goes the way on which it is waited for now.
      item.replyTo = cluster.address;
      item.keepVerdict = true;
    }
  }
}

/** The node stops: answers those who wait for messages that will not start any more. */
export function failWaits(owner: ShardOwner): void {
  for (const item of itemsOf(owner)) {
    if (isUnderWay(item)) continue;
    item.waiter?.fail(stopped(item));
    item.waiter = undefined;
    item.keepVerdict = true;
    // A volatile query is in no store: with its waiter it is gone.
    if (item.isVolatile) item.worker.dropVolatile(item);
  }
}

export function stopped(item: Item): AtomicQueuesError {
  if (!item.isVolatile) return stillInStore(item.id, item.errorSubject());
  return new AtomicQueuesError('SHUTTING_DOWN', 'This node is shutting down; the query was not answered. Ask again.', {
    subject: item.errorSubject(),
  });
}

export function stillInStore(id: string, subject?: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError(
    'SHUTTING_DOWN',
    `This node is shutting down. Message ${id} is in the store and runs after the next start; do not send it again.`,
    { subject: subject ?? { messageId: id }, retryable: false },
  );
}

function leave({ options: { cluster } }: ShardOwner, item: Item): void {
  const { waiter } = item;
  if (cluster === undefined || waiter === undefined) return;
  item.waiter = undefined;
  if (item.isVolatile) cluster.askElsewhere(queryOf(item), waiter);
  else cluster.waitElsewhere(item.id, item.errorSubject(), waiter);
}

/** Everything of the shard that is in memory and has not ended. */
function itemsOf(owner: ShardOwner): readonly Item[] {
  return [...[...owner.directory.all()].flatMap((worker) => worker.items()), ...owner.delayedMessages.items()];
}

function isUnderWay({ stage, isUnmarked }: Item): boolean {
  return isUnmarked || stage === 'running' || stage === 'marked' || stage === 'appending' || stage === 'dispatching';
}

function queryOf({ worker, name, payload, headers }: Item): VolatileQuery {
  return { entityType: worker.entityType, entityId: worker.entityId, name, payload: payload ?? '', headers };
}
