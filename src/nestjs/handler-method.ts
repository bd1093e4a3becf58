/** One method of a provider that takes messages: what it is, and how it is called as it is, without anything around it. */
import { isObservable, lastValueFrom } from 'rxjs';
import type { MessageContext } from '../entity/message-context.js';
import type { ClassReference } from '../message/class-reference.js';
import type { FoundProvider } from './providers.js';

export interface HandlerMethod {
  /** Where the instance comes from; also whose guards, pipes, interceptors and filters there are. */
  readonly provider: FoundProvider;
  /** The class that carries the decorators. */
  readonly cls: ClassReference;
  readonly method: string | symbol;
  /** The class of the messages, when it takes one only: for pipes that look at the type of what they get. */
  readonly messageClass?: ClassReference | undefined;
  /** What the method is called with. The first is made of the message as the pipes left it. */
  readonly parameters: readonly [HandlerParameter, ...HandlerParameter[]];
}

export type HandlerParameter = (message: unknown, context: MessageContext) => unknown;

/** Handles one message. */
export type RunMessage = (message: unknown, context: MessageContext) => unknown;

/** For methods whose only parameter is the message. */
export const messageItself: HandlerParameter = (message) => message;

type Callable = Record<string | symbol, (...parameters: unknown[]) => unknown>;

/** Nothing stands between the message and the method. */
export function callDirectly(instance: object, { method, parameters }: HandlerMethod): RunMessage {
  const callable = instance as Callable;
  const [first, ...others] = parameters;
  if (others.length === 0) return (message, context) => lastOf(callable[method]?.(first(message, context)));
  return (message, context) => lastOf(callable[method]?.(...parameters.map((each) => each(message, context))));
}

/** An Observable stands for its last value, as everywhere in Nest. */
export function lastOf(result: unknown): unknown {
  return isObservable(result) ? lastValueFrom(result) : result;
}
