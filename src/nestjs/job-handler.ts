/** `@JobHandler`: which method of a `@WorkerProcessor` takes a message, and the job that it is called with. */
import { WILDCARD } from '../entity/handler-table.js';
import type { MessageContext } from '../entity/message-context.js';
import { type ClassReference, classLabel, isClass } from '../message/class-reference.js';
import { AtomicQueuesError } from '../message/errors.js';
import { checkWireName } from '../message/message-name.js';
import { writableProcessorMetadata } from './processor-metadata.js';

/** What a `@JobHandler` method gets as its first argument; the second one is the entity id. */
export interface Job<T = unknown> {
  /** The id that `enqueue` resolved to. */
  readonly id: string;
  /** The wire name of the message. */
  readonly name: string;
  /** An instance of the message's class when that is known here, else plain data. */
  readonly data: T;
  /** Attempts before this one: 0 at the first. */
  readonly attemptsMade: number;
  /** Wall time of acceptance, milliseconds since the epoch. */
  readonly timestamp: number;
}

export type JobHandlerDecorator = (target: object, method: string | symbol, descriptor?: PropertyDescriptor) => void;

/**
 * Marks a method as the handler of messages with a wire name, of a message class, or with `'*'` of every message of the
 * type that has no handler of its own. A method may have several.
 *
 * Which handler gets a message: the `@JobHandler` that names it, else its CQRS handler, else `@JobHandler('*')`.
 * @throws AtomicQueuesError `CONFIG_INVALID` for a name that is not allowed and on anything but an instance method.
 */
export function JobHandler(takes: string | ClassReference): JobHandlerDecorator {
  return (target, method, descriptor) => {
    const isStatic = typeof target === 'function';
    const cls = (isStatic ? target : target.constructor) as ClassReference;
    const where = `@JobHandler on ${classLabel(cls)}.${String(method)}`;
    const value: unknown = descriptor?.value;
    if (isStatic || typeof value !== 'function') {
      throw new AtomicQueuesError('CONFIG_INVALID', `${where}: it stands on an instance method, nowhere else.`);
    }
    if (!isClass(takes) && takes !== WILDCARD) checkWireName(takes, where);
    writableProcessorMetadata(cls).methods.push({ method, takes });
  };
}

export function toJob(message: unknown, context: MessageContext): Job {
  return {
    id: context.id,
    name: context.name,
    data: message,
    attemptsMade: context.attempt - 1,
    timestamp: context.enqueuedAt,
  };
}
