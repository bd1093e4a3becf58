/**
 * Runs a handler the way Nest runs a route: guards, interceptors, pipes, the method, interceptors, filters. Nest's own
 * `ExternalContextCreator` does it; this file tells it what a message is.
 *
 * Nest reads the parameters of a method from metadata under the method's name. Here they stand under a label of their
 * own, unique to each handler, so that nothing of the user's metadata is changed and two handlers never share an entry.
 */
import 'reflect-metadata';
import type { ContextId, ExternalContextCreator } from '@nestjs/core';
import { currentMessage, type MessageContext } from '../entity/message-context.js';
import type { ClassReference } from '../message/class-reference.js';
import { type CustomParameter, customParameters, type HandlerEnhancers } from './enhancers.js';
import { type HandlerMethod, lastOf, type RunMessage } from './handler-method.js';
import { ATOMIC_QUEUES_CONTEXT } from './message-host.js';

const METADATA = 'atomic-queues.parameters';
const PARAMETER_TYPES = 'design:paramtypes';
/** Nest's number for the body of a request, which pipes are told as `type: 'body'`; any it does not know is `'custom'`. */
const BODY = 3;
const OTHER = 100;
/** Of the errors that say that the request is wrong, those that say that it may be right later. */
const MAY_PASS_LATER = new Set([408, 425, 429]);

let labels = 0;

interface Parameter {
  readonly index: number;
  readonly data?: unknown;
  readonly pipes: readonly unknown[];
  readonly factory?: CustomParameter['factory'];
}

type Method = (this: unknown, ...parameters: unknown[]) => unknown;

export class HandlerPipeline {
  readonly #label: string;
  readonly #described = new WeakSet<object>();
  /** Messages whose guards and pipes have let them through. */
  readonly #letThrough = new WeakSet<MessageContext>();
  /** What the method has promised for a message, where an interceptor may have had enough before. */
  readonly #promised = new WeakMap<MessageContext, unknown[]>();
  /** Messages that have an outcome. */
  readonly #decided = new WeakSet<MessageContext>();

  constructor(
    private readonly creator: ExternalContextCreator,
    private readonly handler: HandlerMethod,
    private readonly enhancers: HandlerEnhancers,
  ) {
    labels += 1;
    this.#label = `${String(handler.method)}:atomic-queues:${labels}`;
  }

  /**
   * The method of this instance with everything around it.
   * @param contextId the one that the instance was made in. Default: it is the only instance.
   */
  around(instance: object, contextId?: ContextId): RunMessage {
    const { hasFilters } = this.enhancers;
    const callback = this.#callback(instance);
    const inner = this.#create(instance, callback, this.#label, contextId, {
      guards: true,
      interceptors: true,
      filters: !hasFilters,
    });
    const target = hasFilters ? this.#filtered(inner, instance, callback, contextId) : inner;
    return async (message, context) => {
      try {
        // What a filter returned has not been waited for yet.
        return await lastOf(await target(message, context));
      } catch (error) {
        if (!this.#letThrough.has(context)) ruleOutRetry(error);
        throw error;
      } finally {
        // An interceptor may give an answer, or give up, while the method is still at work. The entity is not free before
        // the method has settled (I3).
        this.#decided.add(context);
        const promised = this.#promised.get(context);
        if (promised !== undefined) await Promise.allSettled(promised);
      }
    };
  }

  #create(
    instance: object,
    callback: Method,
    label: string,
    contextId: ContextId | undefined,
    around: { readonly guards: boolean; readonly interceptors: boolean; readonly filters: boolean },
  ): RunMessage {
    return this.creator.create(
      instance,
      callback,
      label,
      METADATA,
      { exchangeKeyForValue: (type, _data, args) => this.#parameter(type, args as [unknown, MessageContext]) },
      contextId,
      this.handler.provider.wrapper.id,
      around,
      ATOMIC_QUEUES_CONTEXT,
    ) as RunMessage;
  }

  /**
   * The filters around all the rest. A filter that returns nothing has not handled the error. Nest sees that only where it is
   * not told by way of a promise or an Observable, and a message that failed would count as completed.
   */
  #filtered(inner: RunMessage, instance: object, method: Method, contextId: ContextId | undefined): RunMessage {
    const failures = new WeakMap<MessageContext, { readonly error: unknown }>();
    const noting = async (message: unknown, context: MessageContext): Promise<unknown> => {
      try {
        return await lastOf(await inner(message, context));
      } catch (error) {
        failures.set(context, { error });
        throw error;
      }
    };
    const callback = Object.setPrototypeOf(noting, method) as Method;
    const outer = this.#create(instance, callback, `${this.#label}:filters`, contextId, {
      guards: false,
      interceptors: false,
      filters: true,
    });
    return async (message, context) => {
      const result = await lastOf(await outer(message, context));
      const failure = failures.get(context);
      if (result === undefined && failure !== undefined) throw failure.error;
      return result;
    };
  }

  /**
   * The method itself, so that `getHandler()` finds its metadata. Where Nest would give the pipes more than the message, or
   * knows nothing of the method's parameters, or where it has to be known how long the method is at work, a function stands
   * in for it that inherits all it has.
   */
  #callback(instance: object): Method {
    const { method, parameters } = this.handler;
    const own = (instance as Record<string | symbol, Method>)[method] as Method;
    const host = instance.constructor as ClassReference | undefined;
    const isPlain = typeof host !== 'function' || host === Object;
    const hasOwnParameters = !isPlain && customParameters(host, method).length > 0;
    const makesParameters = isPlain || (parameters.length > 1 && this.enhancers.hasPipes && !hasOwnParameters);
    if (!isPlain && !this.#described.has(host)) {
      this.#described.add(host);
      this.#describe(host, makesParameters);
    }
    const { hasInterceptors } = this.enhancers;
    if (!makesParameters && !hasInterceptors) return own;
    const [letThrough, promised, decided] = [this.#letThrough, this.#promised, this.#decided];
    const standIn: Method = function (...given) {
      const context = currentMessage();
      if (context === undefined || decided.has(context)) {
        throw new Error('The message ended before its handler was called.');
      }
      letThrough.add(context);
      const result = own.apply(this, makesParameters ? parameters.map((each) => each(given[0], context)) : given);
      if (hasInterceptors && isThenable(result)) {
        promised.set(context, [...(promised.get(context) ?? []), result]);
      }
      return result;
    };
    Object.defineProperty(standIn, 'name', { value: own.name });
    return Object.setPrototypeOf(standIn, own) as Method;
  }

  /** Leaves the metadata of the parameters where Nest looks for it. */
  #describe(host: ClassReference, hasStandIn: boolean): void {
    const { method, parameters, messageClass } = this.handler;
    const described: Record<string, Parameter> = {};
    for (const [index, make] of parameters.entries()) {
      if (index === 0) {
        const last = hasStandIn ? (message: unknown): unknown => message : this.#lastPipe(make);
        described[`${BODY}:0`] = { index, pipes: [{ transform: last }] };
      } else if (!hasStandIn) described[`${OTHER + index}:${index}`] = { index, pipes: [] };
    }
    for (const { key, index, data, factory, pipes = [] } of customParameters(host, method)) {
      delete described[`${index === 0 ? BODY : OTHER + index}:${index}`];
      described[key] = {
        index,
        data,
        pipes,
        factory: (given, context) => factory(given, knowing(context, host, method)),
      };
    }
    const types = [...((Reflect.getMetadata(PARAMETER_TYPES, host.prototype, method) as unknown[] | undefined) ?? [])];
    if (messageClass !== undefined && (types[0] === undefined || types[0] === Object)) types[0] = messageClass;
    for (const target of new Set<object>([host, (host.prototype as { constructor: object }).constructor])) {
      Reflect.defineMetadata(METADATA, described, target, this.#label);
    }
    Reflect.defineMetadata(PARAMETER_TYPES, types, host.prototype as object, this.#label);
  }

  /** Comes after the pipes of the user: the message has been let through, and becomes the first parameter. */
  #lastPipe(make: HandlerMethod['parameters'][0]): (message: unknown) => unknown {
    return (message) => {
      const context = currentMessage() as MessageContext;
      this.#letThrough.add(context);
      return make(message, context);
    };
  }

  #parameter(type: number, [message, context]: readonly [message: unknown, context: MessageContext]): unknown {
    return type === BODY ? message : this.handler.parameters[type - OTHER]?.(message, context);
  }
}

function isThenable(value: unknown): boolean {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}

/** Nest looks the handler up by the label, so that a parameter's decorator would not be told it. */
function knowing(context: object, host: ClassReference, method: string | symbol): object {
  const getHandler = (): unknown => (host.prototype as Record<string | symbol, unknown>)[method];
  return Object.create(context, { getHandler: { value: getHandler } }) as object;
}

/**
 * A guard or a pipe that finds the message at fault (an HTTP status from 400 to 499) would find the same again: no other
 * attempt is made. The mark does not travel with the error.
 */
function ruleOutRetry(error: unknown): void {
  if (!(error instanceof Error) || Object.hasOwn(error, 'retryable') || !Object.isExtensible(error)) return;
  const { getStatus } = error as { readonly getStatus?: unknown };
  if (typeof getStatus !== 'function') return;
  const status: unknown = getStatus.call(error);
  if (typeof status !== 'number' || status < 400 || status > 499 || MAY_PASS_LATER.has(status)) return;
  Object.defineProperty(error, 'retryable', { value: false, configurable: true, writable: true });
}
