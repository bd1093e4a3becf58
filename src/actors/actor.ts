/** `@Actor`: a class of which each entity of a type has an instance, with its fields as the entity's state. */
import { classLabel, isClass } from '../message/class-reference.js';
import { AtomicQueuesError } from '../message/errors.js';
import { checkEntityType } from '../message/message-name.js';
import { writableActorMetadata } from './actor-metadata.js';
import { type ActorOptions, checkActorOptions } from './actor-options.js';

/**
 * Declares that entities of `type` are instances of this class. Its `@On` methods take their messages; its own fields are
 * the state, except those that came in through the constructor or an injection, and those marked with `@Transient()`.
 * @throws AtomicQueuesError `CONFIG_INVALID` for a type or an option that is not allowed, and for a second `@Actor` on the
 *   class.
 */
export function Actor(type: string, options: ActorOptions = {}): ClassDecorator {
  // Without the parentheses, the class itself arrives as the type.
  if (isClass(type)) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `@Actor on ${classLabel(type)}: it needs the entity type, as in @Actor('account').`,
    );
  }
  return (cls) => {
    const where = `@Actor on ${classLabel(cls)}`;
    checkEntityType(type, where);
    checkActorOptions(options, where);
    const metadata = writableActorMetadata(cls);
    if (metadata.declaration !== undefined) {
      throw new AtomicQueuesError('CONFIG_INVALID', `${where}: the class has two of them. Keep one.`);
    }
    metadata.declaration = { entityType: type, options };
  };
}
