/**
 * What services say of themselves, as plain data: which entity types there are, which messages each takes, and the JSON
 * Schemas of the messages and their replies. The registry holds one record per service, `introspect()` answers from all
 * of them, the command line saves them as a snapshot and generates code from it.
 *
 * Everything in here came from another process: names and schemas are data to be checked, never code.
 */

/** A JSON Schema (draft 2020-12) as it was published. */
export type JsonSchema = Readonly<Record<string, unknown>> | boolean;

export interface MessageContract {
  readonly kind: 'command' | 'query';
  /** What the payload must look like. Absent: anything. */
  readonly schema?: JsonSchema | undefined;
  /** What the handler's result looks like. Absent: not told. */
  readonly replySchema?: JsonSchema | undefined;
  /** The field of the payload that holds the entity's id, when there is one. */
  readonly entityIdField?: string | undefined;
}

export interface EntityContract {
  /** The service group whose nodes run the type (M5). */
  readonly group: string;
  /** Names of the services that publish it. */
  readonly services: readonly string[];
  /** By wire name. */
  readonly messages: Readonly<Record<string, MessageContract>>;
  /** Messages of any name are taken as well. */
  readonly takesAnyName?: boolean | undefined;
  readonly defaultEntityId?: string | undefined;
}

/** Everything that is known at one time; also the snapshot file of the command line. */
export interface ContractSnapshot {
  readonly format: typeof CONTRACT_SNAPSHOT_FORMAT;
  /** By entity type. */
  readonly entities: Readonly<Record<string, EntityContract>>;
}

/** Format of snapshots and of the registry's records. */
export const CONTRACT_SNAPSHOT_FORMAT = 1;

/** What one service publishes. Kept while its heartbeats come; gone `registrationTTL` seconds after the last one. */
export interface ServiceRecord {
  readonly format: typeof CONTRACT_SNAPSHOT_FORMAT;
  readonly serviceName: string;
  readonly group: string;
  /** Unique to one life of one process: several processes of a service may say different things during a deploy. */
  readonly incarnation: string;
  /** When this process was started, milliseconds since the epoch by its own clock: only orders the lives of one service. */
  readonly startedAt?: number | undefined;
  /** By entity type: what this process has handlers for. */
  readonly entities: Readonly<Record<string, Omit<EntityContract, 'group' | 'services'>>>;
}
