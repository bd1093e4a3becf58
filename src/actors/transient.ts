/** `@Transient`: a field of an actor that is not part of its state. */
import { classLabel } from '../message/class-reference.js';
import { AtomicQueuesError } from '../message/errors.js';
import { writableActorMetadata } from './actor-metadata.js';

/**
 * Keeps a field out of the state: it is not stored, not put back when a handler fails, and made anew by the constructor
 * when the entity comes back into memory. For caches, loggers and connections.
 * @throws AtomicQueuesError `CONFIG_INVALID` on anything but an instance field with a string name.
 */
export function Transient(): PropertyDecorator {
  return (target, field) => {
    if (typeof target === 'function' || typeof field !== 'string') {
      const cls = typeof target === 'function' ? target : target.constructor;
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `@Transient on ${classLabel(cls)}.${String(field)}: it stands on an instance field with a string name, nowhere else.`,
      );
    }
    writableActorMetadata(target.constructor).transient.add(field);
  };
}
