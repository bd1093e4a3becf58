/** Actor types for unit tests, without a node: made, prepared and woken by hand. */

import { readActor } from '../../../src/actors/actor-metadata.js';
import { type ActorOptions, resolveActorOptions } from '../../../src/actors/actor-options.js';
import { ActorType } from '../../../src/actors/actor-type.js';
import type { ActorInstance } from '../../../src/entity/actor-port.js';
import type { MessageContext } from '../../../src/entity/message-context.js';
import type { ClassReference } from '../../../src/message/class-reference.js';

export const LIMITS = { payloadBytesMax: 1_048_576, payloadDepthMax: 64 };

export interface Lab {
  readonly type: ActorType;
  wake(stored?: string): ActorInstance;
  /** The user's object inside. */
  objectOf<T>(instance: ActorInstance): T;
}

/** Every method of the class takes the message of its own name. */
export function labOf(cls: object, options: ActorOptions = {}, dependencies: readonly unknown[] = []): Lab {
  const reference = cls as ClassReference;
  const type = new ActorType({
    cls: reference,
    label: reference.name,
    entityType: 'cart',
    options: resolveActorOptions(options, undefined),
    transient: readActor(cls)?.transient ?? new Set(),
    limits: LIMITS,
  });
  for (const method of Object.getOwnPropertyNames(reference.prototype)) {
    type.addMethod(method, { method });
  }
  type.prepare({ cls: reference, dependencies, injected: new Map() });
  return {
    type,
    wake: (stored) => type.wake('cart', 'c-1', stored) as ActorInstance,
    objectOf: (instance) => (instance as unknown as { readonly instance: never }).instance,
  };
}

export function call(instance: ActorInstance, name: string, message: unknown = {}): unknown {
  return instance.run({ name, message, context: {} as MessageContext });
}

/** What a successful message does to its actor. Returns the text that would be stored. */
export function complete(instance: ActorInstance, name: string, message: unknown = {}): string | null | undefined {
  call(instance, name, message);
  const text = instance.snapshot();
  instance.kept();
  return text;
}

/** The error that an action ends with. */
export function thrownBy(
  action: () => unknown,
): Error & { readonly code?: string; readonly details?: { path?: string } } {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('Expected an error.');
}
