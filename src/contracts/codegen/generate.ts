/** From what services say of themselves to files. Pure: nothing is read or written, and the same input gives the same bytes. */
import type { ContractSnapshot } from '../contract-snapshot.js';
import { classFiles } from './class-files.js';
import type { GeneratedFile } from './generated-file.js';
import { schemaFile, snapshotFile } from './json-files.js';
import { namespaceFile } from './namespace-file.js';
import { type LeftOut, usableContracts } from './usable-contracts.js';

export type GenerateMode = 'classes' | 'ts' | 'json-schema' | 'snapshot';

export interface Generated {
  readonly files: readonly GeneratedFile[];
  /** What no code can be generated for. */
  readonly leftOut: readonly LeftOut[];
}

/** `only`: the entity types to generate for; default all. */
export function generate(snapshot: ContractSnapshot, mode: GenerateMode, only?: ReadonlySet<string>): Generated {
  const { entities, leftOut } = usableContracts(snapshot, only);
  switch (mode) {
    case 'classes':
      return { files: classFiles(entities), leftOut };
    case 'ts':
      return { files: [namespaceFile(entities)], leftOut };
    case 'json-schema':
      return { files: [schemaFile(entities)], leftOut };
    case 'snapshot':
      return { files: [snapshotFile(entities)], leftOut };
  }
}
