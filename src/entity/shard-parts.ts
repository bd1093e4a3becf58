/** The parts of a shard's owner, each with what it needs of the others. It holds nothing and decides nothing. */
import { type EntityKey, splitEntityKey } from '../message/entity-key.js';
import type { Clock } from '../runtime/clock.js';
import { DelayedMessages } from './delayed-messages.js';
import { Door } from './door.js';
import { Endings } from './endings.js';
import type { EntityWorker } from './entity-worker.js';
import { ItemAccounts } from './item-accounts.js';
import { Outbox } from './outbox.js';
import { ShardActors } from './shard-actors.js';
import type { ShardOwner } from './shard-owner.js';
import { WorkerDirectory } from './worker-directory.js';

export function makeActors(owner: ShardOwner): ShardActors {
  const { runtime } = owner.options;
  return new ShardActors({
    residents: owner.share.actors,
    clock: runtime.clock,
    now: () => owner.now(),
    isAtWork: (key) => owner.directory.find(key)?.isAtWork === true,
    woken: (entityType, entityId) => owner.events.emit('actorWoken', { entityType, entityId }),
    passivated: (entityType, entityId, reason) =>
      owner.events.emit('actorPassivated', { entityType, entityId, reason }),
  });
}

export function makeDirectory(owner: ShardOwner, make: (key: EntityKey) => EntityWorker): WorkerDirectory {
  const { runtime, config } = owner.options;
  return new WorkerDirectory({
    clock: runtime.clock,
    timers: runtime.timers,
    share: owner.share,
    workersMax: config.maxTotalWorkers,
    make,
    isStartable: (key, place) => {
      const head = owner.unusual.get(place);
      if (head?.state === 'blocked') return false;
      // A head that expires needs a worker, also when no handler here takes it.
      if (head !== undefined && owner.options.handlers.find(head.entityType, head.name) === undefined)
        return head.expiresAt > 0;
      return !owner.pauses.has(key, splitEntityKey(key).entityType);
    },
    idleTimeoutMs: (worker) => owner.typeOf(worker.entityType).workerIdleTimeout,
    spawned: ({ entityType, entityId }) => owner.events.emit('workerSpawned', { entityType, entityId }),
    removed: ({ entityType, entityId }, reason) => owner.events.emit('workerRemoved', { entityType, entityId, reason }),
  });
}

export function makeDoor(owner: ShardOwner): Door {
  const { config } = owner.options;
  return new Door(
    owner.share,
    {
      depthMax: config.maxTotalQueueDepth,
      workersMax: config.maxTotalWorkers,
      workerDepthMax: (type) => owner.typeOf(type).workerMaxQueueDepth,
      deadLettersMax: (type) => owner.typeOf(type).deadLettersMax,
    },
    owner.directory,
    (key) => owner.directory.depthOf(key),
  );
}

export function makeEndings(owner: ShardOwner): Endings {
  return new Endings({
    verdicts: owner.verdicts,
    announce: owner.announce,
    events: owner.options.events,
    door: owner.door,
    logger: owner.options.logger,
    now: () => owner.now(),
    deadLettersMax: (type) => owner.typeOf(type).deadLettersMax,
    tell: owner.options.cluster === undefined ? undefined : (...told) => owner.options.cluster?.tell(...told),
  });
}

export function makeAccounts(owner: ShardOwner): ItemAccounts {
  const { config } = owner.options;
  return new ItemAccounts(
    owner.door,
    owner.share,
    owner.deadlines,
    config.residentBytesMax,
    () => owner.now(),
    (item) => {
      if (owner.phase !== 'closed') owner.add({ type: 'expire', seq: item.seq }, item);
    },
  );
}

/** @param clock the store's. */
export function makeDelayedMessages(owner: ShardOwner, clock: Clock): DelayedMessages {
  const { runtime } = owner.options;
  return new DelayedMessages({
    clock,
    timers: runtime.timers,
    due: (now, limit) => owner.options.wal.due(owner.options.shard, now, limit),
    freshId: () => owner.ids.next(false),
    commit: (transition, participant) => owner.add(transition, participant),
    queued: (message, item) => owner.intake.enterLine(message, item),
    expired: (message, item) => owner.endings.ofStored(message, 'expired', item),
    withdrawn: (message) => owner.intake.withdrawn(message),
    unreadable: (id) =>
      owner.options.logger.error(`Nothing here can read the schedule of reminder ${id}; it runs once and is gone.`),
    failed: (error) => owner.options.logger.error('Looking for delayed messages failed; it is tried again.', error),
  });
}

export function makeOutbox(owner: ShardOwner): Outbox {
  const { runtime, config } = owner.options;
  return new Outbox({
    wal: owner.options.wal,
    clock: runtime.clock,
    timers: runtime.timers,
    logger: owner.options.logger,
    shard: owner.options.shard,
    depthMax: config.maxTotalQueueDepth,
    commit: (transition, participant) => owner.add(transition, participant),
    arrived: (arrival) => owner.intake.arrived(arrival),
    ownerOf: (shard) => owner.options.cluster?.ownerOf(shard),
    offeredHere: () => {
      if (owner.isOpen) owner.commits.poll();
    },
    changed: () => owner.drained(),
    lost: (targetShard, countMax) => outgoingLost(owner, targetShard, countMax),
    detached: owner.detached,
  });
}

function outgoingLost(owner: ShardOwner, targetShard: number, countMax: number): void {
  const { shard, logger } = owner.options;
  logger.error(
    `Shard ${targetShard} had acknowledged messages of shard ${shard} and does not have them any more: the store has lost up to ${countMax} of them, as its durability level allows. What follows is sent.`,
  );
  owner.events.emit('outgoingLost', { shard, targetShard, countMax });
}
