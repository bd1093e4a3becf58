/**
 * Options of older versions and what replaced them, and options of other parts of the library that this version does
 * not have yet. `docs/migration.md` tells the same with more words.
 */
import type { ConfigSection } from './config-schema.js';

const GUIDE = 'see docs/migration.md';
const BULLMQ = `it belongs to the BullMQ engine (atomic-queues/bullmq), which this version does not have; ${GUIDE}`;
const LATER = 'is not available yet in this version';
const NO_GRPC = `${LATER}: the nodes talk over Redis`;
const ACTORS = 'is an option of the actor: @Actor(type, { … })';
const OURS = 'is set by the library, so that nothing is ever sent twice or out of order';

/** The rest of a sentence that begins with the option's path. */
export const replacedOptions: Readonly<Partial<Record<ConfigSection, Readonly<Record<string, string>>>>> = {
  root: {
    // Versions 1.x.
    enableCronManager: `was removed: workers start and stop by themselves; ${BULLMQ}`,
    cronInterval: `was removed: nothing is polled; wal.cleanupInterval and workerIdleTimeout remain; ${BULLMQ}`,
    workerDefaults: `was removed: one handler per entity runs at a time; workerIdleTimeout and handlerTimeout remain; ${BULLMQ}`,
    queueDefaults: `was removed: retry replaces attempts and backoff; ${BULLMQ}`,
    // Versions 2.x.
    executor: `was removed: replyTimeout replaces executor.defaultReplyTimeout, maxRunningHandlers replaces executor.poolSize, and gateTTL has no successor; ${GUIDE}`,
    workers: `was removed: workers are internal; maxTotalWorkers and entities.<type>.workerIdleTimeout remain; ${GUIDE}`,
    gateTTL: `was removed: an entity is held by its shard's epoch instead of a gate with a time limit; ${GUIDE}`,
    poolSize: `was replaced by maxRunningHandlers; ${GUIDE}`,
    defaultReplyTimeout: `was replaced by replyTimeout; ${GUIDE}`,
  },
  entity: {
    // Versions 1.x.
    queueName: `was removed: entities have no queues of their own; ${BULLMQ}`,
    workerName: `was removed: workers have no names; ${BULLMQ}`,
    maxWorkersPerEntity: `was removed: an entity has one worker, always; ${BULLMQ}`,
    idleTimeoutSeconds: `was replaced by workerIdleTimeout, in milliseconds; ${BULLMQ}`,
    autoSpawn: `was removed: a worker starts with the first message; ${BULLMQ}`,
    workerConfig: `was removed: one handler per entity runs at a time; workerIdleTimeout and handlerTimeout remain; ${BULLMQ}`,
    // Versions 2.x.
    gateTTL: `was removed: an entity is held by its shard's epoch instead of a gate with a time limit; ${GUIDE}`,
    defaultReplyTimeout: `was replaced by replyTimeout; ${GUIDE}`,
    // Other parts of the library.
    statePersistence: ACTORS,
    stateTTL: ACTORS,
    actorIdleTimeout: ACTORS,
    effects: ACTORS,
    stateVersion: ACTORS,
    upgrade: ACTORS,
  },
  retry: {
    attempts: `was replaced by maxAttempts; ${GUIDE}`,
    delay: `was replaced by backoffDelay; ${GUIDE}`,
  },
  redis: {
    keyPrefix: 'is not an option of redis: keyPrefix at the root begins every name in the store',
    autoResendUnfulfilledCommands: OURS,
    enableOfflineQueue: OURS,
    maxRetriesPerRequest: OURS,
    retryStrategy: OURS,
    reconnectOnError: OURS,
    lazyConnect: OURS,
  },
  grpc: {
    listenAddress: NO_GRPC,
    advertisedAddress: NO_GRPC,
    maxForwardHops: NO_GRPC,
    maxConcurrentPetitions: NO_GRPC,
    peerMonitorEnabled: NO_GRPC,
    peerSuspectDebounceMs: NO_GRPC,
    circuitBreakerFailureThreshold: NO_GRPC,
    circuitBreakerCooldownMs: NO_GRPC,
    keepaliveTimeMs: NO_GRPC,
    keepaliveTimeoutMs: NO_GRPC,
    deadlines: NO_GRPC,
  },
};

/** Values that this version does not have yet, by option. The rest of a sentence that begins with path and value. */
export const laterValues: Readonly<
  Partial<Record<ConfigSection, Readonly<Record<string, Readonly<Record<string, string>>>>>>
> = {
  grpc: { enabled: { true: NO_GRPC } },
};
