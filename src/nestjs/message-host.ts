/**
 * How guards, interceptors, filters and parameter decorators see a message: the type of their context, and the message
 * in it. The arguments of such a context are always the message and its context, whatever kind of handler takes it.
 */
import type { ArgumentsHost } from '@nestjs/common';
import type { MessageContext } from '../entity/message-context.js';

/** What `host.getType()` says while a message is handled. */
export const ATOMIC_QUEUES_CONTEXT = 'atomic-queues';

/** For `host.getType<AtomicQueuesContextType>()`, which else knows the types of Nest only. */
export type AtomicQueuesContextType = typeof ATOMIC_QUEUES_CONTEXT;

export interface HandledMessage<T = unknown> {
  /** An instance of the message's class when that is known here, else plain data. As it arrived: before any pipe. */
  readonly message: T;
  /** The same as `currentMessage()` inside the handler. */
  readonly context: MessageContext;
}

/**
 * The message that a guard, interceptor, filter or parameter decorator is called for; undefined when it is called for
 * something else, an HTTP request for example, so that one class can serve both.
 */
export function messageOf<T = unknown>(host: ArgumentsHost): HandledMessage<T> | undefined {
  if (host.getType<string>() !== ATOMIC_QUEUES_CONTEXT) return undefined;
  const [message, context] = host.getArgs<[message: T, context: MessageContext]>();
  return { message, context };
}
