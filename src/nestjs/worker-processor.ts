/** `@WorkerProcessor`: a provider whose `@JobHandler` methods take messages of one entity type. */

import { classLabel } from '../message/class-reference.js';
import { AtomicQueuesError } from '../message/errors.js';
import { checkEntityType } from '../message/message-name.js';
import type { EntityConfig } from '../runtime/config.js';
import { writableProcessorMetadata } from './processor-metadata.js';

/** The entity type, and options of the type that could stand in the configuration under `entities.<type>` as well. */
export interface WorkerProcessorOptions extends EntityConfig {
  readonly entityType: string;
}

/**
 * Declares a processor for messages of `options.entityType`. List the class as a provider. Options given here and in the
 * configuration must agree; what is wrong with them fails the start with `CONFIG_INVALID`.
 * @throws AtomicQueuesError `CONFIG_INVALID` for an entity type that is not allowed, and for a second
 *   `@WorkerProcessor` on the class.
 */
export function WorkerProcessor(options: WorkerProcessorOptions): ClassDecorator {
  return (cls) => {
    const where = `@WorkerProcessor on ${classLabel(cls)}`;
    if (typeof options !== 'object' || options === null) {
      throw new AtomicQueuesError('CONFIG_INVALID', `${where}: expected an object with entityType.`);
    }
    checkEntityType(options.entityType, where);
    const metadata = writableProcessorMetadata(cls);
    if (metadata.options !== undefined) {
      throw new AtomicQueuesError('CONFIG_INVALID', `${where}: the class has two of them. Keep one.`);
    }
    metadata.options = options;
  };
}
