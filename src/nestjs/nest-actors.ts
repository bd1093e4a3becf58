/**
 * The actors of an application: finds the providers with `@Actor`, makes them known to the node, and has Nest work out once
 * what their constructors and properties get. With that, an instance for each entity is made by the class itself.
 *
 * Nest makes one instance of an actor too, as of every provider; it takes no messages.
 */
import 'reflect-metadata';
import { Scope, type Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { readActor } from '../actors/actor-metadata.js';
import type { ActorType, RunOnInstance } from '../actors/actor-type.js';
import { type DeclaredMethod, declareActor } from '../actors/declare-actor.js';
import { type ActorMaking, privateFieldsOf } from '../actors/state-fields.js';
import type { AtomicQueuesNode } from '../bus/node.js';
import { type ClassReference, classLabel, isClass } from '../message/class-reference.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { Logger } from '../runtime/logger.js';
import { checkBoundEnhancers, enhancersOf } from './enhancers.js';
import { type HandlerMethod, lastOf, messageItself, type RunMessage } from './handler-method.js';
import { methodRunner } from './handler-source.js';
import type { NestContexts } from './nest-contexts.js';
import { allProviders, type FoundProvider, moduleRefOf, providerLabel } from './providers.js';

interface FoundActor {
  readonly type: ActorType;
  readonly provider: FoundProvider;
  readonly cls: ClassReference;
}

/** Where Nest keeps which properties of a class it injects, in version 11 as in version 12. */
const INJECTED_PROPERTIES = 'self:properties_metadata';

export class NestActors {
  private readonly found: FoundActor[] = [];

  /** @throws AtomicQueuesError `CONFIG_INVALID` for actors that contradict each other or cannot work. */
  register(node: AtomicQueuesNode, modules: ModulesContainer, contexts: NestContexts, logger: Logger): void {
    for (const provider of allProviders(modules)) {
      const cls = provider.classes.find((each) => readActor(each) !== undefined);
      if (cls === undefined) continue;
      const label = providerLabel(cls, provider);
      checkProvider(provider, cls, label);
      const type = declareActor(node, cls, label, (method) => runOf(provider, cls, method, contexts));
      this.found.push({ type, provider, cls });
      const hidden = privateFieldsOf(cls);
      if (hidden.length > 0) {
        logger.warn(
          `${label} has private fields (${hidden.join(', ')}), which cannot be read from outside and so are not part of its ` +
            'state: they are lost when the actor leaves the memory. TypeScript\'s "private" makes fields that are.',
        );
      }
      logger.debug(`Entities of type ${type.entityType} are instances of ${label}.`);
    }
  }

  /**
   * Makes an instance of each, to see that it works. To be called when all providers have been made.
   * @throws AtomicQueuesError `STATE_INVALID` naming a field of the initial state that cannot be stored.
   */
  async prepare(): Promise<void> {
    for (const { type, provider, cls } of this.found.splice(0)) {
      checkScope(provider, type.label);
      type.prepare(await makingOf(provider, cls));
    }
  }
}

/** Every entity gets an instance of its own, so there must be a class to make it of. */
function checkProvider({ wrapper }: FoundProvider, cls: ClassReference, label: string): void {
  const isFactory = Array.isArray(wrapper.inject);
  if (isFactory || !isClass(wrapper.metatype)) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${label} is an actor, of which each entity gets an instance of its own, but it is provided as ${isFactory ? 'what a factory makes' : 'a value'}. Provide the class.`,
    );
  }
  if (wrapper.metatype !== (cls as unknown)) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${label} is an actor, and ${classLabel(wrapper.metatype)}, which stands in for it, is none. Let it extend ${classLabel(cls)}.`,
    );
  }
}

/** Looked at when all providers have been made: before, Nest does not know what depends on what. */
function checkScope({ wrapper }: FoundProvider, label: string): void {
  const dependencies = [
    ...(wrapper.getCtorMetadata() ?? []),
    ...(wrapper.getPropertiesMetadata() ?? []).map((property) => property.wrapper),
  ];
  // A guard or an interceptor of the actor may be request-scoped; the actor itself may not.
  if (wrapper.scope !== Scope.REQUEST && dependencies.every((each) => each.isDependencyTreeStatic())) return;
  throw new AtomicQueuesError(
    'CONFIG_INVALID',
    `${label} is request-scoped, or depends on something that is, but an actor serves many messages. The message is known from the second parameter of its methods, from currentMessage() and from the injectable MessageContext.`,
  );
}

/** What stands around a method is known when the first message comes; nearly always it is nothing. */
function runOf(
  provider: FoundProvider,
  cls: ClassReference,
  { method, messageClass }: DeclaredMethod,
  contexts: NestContexts,
): RunOnInstance {
  const handler: HandlerMethod = {
    provider,
    cls,
    method,
    messageClass,
    parameters: [messageItself, (_message, context) => context],
  };
  checkBoundEnhancers(provider, cls, method);
  let run: RunOnInstance | undefined;
  return (instance, message, context) => {
    run ??= enhancersOf(handler, contexts.config).isBare ? directly(method) : throughNest(handler, contexts);
    return run(instance, message, context);
  };
}

function directly(method: string | symbol): RunOnInstance {
  return (instance, message, context) =>
    lastOf((instance as Record<string | symbol, RunMessage>)[method]?.(message, context));
}

function throughNest(handler: HandlerMethod, contexts: NestContexts): RunOnInstance {
  const around = methodRunner(handler, contexts);
  const runs = new WeakMap<object, RunMessage>();
  return (instance, message, context) => {
    let run = runs.get(instance);
    if (run === undefined) runs.set(instance, (run = around(instance)));
    return run(message, context);
  };
}

/** Has Nest make one instance, and looks at what it gave it. */
async function makingOf(provider: FoundProvider, cls: ClassReference): Promise<ActorMaking> {
  const constructor = cls as unknown as Type<object>;
  let dependencies: readonly unknown[] = [];
  function Watched(...given: readonly unknown[]): object {
    dependencies = given;
    return new constructor(...given);
  }
  // It inherits the metadata by which Nest knows what to inject.
  Object.setPrototypeOf(Watched, constructor);
  Object.defineProperty(Watched, 'name', { value: constructor.name });
  Watched.prototype = constructor.prototype as object;
  const instance = await moduleRefOf(provider).create<object>(Watched as unknown as Type<object>);
  const properties = (Reflect.getMetadata(INJECTED_PROPERTIES, cls) ?? []) as readonly {
    readonly key: string | symbol;
  }[];
  const injected = new Map(
    properties.map(({ key }) => [key, (instance as Record<string | symbol, unknown>)[key]] as const),
  );
  return { cls, dependencies, injected };
}
