/**
 * What the engine needs to know of an actor type: how an instance wakes, runs a message, tells its state and takes a
 * failed message's changes back. `src/actors` implements it; the engine decides when, and knows nothing else of actors.
 *
 * All handler entries of one entity type that belong to its actor share one binding, so an entity has one instance.
 */
import type { MessageContext } from './message-context.js';

export interface ActorBinding {
  /** `statePersistence`: the state is stored with each completion. Otherwise it lives as long as the instance. */
  readonly persistence: boolean;
  /** Milliseconds after the last change of its state at which the store forgets it. Undefined: never. */
  readonly stateTtlMs: number | undefined;
  /**
   * `state`: its handlers do nothing but change the state, send messages and reply, so they need no durable start (I2).
   */
  readonly effects: 'any' | 'state';
  /** `atomic`: what its handlers enqueue becomes durable with their completion. Undefined: as the entity type has it. */
  readonly outbox?: 'atomic' | undefined;
  /** `actorIdleTimeout`: milliseconds without a message after which an instance goes out of memory. */
  readonly idleTimeoutMs: number;
  /**
   * A fresh instance, from stored JSON text or from nothing. It may be asynchronous.
   * @throws AtomicQueuesError `STATE_INVALID` when it cannot be made from what is stored.
   */
  wake(entityType: string, entityId: string, stored: string | undefined): ActorInstance | Promise<ActorInstance>;
}

export interface ActorCall {
  /** The message's wire name. */
  readonly name: string;
  readonly message: unknown;
  readonly context: MessageContext;
}

/** One instance in memory. The engine runs one message of it at a time. */
export interface ActorInstance {
  /** Runs one message; what it returns is the reply. */
  run(call: ActorCall): unknown;
  /**
   * JSON text of the state as it is now; undefined if it is as it was at the last `kept`; null: there is no state.
   * @throws AtomicQueuesError `STATE_INVALID` naming the field that cannot be stored.
   */
  snapshot(): string | null | undefined;
  /** The state as it is now is durable or part of what will be committed: `restore` comes back to it. */
  kept(): void;
  /** Puts the fields back as they were at the last `kept`, or at waking: the handler failed. */
  restore(): void;
}
