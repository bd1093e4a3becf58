/**
 * Where the instance of a handler comes from: one for the whole application, or, when the handler or something that it
 * depends on is request-scoped or transient, a fresh one for each message. The message's context is the request then.
 */
import { ContextIdFactory } from '@nestjs/core';
import type { Delivery, HandlerEntry } from '../entity/handler-table.js';
import type { MessageContext } from '../entity/message-context.js';
import { type FoundProvider, moduleRefOf } from './providers.js';

/**
 * The `run` of a handler entry. Nothing of the provider is looked at before the first message: the store may be opened
 * while Nest still makes instances.
 */
export function runOn(
  provider: FoundProvider,
  call: (instance: object, delivery: Delivery) => unknown,
): HandlerEntry['run'] {
  const { wrapper } = provider;
  let shared: object | undefined;
  return (delivery) => {
    if (shared === undefined) {
      if (!wrapper.isDependencyTreeStatic() || wrapper.isTransient) {
        return freshInstance(provider, delivery.context).then((instance) => call(instance, delivery));
      }
      shared = wrapper.instance as object;
    }
    return call(shared, delivery);
  };
}

async function freshInstance(provider: FoundProvider, context: MessageContext): Promise<object> {
  const { wrapper } = provider;
  const moduleRef = moduleRefOf(provider);
  const contextId = ContextIdFactory.getByRequest(context);
  // A durable tree is shared between requests, so it gets what its strategy attached instead of one message.
  moduleRef.registerRequestByContextId(wrapper.isDependencyTreeDurable() ? contextId.payload : context, contextId);
  return moduleRef.resolve<object>(wrapper.token as string, contextId);
}
