/**
 * Where the instance of a handler comes from: one for the whole application, or, when the handler or something that it
 * depends on (a guard too) is request-scoped or transient, a fresh one for each message. The message is the request then.
 *
 * Owns what is decided once per handler, at its first message: whether its method is called as it is, or by way of
 * guards, pipes, interceptors and filters.
 */
import { type ContextId, ContextIdFactory, type ModuleRef } from '@nestjs/core';
import type { HandlerEntry } from '../entity/handler-table.js';
import type { MessageContext } from '../entity/message-context.js';
import { enhancersOf, type HandlerEnhancers } from './enhancers.js';
import { callDirectly, type HandlerMethod, type RunMessage } from './handler-method.js';
import { HandlerPipeline } from './handler-pipeline.js';
import { MessageRequest } from './message-request.js';
import type { NestContexts } from './nest-contexts.js';
import { moduleRefOf, type ProviderWrapper } from './providers.js';

/**
 * The `run` of a handler entry. Nothing of the provider is looked at before the first message: the store may be opened
 * while Nest still makes instances.
 */
export function runOn(handler: HandlerMethod, contexts: NestContexts): HandlerEntry['run'] {
  let run: RunMessage | undefined;
  return ({ message, context }) => {
    run ??= runOf(handler, contexts);
    return run(message, context);
  };
}

/**
 * For those who make the instances themselves and keep each for many messages, as actors are kept: gives an instance's
 * method with the same guards, pipes, interceptors and filters around it. Those that are request-scoped are made for each
 * message; the instance is not. To be called with an instance only once the application has been initialised.
 */
export function methodRunner(handler: HandlerMethod, contexts: NestContexts): (instance: object) => RunMessage {
  let around: ((instance: object) => RunMessage) | undefined;
  return (instance) => {
    around ??= aroundKept(handler, contexts, enhancersOf(handler, contexts.config));
    return around(instance);
  };
}

function runOf(handler: HandlerMethod, contexts: NestContexts): RunMessage {
  const { provider } = handler;
  const { wrapper } = provider;
  const enhancers = enhancersOf(handler, contexts.config);
  useScopedGlobals(wrapper, enhancers);
  if (wrapper.isDependencyTreeStatic() && !wrapper.isTransient) {
    return aroundKept(handler, contexts, enhancers)(wrapper.instance as object);
  }
  const pipeline = enhancers.isBare ? undefined : new HandlerPipeline(contexts.creator, handler, enhancers);
  return async (message, context) => {
    const contextId = contextOf(wrapper, moduleRefOf(provider), message, context);
    const instance = await moduleRefOf(provider).resolve<object>(wrapper.token as string, contextId);
    const run = pipeline === undefined ? callDirectly(instance, handler) : pipeline.around(instance, contextId);
    return run(message, context);
  };
}

/** Nest gives them to controllers. A handler that has one becomes request-scoped with it, as a controller does. */
function useScopedGlobals(wrapper: ProviderWrapper, { scopedGlobals }: HandlerEnhancers): void {
  for (const each of scopedGlobals) {
    if (wrapper.getEnhancersMetadata()?.includes(each) !== true) wrapper.addEnhancerMetadata(each);
  }
}

/** Around instances that serve many messages. */
function aroundKept(
  handler: HandlerMethod,
  contexts: NestContexts,
  enhancers: HandlerEnhancers,
): (instance: object) => RunMessage {
  if (enhancers.isBare) return (instance) => callDirectly(instance, handler);
  const { wrapper } = handler.provider;
  const pipeline = new HandlerPipeline(contexts.creator, handler, enhancers);
  const all = [...new Set([...(wrapper.getEnhancersMetadata() ?? []), ...enhancers.scopedGlobals])];
  const scoped = all.filter((each) => !each.isDependencyTreeStatic());
  const transients = all.filter((each) => each.isTransient && each.isDependencyTreeStatic());
  if (scoped.length > 0) {
    return (instance) => async (message, context) => {
      const contextId = contextOf(wrapper, moduleRefOf(handler.provider), message, context);
      await makeFor(wrapper, [...scoped, ...transients], contextId);
      return pipeline.around(instance, contextId)(message, context);
    };
  }
  if (transients.length === 0) return (instance) => pipeline.around(instance);
  // Nest makes transient enhancers for the providers that it starts itself.
  const contextId = ContextIdFactory.create();
  let made: Promise<void> | undefined;
  return (instance) => {
    let run: RunMessage | undefined;
    return async (message, context) => {
      made ??= makeFor(wrapper, transients, contextId);
      await made;
      run ??= pipeline.around(instance, contextId);
      return run(message, context);
    };
  };
}

async function makeFor(
  inquirer: ProviderWrapper,
  enhancers: readonly ProviderWrapper[],
  contextId: ContextId,
): Promise<void> {
  for (const each of enhancers) {
    if (each.host === undefined) continue;
    const instance = await moduleRefOf({ module: each.host }).resolve<object>(each.token as string, contextId);
    if (!each.isTransient) continue;
    each.setInstanceByContextId(contextId, { instance, isResolved: true, isConstructorCalled: true }, inquirer.id);
  }
}

/** The context of one message, in which what is made for it is made. */
function contextOf(
  wrapper: ProviderWrapper,
  moduleRef: ModuleRef,
  message: unknown,
  context: MessageContext,
): ContextId {
  const request = new MessageRequest(message, context);
  const contextId = ContextIdFactory.getByRequest(request);
  // A durable tree is shared between requests, so it gets what its strategy attached instead of one message.
  moduleRef.registerRequestByContextId(wrapper.isDependencyTreeDurable() ? contextId.payload : request, contextId);
  return contextId;
}
