/**
 * Resolves the configuration, once, into a frozen object. Everything that is wrong with it is told in one error, with
 * what was expected. The options themselves are in `config-options.ts`.
 */

import type {
  AtomicQueuesConfig,
  ResolvedConfig,
  ResolvedEntityOptions,
  ResolvedRetryPolicy,
} from './config-options.js';
import { contradictions, schemaProblems, valuesMissing } from './config-problems.js';
import { configSchema } from './config-schema.js';
import { AtomicQueuesError } from './error.js';

export type * from './config-options.js';

/**
 * Checks a configuration and fills in the defaults. The result is frozen all through (a custom driver is left as it is).
 * @throws AtomicQueuesError `CONFIG_INVALID` listing every problem; its `details.problems` has them one by one.
 */
export function resolveConfig(input: AtomicQueuesConfig = {}): ResolvedConfig {
  const parsed = configSchema.safeParse(input);
  const problems = [...(parsed.success ? [] : schemaProblems(parsed.error.issues, input)), ...valuesMissing(input)];
  if (problems.length > 0) throw refusal(problems);
  // Only unknown keys without a value can fail the schema without being a problem; without them it must pass.
  const config = parsed.success ? parsed.data : configSchema.parse(withoutUndefined(input));

  const retry: ResolvedRetryPolicy = { ...RETRY_DEFAULTS, ...given(config.retry) };
  const entityDefaults: ResolvedEntityOptions = { ...ENTITY_DEFAULTS, replyTimeout: config.replyTimeout, retry };
  const entities = new Map<string, ResolvedEntityOptions>();
  for (const [type, options] of Object.entries(config.entities)) {
    entities.set(type, { ...entityDefaults, ...given(options), retry: { ...retry, ...given(options.retry) } });
  }
  const resolved: ResolvedConfig = {
    ...config,
    store: { path: 'atomic-queues.db', durability: 'commit', driver: undefined, ...given(config.store) },
    retry,
    entities: Object.fromEntries(entities),
    entityType: (type) => entities.get(type) ?? entityDefaults,
  };
  const contradictory = contradictions(resolved, input);
  if (contradictory.length > 0) throw refusal(contradictory);
  for (const options of [entityDefaults, ...entities.values()]) deepFreeze(options);
  return deepFreeze(resolved);
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

function deepFreeze<T extends object>(value: T): T {
  for (const [key, field] of Object.entries(value)) {
    // The driver belongs to the user, and need not work when it is frozen.
    if (key !== 'driver' && typeof field === 'object' && field !== null) deepFreeze(field as object);
  }
  return Object.freeze(value);
}
