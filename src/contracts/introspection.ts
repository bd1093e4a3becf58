/**
 * What `introspect()` answers: which entity types there are, which messages each takes, what these look like, and who says
 * so. A picture of one moment; nothing in it changes.
 */

import { conflictText } from './contract-errors.js';
import type { ContractSnapshot, EntityContract, JsonSchema, MessageContract } from './contract-snapshot.js';
import type { ContractConflict, ContractWarning } from './merge-records.js';
import { printable } from './printable.js';
import { warningText } from './registration.js';
import { schemaText } from './schema-text.js';

export interface ServiceView {
  readonly serviceName: string;
  readonly group: string;
  /** Live processes. */
  readonly processes: number;
  /** None: the service only sends. */
  readonly entityTypes: readonly string[];
}

/** A part of the answer that is not about contracts, such as what operators have stopped. */
export interface IntrospectionPart<T = unknown> {
  /** Plain data. */
  readonly data: T;
  /** For `toString`. */
  readonly lines: readonly string[];
}

export type PartReader = () => IntrospectionPart | Promise<IntrospectionPart>;

/** One that fails is told as such, and has no data. */
export async function readParts(readers: ReadonlyMap<string, PartReader>): Promise<Map<string, IntrospectionPart>> {
  const parts = new Map<string, IntrospectionPart>();
  for (const [name, read] of readers) {
    try {
      parts.set(name, await read());
    } catch (error) {
      parts.set(name, { data: undefined, lines: [`cannot be read: ${(error as Error).message}`] });
    }
  }
  return parts;
}

/** Each part that has something to tell, under its name. */
export function partLines(parts: ReadonlyMap<string, IntrospectionPart>): string[] {
  return [...parts].flatMap(([name, { lines }]) =>
    lines.length === 0 ? [] : ['', name, ...lines.map((line) => `  ${printable(line)}`)],
  );
}

export interface IntrospectionOptions {
  readonly snapshot: ContractSnapshot;
  readonly services: readonly ServiceView[];
  readonly conflicts: readonly ContractConflict[];
  readonly warnings: readonly ContractWarning[];
  readonly parts?: ReadonlyMap<string, IntrospectionPart> | undefined;
}

export class Introspection {
  /** Every live service, pure producers included. */
  readonly services: readonly ServiceView[];
  /** What services say differently of one message. */
  readonly conflicts: readonly ContractConflict[];
  /** What was published and cannot be used, and what differs within a service. */
  readonly warnings: readonly ContractWarning[];
  private readonly contracts: ContractSnapshot;
  private readonly partsByName: ReadonlyMap<string, IntrospectionPart>;

  constructor({ snapshot, services, conflicts, warnings, parts = new Map() }: IntrospectionOptions) {
    this.contracts = snapshot;
    this.services = services;
    this.conflicts = conflicts;
    this.warnings = warnings;
    this.partsByName = parts;
  }

  get entityTypes(): string[] {
    return Object.keys(this.contracts.entities);
  }

  hasEntity(entityType: string): boolean {
    return this.entity(entityType) !== undefined;
  }

  /** Wire names; none for a type that nobody owns. */
  messagesFor(entityType: string): string[] {
    return Object.keys(this.entity(entityType)?.messages ?? {});
  }

  /** Whether somebody takes such a message, by its name or because any name is taken. */
  accepts(entityType: string, name: string): boolean {
    const entity = this.entity(entityType);
    return entity !== undefined && (entity.takesAnyName === true || Object.hasOwn(entity.messages, name));
  }

  /** Undefined: anything goes, or nobody takes the message. */
  schemaFor(entityType: string, name: string): JsonSchema | undefined {
    return this.message(entityType, name)?.schema;
  }

  /** Undefined: the service does not tell, or nobody takes the message. */
  replySchemaFor(entityType: string, name: string): JsonSchema | undefined {
    return this.message(entityType, name)?.replySchema;
  }

  kindOf(entityType: string, name: string): MessageContract['kind'] | undefined {
    return this.message(entityType, name)?.kind;
  }

  /** All of it as plain data, in the format of snapshot files. */
  snapshot(): ContractSnapshot {
    return this.contracts;
  }

  /** What else the node tells, by the name of the part. */
  part(name: string): unknown {
    return this.partsByName.get(name)?.data;
  }

  /** A tree for people. */
  toString(): string {
    const lines: string[] = [];
    for (const [type, entity] of Object.entries(this.contracts.entities)) lines.push(...entityLines(type, entity));
    if (lines.length === 0) lines.push('No service takes any message.');
    if (this.services.length > 0) lines.push('', 'services');
    for (const service of this.services) lines.push(`  ${serviceLine(service)}`);
    if (this.conflicts.length > 0) lines.push('', 'conflicts');
    for (const conflict of this.conflicts) lines.push(`  ${conflictText(conflict)}`);
    if (this.warnings.length > 0) lines.push('', 'warnings');
    for (const warning of this.warnings) lines.push(`  ${warningText(warning)}`);
    lines.push(...partLines(this.partsByName));
    return lines.join('\n');
  }

  private entity(entityType: string): EntityContract | undefined {
    const { entities } = this.contracts;
    return Object.hasOwn(entities, entityType) ? entities[entityType] : undefined;
  }

  private message(entityType: string, name: string): MessageContract | undefined {
    const messages = this.entity(entityType)?.messages;
    return messages !== undefined && Object.hasOwn(messages, name) ? messages[name] : undefined;
  }
}

function entityLines(type: string, { group, services, messages, takesAnyName }: EntityContract): string[] {
  const lines = [`${type}  (${services.join(', ') || 'no service'}; group ${group})`];
  const names = Object.entries(messages);
  for (const [index, [name, message]] of names.entries()) {
    const isLast = index === names.length - 1 && takesAnyName !== true;
    lines.push(`${isLast ? '└─' : '├─'} ${messageLine(name, message)}`);
  }
  if (takesAnyName === true) lines.push('└─ any other name');
  return lines;
}

function messageLine(name: string, { kind, schema, replySchema, entityIdField }: MessageContract): string {
  const reply = replySchema === undefined ? '' : ` → ${schemaText(replySchema)}`;
  const id = entityIdField === undefined ? '' : `  [entity id: ${printable(entityIdField)}]`;
  return `${kind} ${name} ${schemaText(schema)}${reply}${id}`;
}

function serviceLine({ serviceName, group, processes, entityTypes }: ServiceView): string {
  const count = processes === 1 ? '1 process' : `${processes} processes`;
  const owns = entityTypes.length === 0 ? 'only sends' : `owns ${entityTypes.join(', ')}`;
  return `${serviceName}  (${count}; group ${group}): ${owns}`;
}
