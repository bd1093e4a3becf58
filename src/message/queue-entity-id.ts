/**
 * `@QueueEntityId()`: which property of a message holds the id of its entity. It stands on a property or on a
 * constructor parameter; for a parameter only its position is known here, and `parameter-property.ts` finds the
 * property.
 */
import { AtomicQueuesError } from '../runtime/error.js';
import { type ClassMetadata, writableMetadata } from './class-metadata.js';
import { classLabel } from './class-reference.js';

export type QueueEntityIdDecorator = (target: object, propertyKey: string | symbol | undefined, index?: number) => void;

/**
 * Marks the property with the entity id. A class can have one; a class that extends it may mark another one, which then
 * counts for the subclass.
 * @throws AtomicQueuesError `CONFIG_INVALID` for a second mark on one class, and on anything but an instance property
 *   with a string key or a constructor parameter.
 */
export function QueueEntityId(): QueueEntityIdDecorator {
  return (target, propertyKey, index) => {
    const [cls, mark] = locate(target, propertyKey, index);
    const metadata = writableMetadata(cls);
    if (metadata.entityId !== undefined) {
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `@QueueEntityId on ${classLabel(cls)}: there are two, ${describe(metadata.entityId)} and ${describe(mark)}. ` +
          'A message has one entity: keep one.',
      );
    }
    metadata.entityId = mark;
  };
}

type Mark = NonNullable<ClassMetadata['entityId']>;

function locate(target: unknown, propertyKey: unknown, index: unknown): [cls: object, mark: Mark] {
  if (typeof target === 'function' && propertyKey === undefined && typeof index === 'number') {
    return [target, { parameter: index }];
  }
  if (typeof target === 'object' && target !== null && typeof propertyKey === 'string' && typeof index !== 'number') {
    return [target.constructor, { property: propertyKey }];
  }
  const standard = typeof propertyKey === 'object' && propertyKey !== null && 'kind' in propertyKey;
  throw new AtomicQueuesError(
    'CONFIG_INVALID',
    standard
      ? '@QueueEntityId needs the decorators that NestJS uses too: set "experimentalDecorators": true in tsconfig.json.'
      : '@QueueEntityId stands on an instance property with a string name or on a constructor parameter, nowhere else.',
  );
}

function describe(mark: Mark): string {
  return 'property' in mark ? `on property '${mark.property}'` : `on constructor parameter ${mark.parameter + 1}`;
}
