/**
 * The contracts of a node: what its own messages declare, what other services publish, and the checks of both. The bus asks
 * it before a message leaves, the owner of an entity before a handler runs and before a reply leaves.
 */

import { decodePayload, encodeReply } from '../message/codec.js';
import type { MessageKind } from '../message/envelope.js';
import type { MessageRegistry } from '../message/message-registry.js';
import type { ResolvedConfig } from '../runtime/config.js';
import type { AtomicQueuesError } from '../runtime/error.js';
import type { Logger } from '../runtime/logger.js';
import { ownEntry } from '../runtime/own-entry.js';
import type { Runtime } from '../runtime/runtime.js';
import { ContractBook, type HandlerSchemas, type MessageName } from './contract-book.js';
import { invalidPayload, replyMissing } from './contract-errors.js';
import type { ContractRegistry } from './contract-registry.js';
import {
  CONTRACT_SNAPSHOT_FORMAT,
  type EntityContract,
  type MessageContract,
  type ServiceRecord,
} from './contract-snapshot.js';
import { Introspection, type PartReader, readParts, type ServiceView } from './introspection.js';
import { JsonSchemaValidator } from './json-schema-validator.js';
import type { ContractWarning } from './merge-records.js';
import { Registration } from './registration.js';

/** Who takes what here; the node's table of handlers. */
export interface HandledMessages {
  entityTypes(): readonly string[];
  /** Wire names; `*` for any. */
  names(entityType: string): readonly string[];
  find(entityType: string, name: string): { readonly kind: MessageKind } | undefined;
}

export interface NodeContractsOptions {
  readonly runtime: Runtime;
  readonly config: ResolvedConfig;
  readonly logger: Logger;
  readonly messages: MessageRegistry;
  readonly handlers: HandledMessages;
  /** Undefined: nothing is published or learned. */
  readonly registry: ContractRegistry | undefined;
  /** With a registry that is this node's alone no heartbeats are needed. */
  readonly isShared: boolean;
}

const WILDCARD = '*';

export class NodeContracts {
  private readonly book: ContractBook;
  private readonly registration: Registration;
  private readonly validators = new WeakMap<object, JsonSchemaValidator>();
  private readonly parts = new Map<string, PartReader>();
  private readonly validates: boolean;
  private readonly incarnation: string;

  constructor(private readonly options: NodeContractsOptions) {
    const { config, runtime, logger, registry, isShared } = options;
    const { schemaValidation, enabled, heartbeatInterval, registrationTTL } = config.registry;
    this.validates = schemaValidation;
    this.incarnation = runtime.freshId();
    this.book = new ContractBook({ registry: options.messages, validates: schemaValidation });
    this.registration = new Registration({
      runtime,
      logger,
      registry: enabled ? registry : undefined,
      heartbeatMs: isShared ? heartbeatInterval : 0,
      ttlMs: registrationTTL * 1000,
      record: () => this.record(),
    });
  }

  /** Schemas of a message that has no class. */
  declare(entityType: string, name: string, schemas: HandlerSchemas): void {
    this.book.declare(entityType, name, schemas);
  }

  /** Before anything else of a start: see `Registration.open`. */
  open(): Promise<void> {
    return this.registration.open();
  }

  close(): Promise<void> {
    return this.registration.close();
  }

  /**
   * Checks a message on its way out by the schema that its class declares and, when another service runs it, by what that
   * one publishes.
   * @param payload JSON text.
   * @throws AtomicQueuesError `INVALID_PAYLOAD` naming the fields.
   */
  checkSending(subject: MessageName, payload: string, isHandledHere: boolean): void {
    if (!this.validates) return;
    const { entityType, name } = subject;
    const isDeclared = this.book.hasSchema(entityType, name);
    const published = isHandledHere ? undefined : this.published(entityType, name)?.schema;
    if (!isDeclared && published === undefined) return;
    const data: unknown = JSON.parse(payload);
    if (isDeclared) this.book.checkPayload(subject, data, 'sending');
    if (published === undefined || published === true) return;
    const faults = this.validatorOf(published).faults(data);
    if (faults.length > 0) throw invalidPayload(subject, faults, 'sending', this.owners(entityType)?.services);
  }

  /** Before the handler. @throws AtomicQueuesError `INVALID_PAYLOAD`; the message fails with it and is not tried again. */
  checkArrival(subject: MessageName, data: unknown): void {
    if (this.book.hasSchema(subject.entityType, subject.name)) this.book.checkPayload(subject, data, 'arrival');
  }

  /**
   * JSON text of a handler's result.
   * @throws AtomicQueuesError for who waits: the message has completed all the same.
   */
  encodeReply(subject: MessageName, value: unknown): string | undefined {
    const { config } = this.options;
    const text = encodeReply(value, config, `Reply of "${subject.name}"`);
    if (this.book.hasReplySchema(subject.entityType, subject.name)) {
      this.book.checkReply(subject, text === undefined ? undefined : decodePayload(text, config));
    }
    return text;
  }

  /**
   * A reply that did not fit stays with the node that ran the message, and its verdict may be learned without the words that
   * say so.
   * @returns the error for who waits, when nothing came where the service promises something.
   */
  missingReply(subject: MessageName, value: unknown): AtomicQueuesError | undefined {
    if (value !== undefined || !this.validates) return undefined;
    const schema = this.published(subject.entityType, subject.name)?.replySchema;
    const isPromised = typeof schema === 'object' && (Object.hasOwn(schema, 'type') || Object.hasOwn(schema, '$ref'));
    return isPromised ? replyMissing(subject) : undefined;
  }

  /** Something else that `introspect()` tells; one that fails is told as such. */
  addPart(name: string, read: PartReader): void {
    this.parts.set(name, read);
  }

  async introspect(): Promise<Introspection> {
    const { records, snapshot, conflicts, warnings } = await this.registration.look();
    const parts = await readParts(this.parts);
    return new Introspection({ snapshot, services: servicesOf(records), conflicts, warnings, parts });
  }

  private published(entityType: string, name: string): MessageContract | undefined {
    const messages = this.owners(entityType)?.messages;
    return messages === undefined ? undefined : ownEntry(messages, name);
  }

  private owners(entityType: string): EntityContract | undefined {
    return ownEntry(this.registration.picture.snapshot.entities, entityType);
  }

  private validatorOf(schema: object | false): JsonSchemaValidator {
    if (schema === false) return new JsonSchemaValidator(false);
    let validator = this.validators.get(schema);
    if (validator === undefined) {
      validator = new JsonSchemaValidator(schema as Exclude<MessageContract['schema'], boolean | undefined>);
      this.validators.set(schema, validator);
    }
    return validator;
  }

  private record(): { readonly record: ServiceRecord; readonly warnings: readonly ContractWarning[] } {
    const { config, handlers, runtime } = this.options;
    const { serviceName } = config.registry;
    const warnings: ContractWarning[] = [];
    const entities = handlers
      .entityTypes()
      .map((type) => [type, this.entityRecord(type, serviceName, warnings)] as const);
    return {
      record: {
        format: CONTRACT_SNAPSHOT_FORMAT,
        serviceName,
        group: config.cluster?.serviceGroup ?? 'default',
        incarnation: this.incarnation,
        startedAt: Math.floor(runtime.clock.now()),
        entities: Object.fromEntries(entities),
      },
      warnings,
    };
  }

  private entityRecord(
    entityType: string,
    service: string,
    warnings: ContractWarning[],
  ): ServiceRecord['entities'][string] {
    const { config, handlers, messages } = this.options;
    const { defaultEntityId } = config.entityType(entityType);
    const takesAnyName = handlers.names(entityType).includes(WILDCARD);
    const known = new Set([...handlers.names(entityType), ...(takesAnyName ? messages.namesOf(entityType) : [])]);
    const names = [...known].filter((name) => name !== WILDCARD).sort();
    const contracts = names.map((name): [string, MessageContract] => {
      const schemas = this.book.published(entityType, name, (what, reason) =>
        warnings.push({
          service,
          entityType,
          message: name,
          reason: `its ${what} ${reason}; it is published as anything`,
        }),
      );
      const messageClass = messages.find(entityType, name);
      const entityIdField = messageClass?.entityIdProperty ?? defaultEntityId;
      const kind = messageClass?.kind ?? handlers.find(entityType, name)?.kind ?? 'command';
      return [name, { kind, ...schemas, ...(entityIdField !== undefined && { entityIdField }) }];
    });
    return {
      messages: Object.fromEntries(contracts),
      ...(takesAnyName && { takesAnyName }),
      ...(defaultEntityId !== undefined && { defaultEntityId }),
    };
  }
}

export function servicesOf(records: readonly ServiceRecord[]): ServiceView[] {
  const services = new Map<string, ServiceView>();
  for (const { serviceName, group, entities } of records) {
    const known = services.get(serviceName);
    const entityTypes = [...new Set([...(known?.entityTypes ?? []), ...Object.keys(entities)])].sort();
    services.set(serviceName, { serviceName, group, processes: (known?.processes ?? 0) + 1, entityTypes });
  }
  return [...services.values()].sort((a, b) => (a.serviceName < b.serviceName ? -1 : 1));
}
