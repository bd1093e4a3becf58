/**
 * Resolves the configuration, once, into a frozen object. Everything that is wrong with it is told in one error, with
 * what was expected. The options themselves are in `config-options.ts`.
 */
import { clusterContradictions, clusterWithoutRedis, settleCluster } from './config-cluster.js';
import type {
  AtomicQueuesConfig,
  ResolvedConfig,
  ResolvedEntityOptions,
  ResolvedRetryPolicy,
} from './config-options.js';
import { contradictions, schemaProblems, valuesMissing } from './config-problems.js';
import {
  type CheckedRedisOptions,
  isReadyClient,
  REDIS_TIMEOUTS_MS,
  type ResolvedRedis,
  readRedisUrl,
  redisContradictions,
  redisSchema,
  settleRedis,
  withUrl,
} from './config-redis.js';
import { configSchema } from './config-schema.js';
import { AtomicQueuesError } from './error.js';

export type { ClusterConfig, GrpcConfig, ResolvedCluster } from './config-cluster.js';
export type * from './config-options.js';
export type { ReadyRedisClient, RedisAddress, RedisConfig, RedisOptions, ResolvedRedis } from './config-redis.js';

/**
 * Checks a configuration and fills in the defaults. The result is frozen all through (a custom driver and a
 * ready client are left as they are).
 * @throws AtomicQueuesError `CONFIG_INVALID` listing every problem; its `details.problems` has them one by one.
 */
export function resolveConfig(input: AtomicQueuesConfig = {}): ResolvedConfig {
  const parsed = configSchema.safeParse(input);
  const redis = resolveRedis(input);
  const problems = [
    ...(parsed.success ? [] : schemaProblems(parsed.error.issues, input)),
    ...redis.problems,
    ...valuesMissing(input),
  ];
  if (problems.length > 0) throw refusal(problems);
  // Only unknown keys without a value can fail the schema without being a problem; without them it must pass.
  const config = parsed.success ? parsed.data : configSchema.parse(withoutUndefined(input));

  const cluster = settleCluster(config.cluster, config.grpc);
  const retry: ResolvedRetryPolicy = { ...RETRY_DEFAULTS, ...given(config.retry) };
  const entityDefaults: ResolvedEntityOptions = { ...ENTITY_DEFAULTS, replyTimeout: config.replyTimeout, retry };
  const entities = new Map<string, ResolvedEntityOptions>();
  for (const [type, options] of Object.entries(config.entities)) {
    entities.set(type, { ...entityDefaults, ...given(options), retry: { ...retry, ...given(options.retry) } });
  }
  const { grpc: _, ...rest } = config;
  const { path = 'atomic-queues.db', durability, driver } = config.store ?? {};
  const resolved: ResolvedConfig = {
    ...rest,
    redis: redis.resolved,
    cluster: redis.resolved === undefined ? undefined : cluster.resolved,
    store: { path, durability: durability === 'fsync' ? durability : 'commit', driver },
    retry,
    registry: {
      ...config.registry,
      serviceName:
        config.registry.serviceName ?? (redis.resolved === undefined ? 'default' : cluster.resolved.serviceGroup),
    },
    entities: Object.fromEntries(entities),
    entityType: (type) => entities.get(type) ?? entityDefaults,
  };
  const contradictory = [
    ...contradictions(resolved, input),
    ...cluster.problems,
    ...(redis.resolved === undefined
      ? clusterWithoutRedis(config.cluster, config.grpc)
      : clusterContradictions(cluster.resolved)),
  ];
  if (contradictory.length > 0) throw refusal(contradictory);
  for (const options of [entityDefaults, ...entities.values()]) deepFreeze(options);
  return deepFreeze(resolved);
}

/** The option `redis` is looked at by itself: text, options and client have nothing in common. */
function resolveRedis(input: unknown): { readonly resolved: ResolvedRedis | undefined; readonly problems: string[] } {
  const { redis, store } = (isPlainObject(input) ? input : {}) as { redis?: unknown; store?: { durability?: unknown } };
  if (redis === undefined) return { resolved: undefined, problems: [] };
  const replicas = Number(/^replicated\((\d)\)$/.exec(String(store?.durability))?.[1] ?? 0);
  if (isReadyClient(redis)) {
    const { connect: connectTimeoutMs, command: commandTimeoutMs } = REDIS_TIMEOUTS_MS;
    return { resolved: { kind: 'client', client: redis, replicas, connectTimeoutMs, commandTimeoutMs }, problems: [] };
  }
  if (typeof redis === 'string') {
    const options = readRedisUrl(redis, 'redis');
    if (typeof options === 'string') return { resolved: undefined, problems: [options] };
    return { resolved: settleRedis(options, replicas), problems: [] };
  }
  if (!isPlainObject(redis)) {
    const problem = 'redis is neither a URL nor an object with options nor a client of ioredis; expected one of them.';
    return { resolved: undefined, problems: [problem] };
  }
  const parsed = redisSchema.safeParse(withoutUndefined(redis));
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => ({ ...issue, path: ['redis', ...issue.path] }));
    return { resolved: undefined, problems: schemaProblems(issues, input) };
  }
  const options: CheckedRedisOptions = parsed.data;
  const whole = withUrl(options);
  const problems = [...redisContradictions(options), ...whole.problems];
  return { resolved: problems.length > 0 ? undefined : settleRedis(whole.options, replicas), problems };
}

const RETRY_DEFAULTS: ResolvedRetryPolicy = {
  maxAttempts: 1,
  backoff: 'exponential',
  backoffDelay: 1_000,
  maxDelay: 30_000,
};

const ENTITY_DEFAULTS: Omit<ResolvedEntityOptions, 'replyTimeout' | 'retry'> = {
  defaultEntityId: undefined,
  onInterrupt: 'dead-letter',
  maxInterruptions: 3,
  onFailure: 'dead-letter',
  outbox: undefined,
  workerIdleTimeout: 30_000,
  workerMaxQueueDepth: 0,
  handlerTimeout: 0,
  dispatchAhead: 1,
  queries: 'volatile',
  deadLettersMax: 1_000_000,
};

function refusal(problems: readonly string[]): AtomicQueuesError {
  const list = problems.map((problem) => `  - ${problem}`).join('\n');
  const count = problems.length === 1 ? 'is not valid' : `is not valid in ${problems.length} places`;
  return new AtomicQueuesError('CONFIG_INVALID', `The configuration ${count}:\n${list}`, {
    details: { problems: [...problems] },
  });
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The fields that have a value: an undefined one must not hide a default. */
function given<T extends object>(options: T | undefined): Given<T> {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined)) as Given<T>;
}

function withoutUndefined(value: unknown): unknown {
  if (!isPlainObject(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) if (field !== undefined) kept[key] = withoutUndefined(field);
  return kept;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const UNTOUCHED = new Set(['driver', 'client', 'tls', 'sentinelTls', 'natMap']);

function deepFreeze<T extends object>(value: T): T {
  for (const [key, field] of Object.entries(value)) {
    // These belong to the user, and need not work when they are frozen.
    if (!UNTOUCHED.has(key) && typeof field === 'object' && field !== null) deepFreeze(field as object);
  }
  return Object.freeze(value);
}
