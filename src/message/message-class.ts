/**
 * What is known of a message class, put together from its decorators and those of the classes it extends, and the entity
 * id of one message. Read once per class and cached.
 */
import { AtomicQueuesError } from '../runtime/error.js';
import { type ClassMetadata, classChain, ownMetadata } from './class-metadata.js';
import { type ClassReference, classLabel, isClass } from './class-reference.js';
import type { MessageKind } from './envelope.js';
import { readJobMark } from './job-decorators.js';
import { checkWireName } from './message-name.js';
import { parameterProperty } from './parameter-property.js';

export interface MessageClass {
  readonly cls: ClassReference;
  readonly entityType: string;
  /** The stable wire name. */
  readonly name: string;
  /** The property with the entity id; undefined when no `@QueueEntityId` says so and `defaultEntityId` decides. */
  readonly entityIdProperty: string | undefined;
  /** From `@JobCommand` or `@JobQuery`; undefined when the registered handler decides. */
  readonly kind: MessageKind | undefined;
}

/** UTF-16 units of an entity id. */
export const ENTITY_ID_LENGTH_MAX = 512;

const known = new WeakMap<object, MessageClass>();

/**
 * The message class behind a constructor; undefined when neither it nor a class it extends has `@EntityType`. A subclass
 * without its own `@EntityType` inherits the type and the entity id, but is called by its own name.
 * @throws AtomicQueuesError `CONFIG_INVALID` for a class without a usable name, and for a `@QueueEntityId` parameter
 *   whose property cannot be found.
 */
export function readMessageClass(cls: unknown): MessageClass | undefined {
  if (!isClass(cls)) return undefined;
  const cached = known.get(cls);
  if (cached !== undefined) return cached;
  const entityType = nearest(cls, (metadata) => metadata.entityType)?.value;
  if (entityType === undefined) return undefined;
  const job = readJobMark(cls);
  const name = ownMetadata(cls)?.name ?? job?.name ?? cls.name;
  checkWireName(name, `Message class ${classLabel(cls)}`);
  const messageClass: MessageClass = Object.freeze({
    cls,
    entityType,
    name,
    entityIdProperty: findEntityIdProperty(cls),
    kind: job?.kind,
  });
  known.set(cls, messageClass);
  return messageClass;
}

function findEntityIdProperty(cls: ClassReference): string | undefined {
  const found = nearest(cls, (metadata) => metadata.entityId);
  if (found === undefined) return undefined;
  if ('property' in found.value) return found.value.property;
  const property = parameterProperty(found.at, found.value.parameter);
  if (property !== undefined) return property;
  throw new AtomicQueuesError(
    'CONFIG_INVALID',
    `@QueueEntityId on ${classLabel(found.at)}: cannot tell which property holds constructor parameter ` +
      `${found.value.parameter + 1}. Put the decorator on the property itself, or name the property in the ` +
      `configuration: entities.<type>.defaultEntityId.`,
  );
}

function nearest<T>(
  cls: object,
  read: (metadata: Readonly<ClassMetadata>) => T | undefined,
): { readonly at: object; readonly value: T } | undefined {
  for (const at of classChain(cls)) {
    const metadata = ownMetadata(at);
    const value = metadata === undefined ? undefined : read(metadata);
    if (value !== undefined) return { at, value };
  }
  return undefined;
}

/**
 * The entity id of a message: from the property of `@QueueEntityId`, else from `defaultEntityId`.
 * @throws AtomicQueuesError `ENTITY_ID_MISSING` when there is none, or when it is not a string of 1 to 512 characters.
 */
export function resolveEntityId(instance: object, meta: MessageClass, defaultEntityId?: string): string {
  const property = meta.entityIdProperty ?? defaultEntityId;
  if (property === undefined) {
    throw refuse(
      meta.entityType,
      meta.name,
      `${meta.name} does not say which property holds the entity id. Mark one with @QueueEntityId(), or set ` +
        `entities.${meta.entityType}.defaultEntityId in the configuration.`,
    );
  }
  const id = (instance as Readonly<Record<string, unknown>>)[property];
  const fault = entityIdFault(id);
  if (fault !== undefined) {
    throw refuse(meta.entityType, meta.name, `The entity id of ${meta.name} (property '${property}') ${fault}.`);
  }
  return id as string;
}

/** The same check for an id that is given by itself. Returns it. */
export function validateEntityId(id: unknown, entityType?: string): string {
  const fault = entityIdFault(id);
  if (fault !== undefined) throw refuse(entityType, undefined, `The entity id ${fault}.`);
  return id as string;
}

/** Any string of 1 to 512 characters will do: ids are never parsed. */
function entityIdFault(id: unknown): string | undefined {
  if (typeof id === 'string') {
    if (id.length === 0) return 'is empty';
    if (id.length <= ENTITY_ID_LENGTH_MAX) return undefined;
    return `has ${id.length} characters; at most ${ENTITY_ID_LENGTH_MAX} are allowed`;
  }
  if (id === undefined || id === null) return `is ${id}`;
  if (typeof id === 'number' || typeof id === 'bigint') {
    return `is the ${typeof id} ${id}; ids are strings: convert it with String(id)`;
  }
  return `is of type ${Array.isArray(id) ? 'array' : typeof id}; ids are strings`;
}

function refuse(entityType: string | undefined, name: string | undefined, message: string): AtomicQueuesError {
  return new AtomicQueuesError('ENTITY_ID_MISSING', message, { subject: { entityType, name } });
}
