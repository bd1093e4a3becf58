/**
 * `@JobCommand` and `@JobQuery`: mark a message class as a command or a query for routing by name, where the kind
 * cannot be told from a registered CQRS handler.
 */
import { AtomicQueuesError } from '../runtime/error.js';
import { classChain, type JobMark, ownMetadata, writableMetadata } from './class-metadata.js';
import { classLabel } from './class-reference.js';
import type { MessageKind } from './envelope.js';
import { checkWireName } from './message-name.js';

export type { JobMark } from './class-metadata.js';

/**
 * Marks a class as a command. `name` is its wire name; default: the one of `@EntityType`, else the name of the class.
 * @throws AtomicQueuesError `CONFIG_INVALID` for a name that is not allowed and for a second mark on the class.
 */
export function JobCommand(name?: string): ClassDecorator {
  return mark('command', name);
}

/** Marks a class as a query; see `JobCommand`. */
export function JobQuery(name?: string): ClassDecorator {
  return mark('query', name);
}

/** The mark of a class. One that it inherits gives the kind, but not the name. */
export function readJobMark(cls: object): JobMark | undefined {
  for (const at of classChain(cls)) {
    const job = ownMetadata(at)?.job;
    if (job !== undefined) return at === cls ? job : { kind: job.kind, name: undefined };
  }
  return undefined;
}

function mark(kind: MessageKind, name: string | undefined): ClassDecorator {
  const decorator = kind === 'command' ? '@JobCommand' : '@JobQuery';
  return (cls) => {
    const where = `${decorator} on ${classLabel(cls)}`;
    if (name !== undefined) checkWireName(name, where);
    const metadata = writableMetadata(cls);
    if (metadata.job !== undefined) {
      throw new AtomicQueuesError('CONFIG_INVALID', `${where}: the class is already marked as a ${metadata.job.kind}.`);
    }
    if (name !== undefined && metadata.name !== undefined && metadata.name !== name) {
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `${where}: the class has two wire names, '${metadata.name}' and '${name}'. Keep one.`,
      );
    }
    metadata.job = { kind, name };
  };
}
