/** Where the contracts for a command come from: a snapshot file, or what the services of a store have published. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ContractSnapshot } from '../contracts/contract-snapshot.js';
import { readStoreContracts } from '../contracts/file-registry.js';
import { Introspection } from '../contracts/introspection.js';
import type { MergedContracts } from '../contracts/merge-records.js';
import { readSnapshot } from '../contracts/read-record.js';
import { nearestName } from '../runtime/nearest-name.js';
import { type ConsoleIo, UsageError } from './console-io.js';
import { shown } from './contract-view.js';
import type { GlobalOptions } from './program-options.js';
import { addressText, storeAddress } from './store-address.js';

export interface SourceOptions extends GlobalOptions {
  /** A snapshot file, instead of a store. */
  readonly from?: string | undefined;
}

/**
 * @throws UsageError when there is nothing to read, or what is there is no contract.
 * @throws StoreUnavailableError when the server cannot be reached.
 */
export async function readContracts(io: ConsoleIo, options: SourceOptions): Promise<Introspection> {
  if (options.from !== undefined) return fromFile(io, options.from);
  const address = storeAddress(io, options);
  if (address.kind === 'redis') {
    // A client of Redis is not installed with every application.
    const { readRedisContracts } = await import('./redis-contracts.js');
    return readRedisContracts(address);
  }
  const merged = readStoreContracts(address.path);
  if (merged === undefined) {
    throw new UsageError(
      `No application has published its contracts beside ${addressText(address)}. Name the store with --path or --redis, or read a snapshot with --from.`,
    );
  }
  return new Introspection({ ...merged, services: servicesOf(merged) });
}

function fromFile(io: ConsoleIo, file: string): Introspection {
  const { snapshot, warnings } = readSnapshotFile(io, file);
  return new Introspection({ snapshot, warnings, conflicts: [], services: [] });
}

/** @throws UsageError for a file that is not there or is no snapshot of this format. */
export function readSnapshotFile(
  io: ConsoleIo,
  file: string,
): { readonly snapshot: ContractSnapshot; readonly warnings: MergedContracts['warnings'] } {
  const path = resolve(io.cwd, file);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      code === 'ENOENT' ? `There is no file ${path}.` : `Cannot read ${path}: ${(error as Error).message}`,
    );
  }
  const read = readSnapshot(text);
  if (typeof read === 'string') {
    throw new UsageError(
      `${path} is no snapshot: the file ${read}. Make one with: atomic-queues generate --snapshot -o ${file}`,
    );
  }
  return read;
}

function servicesOf({ snapshot }: MergedContracts) {
  const types = new Map<string, { group: string; entityTypes: string[] }>();
  for (const [entityType, { group, services }] of Object.entries(snapshot.entities)) {
    for (const service of services) {
      const known = types.get(service) ?? { group, entityTypes: [] };
      known.entityTypes.push(entityType);
      types.set(service, known);
    }
  }
  return [...types].map(([serviceName, view]) => ({ serviceName, processes: 1, ...view }));
}

/**
 * The entity types in `--entities a,b`.
 * @param known may name a type more than once.
 * @throws UsageError naming one that nobody takes, and the one that was probably meant.
 */
export function chosenEntities(text: string | undefined, known: readonly string[]): ReadonlySet<string> | undefined {
  if (text === undefined) return undefined;
  const names = text.split(',').flatMap((each) => (each.trim() === '' ? [] : [each.trim()]));
  if (names.length === 0) throw new UsageError('--entities needs the names of entity types: --entities account,order');
  for (const name of names) {
    if (known.includes(name)) continue;
    const nearest = nearestName(name, known);
    const hint =
      nearest !== undefined
        ? `Did you mean ${shown(nearest)}?`
        : known.length === 0
          ? 'There is none at all.'
          : `There are: ${[...new Set(known)].map((each) => shown(each)).join(', ')}.`;
    throw new UsageError(`There is no entity type ${shown(name)}. ${hint}`);
  }
  return new Set(names);
}
