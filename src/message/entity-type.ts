/** `@EntityType` and its older name `@QueueEntity`: which kind of entity the messages of a class are addressed to. */
import { AtomicQueuesError } from '../runtime/error.js';
import { writableMetadata } from './class-metadata.js';
import { classLabel } from './class-reference.js';
import { checkEntityType, checkWireName } from './message-name.js';

export interface EntityTypeOptions {
  /** The wire name of the message. Default: the name of the class. Give one where a bundler renames classes. */
  readonly name?: string | undefined;
}

/**
 * Declares that messages of this class go to entities of `type`, e.g. `@EntityType('account')`. A class that extends
 * this one inherits the type, but has its own name.
 * @throws AtomicQueuesError `CONFIG_INVALID` for a type or name that is not allowed, a class without a name, and a
 *   second declaration on the same class.
 */
export function EntityType(type: string, options: EntityTypeOptions = {}): ClassDecorator {
  return (cls) => {
    const where = `@EntityType on ${classLabel(cls)}`;
    checkEntityType(type, where);
    const metadata = writableMetadata(cls);
    if (metadata.entityType !== undefined) {
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `${where}: the class is declared twice, for '${metadata.entityType}' and for '${type}'. Keep one.`,
      );
    }
    checkWireName(options.name ?? metadata.job?.name ?? cls.name, where);
    if (options.name !== undefined && metadata.job?.name !== undefined && metadata.job.name !== options.name) {
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `${where}: the class has two wire names, '${options.name}' and '${metadata.job.name}'. Keep one.`,
      );
    }
    metadata.entityType = type;
    if (options.name !== undefined) metadata.name = options.name;
  };
}

/** The older name of `@EntityType`. */
export const QueueEntity = EntityType;
