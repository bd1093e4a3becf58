/**
 * What this node knows of its own messages' forms: the schemas that message classes and handlers declare. It checks messages
 * where they are sent and where they arrive, and replies before they leave.
 *
 * What is checked is always the data that travels, and the data goes on as it was: a schema that changes values (defaults,
 * transforms) is only asked whether it takes them. So the sender's and the owner's check see the same.
 */
import type { MessageRegistry } from '../message/message-registry.js';
import { AtomicQueuesError, type ErrorSubject } from '../runtime/error.js';
import { invalidPayload, invalidReply } from './contract-errors.js';
import type { MessageContract } from './contract-snapshot.js';
import { jsonSchemaOf } from './json-schema-of.js';
import type { ValueFault } from './json-schema-rules.js';
import { checkedSchema, type DeclaredContract, type DeclaredSchema, declaredContract } from './message-schema.js';
import { type StandardSchema, standardFaults } from './standard-schema.js';

export interface ContractBookOptions {
  readonly registry: Pick<MessageRegistry, 'find'>;
  /** False: schemas are published, and nothing is checked here. */
  readonly validates: boolean;
}

/** Schemas for messages that have no class. */
export interface HandlerSchemas {
  readonly schema?: StandardSchema | undefined;
  readonly replySchema?: StandardSchema | undefined;
}

export class ContractBook {
  private readonly byName = new Map<string, Map<string, DeclaredContract>>();
  private readonly byClass = new WeakMap<object, DeclaredContract>();

  constructor(private readonly options: ContractBookOptions) {}

  /** @throws AtomicQueuesError `CONFIG_INVALID` for what is no schema. */
  declare(entityType: string, name: string, { schema, replySchema }: HandlerSchemas): void {
    if (schema === undefined && replySchema === undefined) return;
    const where = (what: string): string => `The ${what} of "${name}" of entity type "${entityType}"`;
    let names = this.byName.get(entityType);
    if (names === undefined) this.byName.set(entityType, (names = new Map<string, DeclaredContract>()));
    names.set(name, {
      schema: schema === undefined ? undefined : checkedSchema(schema, {}, where('schema')),
      replySchema: replySchema === undefined ? undefined : checkedSchema(replySchema, {}, where('replySchema')),
    });
  }

  find(entityType: string, name: string): DeclaredContract | undefined {
    const byName = this.byName.size === 0 ? undefined : this.byName.get(entityType)?.get(name);
    if (byName !== undefined) return byName;
    const cls = this.options.registry.find(entityType, name)?.cls;
    if (cls === undefined) return undefined;
    let contract = this.byClass.get(cls);
    if (contract === undefined) this.byClass.set(cls, (contract = declaredContract(cls)));
    return contract;
  }

  /** Whether a payload has a schema here, so that it is worth reading for `checkPayload`. */
  hasSchema(entityType: string, name: string): boolean {
    return this.options.validates && this.find(entityType, name)?.schema !== undefined;
  }

  /** @throws AtomicQueuesError `INVALID_PAYLOAD` naming the fields; `CONFIG_INVALID` for an asynchronous schema. */
  checkPayload(subject: MessageName, data: unknown, at: 'sending' | 'arrival'): void {
    const faults = this.faults('schema', subject, data);
    if (faults.length > 0) throw invalidPayload(subject, faults, at);
  }

  hasReplySchema(entityType: string, name: string): boolean {
    return this.options.validates && this.find(entityType, name)?.replySchema !== undefined;
  }

  /** @throws AtomicQueuesError `INVALID_PAYLOAD` that says that the message has completed. */
  checkReply(subject: MessageName, data: unknown): void {
    const faults = this.faults('replySchema', subject, data);
    if (faults.length > 0) throw invalidReply(subject, faults);
  }

  /**
   * What to publish of a message, without its kind.
   * @param warn hears of schemas that have no form as JSON Schema.
   */
  published(
    entityType: string,
    name: string,
    warn: (what: 'schema' | 'replySchema', reason: string) => void,
  ): Pick<MessageContract, 'schema' | 'replySchema'> {
    const contract = this.find(entityType, name);
    const made: { schema?: MessageContract['schema']; replySchema?: MessageContract['schema'] } = {};
    for (const what of ['schema', 'replySchema'] as const) {
      const declared = contract?.[what];
      if (declared === undefined) continue;
      refuseAsynchronous(declared, `The ${what} of "${name}" of entity type "${entityType}"`);
      const { jsonSchema, fault } = jsonSchemaOf(declared);
      if (fault !== undefined) warn(what, fault);
      if (jsonSchema !== undefined) made[what] = jsonSchema;
    }
    return made;
  }

  private faults(what: 'schema' | 'replySchema', subject: MessageName, data: unknown): readonly ValueFault[] {
    if (!this.options.validates) return NO_FAULTS;
    const declared = this.find(subject.entityType, subject.name)?.[what];
    return declared === undefined
      ? NO_FAULTS
      : standardFaults(declared.schema, data, `The ${what} of "${subject.name}"`);
  }
}

export type MessageName = ErrorSubject & { readonly entityType: string; readonly name: string };

const NO_FAULTS: readonly ValueFault[] = Object.freeze([]);

/** Asked about nothing at all, most schemas of that kind show themselves. */
function refuseAsynchronous({ schema }: DeclaredSchema, where: string): void {
  try {
    standardFaults(schema, undefined, where);
  } catch (error) {
    if (error instanceof AtomicQueuesError) throw error;
    // A schema that throws for what it does not expect tells so again when it is used.
  }
}
