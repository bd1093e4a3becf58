/** `@On`: which method of an actor takes a message. */
import { WILDCARD } from '../entity/handler-table.js';
import { type ClassReference, classLabel, isClass } from '../message/class-reference.js';
import type { MessageKind } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';
import { checkWireName } from '../message/message-name.js';
import { writableActorMetadata } from './actor-metadata.js';

export interface OnOptions {
  /**
   * `query`: reads only and is not stored; what it changes in the state is taken back. Default: what `@JobCommand` or
   * `@JobQuery` on the message says, else `command`.
   */
  readonly kind?: MessageKind | undefined;
}

export type OnDecorator = (target: object, method: string | symbol, descriptor?: PropertyDescriptor) => void;

/**
 * Marks a method as the one that takes messages of a class, with a wire name, or with `'*'` every message of the type that
 * has no method or handler of its own. A method may have several. It is called with the message and its context.
 * @throws AtomicQueuesError `CONFIG_INVALID` for a name that is not allowed and on anything but an instance method.
 */
export function On(takes: string | ClassReference, options: OnOptions = {}): OnDecorator {
  return (target, method, descriptor) => {
    const isStatic = typeof target === 'function';
    const cls = (isStatic ? target : target.constructor) as ClassReference;
    const where = `@On on ${classLabel(cls)}.${String(method)}`;
    const value: unknown = descriptor?.value;
    if (isStatic || typeof value !== 'function') {
      throw new AtomicQueuesError('CONFIG_INVALID', `${where}: it stands on an instance method, nowhere else.`);
    }
    if (!isClass(takes) && takes !== WILDCARD) checkWireName(takes, where);
    const { kind } = options;
    if (kind !== undefined && kind !== 'command' && kind !== 'query') {
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `${where}: kind is ${JSON.stringify(kind)}; expected 'command' or 'query'.`,
      );
    }
    writableActorMetadata(cls).methods.push({ method, takes, kind });
  };
}
