/** Makes sentences of what is wrong with a configuration: where, what was found, what is expected instead. */
import type { z } from 'zod';
import type { AtomicQueuesConfig, ResolvedConfig } from './config-options.js';
import { laterValues, replacedOptions } from './config-replaced.js';
import { type ConfigSection, optionNames } from './config-schema.js';
import { entityTypeFault } from './name-rule.js';
import { nearestName } from './nearest-name.js';

type Path = readonly PropertyKey[];

/** One sentence per problem that the schema found. */
export function schemaProblems(issues: readonly z.core.$ZodIssue[], input: unknown): string[] {
  return [...new Set(issues.flatMap((issue) => issueProblems(issue, input)))];
}

function issueProblems(issue: z.core.$ZodIssue, input: unknown): string[] {
  if (issue.code === 'unrecognized_keys') {
    const section = sectionOf(issue.path);
    // An unknown key that has no value asks for nothing: `redis: undefined` is how a condition leaves it out.
    return issue.keys
      .filter((key) => valueAt(input, [...issue.path, key]) !== undefined)
      .map((key) => unknownKey(section, [...issue.path, key], key));
  }
  if (issue.code === 'invalid_key') {
    const type = issue.path.at(-1);
    return [`entities has the type ${show(type)}; expected ${entityTypeFault(type) ?? 'another name'}.`];
  }
  const value = valueAt(input, issue.path);
  const later = laterValues[sectionOf(issue.path.slice(0, -1))]?.[String(issue.path.at(-1))]?.[String(value)];
  if (later !== undefined) return [`${pathText(issue.path)} ${show(value)} ${later}.`];
  if (SECRETS.has(String(issue.path.at(-1)))) {
    return [`${pathText(issue.path)} is not valid, and not shown; expected ${issue.message}.`];
  }
  return [`${pathText(issue.path)} is ${show(value)}; expected ${issue.message}.`];
}

function unknownKey(section: ConfigSection, path: Path, key: string): string {
  const replaced = replacedOptions[section];
  if (replaced !== undefined && Object.hasOwn(replaced, key)) return `${pathText(path)} ${replaced[key]}.`;
  const nearest = nearestName(key, optionNames[section]);
  const elsewhere = (Object.keys(optionNames) as ConfigSection[]).find((other) => optionNames[other].includes(key));
  const hint =
    nearest !== undefined
      ? `did you mean ${pathText([...path.slice(0, -1), nearest])}?`
      : elsewhere !== undefined
        ? `it is an option of ${SECTION_LABELS[elsewhere]}.`
        : `the options here are ${optionNames[section].join(', ')}.`;
  return `${pathText(path)} is not an option; ${hint}`;
}

/** Options whose values are in no message. */
const SECRETS = new Set(['password', 'sentinelPassword', 'url']);

const SECTION_LABELS: Readonly<Record<ConfigSection, string>> = {
  root: 'the root',
  entity: 'entities.<type>',
  retry: 'retry',
  store: 'store',
  wal: 'wal',
  registry: 'registry',
  redis: 'redis',
  address: 'an address',
  cluster: 'cluster',
  grpc: 'grpc',
};

function sectionOf(path: Path): ConfigSection {
  if (path.at(-1) === 'retry' && path.length !== 2) return 'retry';
  if (path[0] === 'entities' && path.length === 2) return 'entity';
  if (path[0] === 'redis' && path.length === 3) return 'address';
  const [name] = path;
  return path.length === 1 && typeof name === 'string' && Object.hasOwn(SECTION_LABELS, name)
    ? (name as ConfigSection)
    : 'root';
}

/**
 * Elsewhere an option without a value is as good as left out. A path or host that is not set would silently put the messages
 * into another store than the one that was meant.
 */
export function valuesMissing(input: unknown): string[] {
  return PLACES.filter(({ path }) => {
    const holder = valueAt(input, path.slice(0, -1));
    const key = path.at(-1) ?? '';
    return typeof holder === 'object' && holder !== null && key in holder && valueAt(input, path) === undefined;
  }).map(
    ({ path, usual }) =>
      `${pathText(path)} is undefined; is an environment variable missing? Leave it out for the default, ${usual}.`,
  );
}

/** Options that say where the messages are. */
const PLACES = [
  { path: ['store', 'path'], usual: 'atomic-queues.db' },
  { path: ['redis', 'url'], usual: 'redis://localhost:6379' },
  { path: ['redis', 'host'], usual: 'localhost' },
];

/** Options that are legal by themselves but not together. */
export function contradictions(config: ResolvedConfig, input: AtomicQueuesConfig): string[] {
  const problems: string[] = [];
  if (!config.wal.enabled && input.store !== undefined) {
    problems.push(
      `wal.enabled is false, which keeps everything in memory, but store is given (path ${show(config.store.path)}); remove one of them.`,
    );
  }
  problems.push(...storeContradictions(config, input));
  const { heartbeatInterval, registrationTTL } = config.registry;
  if (registrationTTL * 1000 <= heartbeatInterval) {
    problems.push(
      `registry.registrationTTL (${registrationTTL} s) is not longer than registry.heartbeatInterval (${heartbeatInterval} ms); a service would be gone between two signs of life.`,
    );
  }
  const lines = [
    { at: '', retry: config.retry, given: input.retry },
    ...Object.entries(config.entities).map(([type, options]) => ({
      at: `${pathText(['entities', type])}.`,
      retry: options.retry,
      given: input.entities?.[type]?.retry,
    })),
  ];
  for (const { at, retry, given } of lines) {
    // A type that says nothing itself inherits the root's contradiction, which is told once.
    if (retry.backoffDelay <= retry.maxDelay || (at !== '' && given === undefined)) continue;
    problems.push(
      `${at}retry.backoffDelay (${retry.backoffDelay} ms) is larger than ${at}retry.maxDelay (${retry.maxDelay} ms${
        given?.maxDelay === undefined ? ', not set here' : ''
      }); expected at most that.`,
    );
  }
  for (const [type, { workerMaxQueueDepth }] of Object.entries(config.entities)) {
    if (config.maxTotalQueueDepth === 0 || workerMaxQueueDepth <= config.maxTotalQueueDepth) continue;
    problems.push(
      `${pathText(['entities', type])}.workerMaxQueueDepth (${workerMaxQueueDepth} messages) is larger than maxTotalQueueDepth (${config.maxTotalQueueDepth} messages); expected at most that.`,
    );
  }
  return problems;
}

/** One store is used: the embedded one, Redis, or memory. */
function storeContradictions(config: ResolvedConfig, input: AtomicQueuesConfig): string[] {
  const { store } = input;
  const forRedis = store?.durability !== undefined && !/^(commit|fsync)$/.test(store.durability);
  if (config.redis === undefined) {
    if (!forRedis) return [];
    return [
      `store.durability is ${show(store.durability)}, which needs redis, and redis is not given; expected 'commit' or 'fsync'.`,
    ];
  }
  const problems: string[] = [];
  if (!config.wal.enabled) {
    problems.push('wal.enabled is false, which keeps everything in memory, but redis is given; remove one of them.');
  }
  if (store?.path !== undefined) {
    problems.push(
      `store.path is ${show(store.path)} and redis is given; messages are kept in one of them. Remove one.`,
    );
  }
  if (store?.driver !== undefined) {
    problems.push('store.driver is given, which is for the embedded store, and redis is given; remove one of them.');
  }
  if (store?.durability !== undefined && !forRedis) {
    problems.push(
      `store.durability is ${show(store.durability)}, which is for the embedded store, and redis is given; expected 'async' or 'replicated(1)' (or more replicas).`,
    );
  }
  return problems;
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const key of path) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function pathText(path: Path): string {
  if (path.length === 0) return 'the configuration';
  return path
    .map((key, index) => {
      if (typeof key === 'string' && /^[A-Za-z_$][\w$-]*$/.test(key)) return index === 0 ? key : `.${key}`;
      return `[${show(key)}]`;
    })
    .join('');
}

/** A value in short. Objects are not spelled out: they may hold secrets. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}
