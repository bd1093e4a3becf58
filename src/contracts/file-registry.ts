/**
 * The registry of the embedded store: one JSON file beside it, in which the application says what it takes. It stays when the
 * application stops, so that the command line can tell at any time.
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { ContractRegistry, RegistryReading } from './contract-registry.js';
import type { ServiceRecord } from './contract-snapshot.js';
import { type MergedContracts, mergeRecords } from './merge-records.js';
import { RECORD_LENGTH_MAX, readServiceRecord } from './read-record.js';

/** Where the contracts of the store in this file are. */
export function contractFile(storePath: string): string {
  return `${storePath}-contracts.json`;
}

/**
 * What the application of an embedded store takes, whether it runs or not.
 * @param storePath file of the store.
 * @returns undefined when no application has said it yet.
 */
export function readStoreContracts(storePath: string): MergedContracts | undefined {
  const path = contractFile(storePath);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const text = stats.size > RECORD_LENGTH_MAX ? ' '.repeat(RECORD_LENGTH_MAX + 1) : readFileSync(path, 'utf8');
  const { record, warnings } = readServiceRecord(text, path);
  const merged = mergeRecords(record === undefined ? [] : [record]);
  return { ...merged, warnings: [...warnings, ...merged.warnings] };
}

/** It has one writer, and that one needs to read nothing. */
export class FileRegistry implements ContractRegistry {
  constructor(private readonly storePath: string) {}

  async read(): Promise<RegistryReading> {
    return { token: '', records: [], warnings: [] };
  }

  /** Writes the file whole or not at all. @throws what the file system says. */
  async publish(record: ServiceRecord): Promise<boolean> {
    const path = contractFile(this.storePath);
    const draft = `${path}.${record.incarnation}`;
    try {
      writeFileSync(draft, `${JSON.stringify(record, undefined, 2)}\n`);
      renameSync(draft, path);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
    return true;
  }

  async beat(): Promise<boolean> {
    return true;
  }

  async leave(): Promise<void> {
    // What the application takes stays known while it is away.
  }
}
