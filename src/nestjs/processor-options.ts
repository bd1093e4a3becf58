/**
 * Puts the per-type options of `@WorkerProcessor` into the configuration, where the rest of the library looks for them.
 * The same option in two places must have the same value.
 */
import { AtomicQueuesError } from '../message/errors.js';
import { type AtomicQueuesConfig, type EntityConfig, resolveConfig } from '../runtime/config.js';
import type { Processor } from './handler-explorer.js';
import { providerLabel } from './providers.js';

/** A value and where it was given. */
interface Given {
  readonly value: unknown;
  readonly where: string;
}

/**
 * The configuration with what the processors add. An invalid `config` is left for the node to refuse.
 * @throws AtomicQueuesError `CONFIG_INVALID` for options that do not exist, were replaced, or contradict each other.
 */
export function withProcessorOptions(config: AtomicQueuesConfig, processors: readonly Processor[]): AtomicQueuesConfig {
  const given = new Map<string, Map<string, Given>>();
  const problems: string[] = [];
  for (const [type, options] of Object.entries(config.entities ?? {})) {
    collect(given, type, options, `the configuration (entities.${type})`, problems);
  }
  let added = false;
  for (const { cls, provider, description } of processors) {
    if (description.options === undefined) continue;
    const { entityType, ...options } = description.options;
    if (Object.keys(options).length === 0) continue;
    const where = `@WorkerProcessor on ${providerLabel(cls, provider)}`;
    checkAlone(entityType, options, where);
    collect(given, entityType, options, where, problems);
    added = true;
  }
  if (problems.length > 0) {
    throw new AtomicQueuesError('CONFIG_INVALID', problems.join('\n'), { details: { problems } });
  }
  if (!added) return config;
  const merged = [...given].map(([type, options]) => [type, toOptions(options)] as const);
  return { ...config, entities: Object.fromEntries([...Object.entries(config.entities ?? {}), ...merged]) };
}

/** Checks the options of one processor by themselves, so that the complaint says where they stand. */
function checkAlone(entityType: string, options: EntityConfig, where: string): void {
  try {
    resolveConfig({ maxTotalQueueDepth: 0, entities: { [entityType]: options } });
  } catch (error) {
    if (!(error instanceof AtomicQueuesError)) throw error;
    throw new AtomicQueuesError('CONFIG_INVALID', `${where}: ${error.message}`, { details: error.details });
  }
}

/** Options by their path: those of `retry` count one by one, like the configuration merges them. */
function collect(
  given: Map<string, Map<string, Given>>,
  type: string,
  options: unknown,
  where: string,
  problems: string[],
): void {
  if (typeof options !== 'object' || options === null) return;
  const known = given.get(type) ?? new Map<string, Given>();
  given.set(type, known);
  for (const [path, value] of optionPaths(options)) {
    const other = known.get(path);
    if (other === undefined) known.set(path, { value, where });
    else if (other.value !== value) {
      problems.push(
        `${path} of entity type '${type}' is ${show(other.value)} in ${other.where}, but ${show(value)} in ${where}. Keep one of them.`,
      );
    }
  }
}

function* optionPaths(options: object): Generator<[path: string, value: unknown]> {
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (key !== 'retry' || typeof value !== 'object' || value === null) yield [key, value];
    else {
      for (const [field, fieldValue] of Object.entries(value)) {
        if (fieldValue !== undefined) yield [`retry.${field}`, fieldValue];
      }
    }
  }
}

function toOptions(given: ReadonlyMap<string, Given>): EntityConfig {
  const options: Record<string, unknown> = {};
  const retry: Record<string, unknown> = {};
  for (const [path, { value }] of given) {
    if (path.startsWith('retry.')) retry[path.slice('retry.'.length)] = value;
    else options[path] = value;
  }
  return Object.keys(retry).length === 0 ? options : { ...options, retry };
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}
