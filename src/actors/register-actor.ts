/** Actors without NestJS. */
import type { AtomicQueuesNode } from '../bus/node.js';
import { type ClassReference, classLabel } from '../message/class-reference.js';
import { AtomicQueuesError } from '../message/errors.js';
import { declareActor } from './declare-actor.js';

/** A class with `@Actor`. */
export type ActorClass = new (...dependencies: never[]) => object;

/**
 * Registers an actor with a node, before the node is opened. `dependencies` are what its constructor gets: the same for
 * every entity, and no part of their states.
 *
 *     registerActor(node, AccountActor, ledger);
 *
 * @throws AtomicQueuesError `CONFIG_INVALID` for a class that is no actor or takes no message, a second actor of its type,
 *   a message that something else takes too, and dependencies that are missing; `STATE_INVALID` naming the field when the
 *   state that its constructor makes cannot be stored.
 */
export function registerActor<A extends ActorClass>(
  node: AtomicQueuesNode,
  cls: A,
  ...dependencies: ConstructorParameters<A>
): void {
  const given: readonly unknown[] = dependencies;
  if (typeof cls === 'function' && given.length < cls.length) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `The constructor of ${classLabel(cls)} takes ${cls.length} dependencies, and registerActor got ${given.length} for it.`,
    );
  }
  const reference = cls as unknown as ClassReference;
  const type = declareActor(node, reference);
  type.prepare({ cls: reference, dependencies: given, injected: new Map() });
}
