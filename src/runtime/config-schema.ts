/**
 * The schema of the configuration: which options there are, and what each expects in words. Every fault's message is
 * that expectation, to follow the words "expected "; `config-problems.ts` makes sentences of them.
 */
import { z } from 'zod';
import { clusterSchema, grpcSchema } from './config-cluster.js';
import { redisAddressSchema, redisSchema } from './config-redis.js';
import {
  COUNT_MAX,
  DURATION_MS_MAX,
  durationMs,
  flag,
  oneOf,
  orUnbounded,
  passedOn,
  section,
  text,
  visibleName,
  whole,
} from './config-values.js';
import { entityTypeFault } from './name-rule.js';

const retrySchema = section({
  maxAttempts: whole('attempts', 1, 1_000_000).optional(),
  backoff: oneOf('fixed', 'exponential').optional(),
  backoffDelay: durationMs(0).optional(),
  maxDelay: durationMs(0).optional(),
});

const entitySchema = section({
  defaultEntityId: text('the name of a property', (value) => value.length > 0).optional(),
  onInterrupt: oneOf('dead-letter', 'retry').optional(),
  maxInterruptions: whole('interruptions', 1, 1_000).optional(),
  onFailure: oneOf('dead-letter', 'block').optional(),
  outbox: oneOf('atomic').optional(),
  workerIdleTimeout: durationMs(0).optional(),
  workerMaxQueueDepth: whole('messages', 0, COUNT_MAX, orUnbounded).optional(),
  replyTimeout: durationMs(0, ' (0: without limit)').optional(),
  handlerTimeout: durationMs(0, ' (0: never)').optional(),
  retry: retrySchema.optional(),
  dispatchAhead: whole('messages', 1, 1_024).optional(),
  queries: oneOf('volatile', 'durable').optional(),
  deadLettersMax: whole('dead letters', 0, COUNT_MAX, orUnbounded).optional(),
});

const durabilities = `'commit' or 'fsync', and with redis 'async' or 'replicated(1)' (or more replicas, up to 9)`;

const storeSchema = section({
  path: text('the path of a file', (value) => value.length > 0 && !value.includes('\0')).optional(),
  durability: text(durabilities, (value) => /^(commit|fsync|async|replicated\([1-9]\))$/.test(value)).optional(),
  driver: passedOn<object>('a driver: an object or a function', true).optional(),
});

const walSchema = section({
  enabled: flag.default(true),
  cleanupInterval: durationMs(1).default(5_000),
  entryTTL: whole('seconds', 1, DURATION_MS_MAX).default(86_400),
  verdictsMax: whole('verdicts', 1, COUNT_MAX).default(1_000_000),
});

const registrySchema = section({
  enabled: flag.default(true),
  serviceName: visibleName(128).optional(),
  schemaValidation: flag.default(true),
  heartbeatInterval: durationMs(1).default(10_000),
  registrationTTL: whole('seconds', 1, 86_400).default(30),
});

const typeName = z.string().refine((type) => entityTypeFault(type) === undefined);
const entitiesSchema = z.record(typeName, entitySchema, {
  // A bad key keeps its own issue, which names the key.
  error: (issue) => (issue.code === 'invalid_key' ? undefined : 'an object with options for each entity type'),
});

export const configSchema = section({
  /** Looked at by itself: it may be a client, which is handed on as it is. */
  redis: z.unknown().optional(),
  store: storeSchema.optional(),
  cluster: clusterSchema.optional(),
  grpc: grpcSchema.optional(),
  entities: entitiesSchema.default({}),
  keyPrefix: text('1 to 64 visible characters without blanks and braces', (value) =>
    /^[!-z|~]{1,64}$/.test(value),
  ).default('aq'),
  maxTotalWorkers: whole('workers', 0, COUNT_MAX, orUnbounded).default(10_000),
  maxResidentActors: whole('actors', 0, COUNT_MAX, orUnbounded).default(10_000),
  maxTotalQueueDepth: whole('messages', 0, COUNT_MAX, orUnbounded).default(100_000),
  maxRunningHandlers: whole('handlers', 0, COUNT_MAX, orUnbounded).default(0),
  replyTimeout: durationMs(0, ' (0: without limit)').default(5_000),
  retry: retrySchema.optional(),
  wal: walSchema.prefault({}),
  registry: registrySchema.prefault({}),
  payloadBytesMax: whole('bytes', 1, 536_870_912).default(1_048_576),
  payloadDepthMax: whole('levels', 1, 1_000).default(100),
  residentBytesMax: whole('bytes', 0, Number.MAX_SAFE_INTEGER).default(67_108_864),
  residentPlacesMax: whole('places', 1, COUNT_MAX).default(4_000_000),
  shutdownTimeout: durationMs(0).default(10_000),
  verbose: flag.default(false),
});

/** The options of each section, for suggesting the nearest name. */
export const optionNames = {
  root: Object.keys(configSchema.shape),
  entity: Object.keys(entitySchema.shape),
  retry: Object.keys(retrySchema.shape),
  store: Object.keys(storeSchema.shape),
  wal: Object.keys(walSchema.shape),
  registry: Object.keys(registrySchema.shape),
  redis: Object.keys(redisSchema.shape),
  address: Object.keys(redisAddressSchema.shape),
  cluster: Object.keys(clusterSchema.shape),
  grpc: Object.keys(grpcSchema.shape),
} as const;

export type ConfigSection = keyof typeof optionNames;
