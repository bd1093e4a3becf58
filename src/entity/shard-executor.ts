/** The executor of a shard: what running its messages needs of the shard's owner, in one place. */
import { Executor } from './executor.js';
import type { Item } from './item.js';
import type { ShardOwner } from './shard-owner.js';

export function makeExecutor(owner: ShardOwner, epoch: number): Executor {
  const { runtime, wal, shard, handlers, registry, logger } = owner.options;
  const findHandler = (item: Item) => handlers.find(item.worker.entityType, item.name);
  return new Executor({
    clock: runtime.clock,
    timers: runtime.timers,
    deadlines: owner.deadlines,
    epoch,
    actors: owner.actors,
    findHandler,
    decode: (item) => registry.toInstance(item.worker.entityType, item.name, item.payload ?? ''),
    encodeReply: (item, value) => registry.encodeReply(item.worker.entityType, item.name, value),
    handlerTimeoutMs: (item) => owner.typeOf(item.worker.entityType).handlerTimeout,
    load: (seqs) => wal.load(shard, seqs),
    loadStates: (entities) => wal.actorStates(shard, entities),
    loaded: (item) => owner.accounts.loaded(item),
    left: (item) => {
      if (item.active !== undefined) owner.slots.handlerEnded(item.active);
    },
    mayStart: () =>
      (owner.phase === 'running' || owner.phase === 'draining') && owner.options.cluster?.mayStart() !== false,
    detached: owner.detached,
    starting: (item) => {
      const { active } = item;
      if (active !== undefined) active.sendsWithCompletion = sendsWithCompletion(owner, item);
      if (item.ranInVain) owner.announce.tookBack(item);
      item.ranInVain = false;
      owner.announce.started(item);
    },
    settled: (item, ok) => owner.announce.settled(item, ok),
    overdue: (item, error) => owner.verdicts.failLater(item.id, error),
    stuck: (item, runningMs) => {
      logger.warn(
        `The handler of "${item.name}" for ${item.worker.entityType} "${item.worker.entityId}" has been running for ${Math.round(runningMs)} ms; its entity waits.`,
      );
      owner.announce.stuck(item, runningMs);
    },
    loadFailed: (_items, error) => owner.commits.lose(error),
  });
}

/** Whether what the handler enqueues goes with its completion (M15). A volatile query has none. */
function sendsWithCompletion(owner: ShardOwner, item: Item): boolean {
  if (item.isVolatile) return false;
  const { entityType } = item.worker;
  const binding = item.actor?.binding;
  return binding?.effects === 'state' || binding?.outbox === 'atomic' || owner.typeOf(entityType).outbox === 'atomic';
}
