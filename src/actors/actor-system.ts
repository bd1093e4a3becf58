/**
 * The way to one entity by its address: `send(type, id, message)`. It goes through the bus, so that everything that holds
 * for `enqueue` and `enqueueAndWait` holds here; the message need not carry the id of its entity.
 */
import type { AtomicQueuesNode } from '../bus/node.js';
import type { EnqueueOptions, Receipt, Submission, WaitOptions } from '../entity/submission.js';
import { isClass } from '../message/class-reference.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import { readMessageClass } from '../message/message-class.js';
import { undeclaredName } from '../message/message-registry.js';
import type { Undeclared, WaitedReply } from '../message/reply.js';

export class ActorSystem {
  constructor(private readonly node: AtomicQueuesNode) {}

  /**
   * Resolves when the message is durable; see `QueueBus.enqueue`. `message` is an instance of a message class, with or
   * without `@EntityType`; or give its wire name and its data.
   */
  send(entityType: string, entityId: string, message: object, options?: EnqueueOptions): Promise<Receipt>;
  send(
    entityType: string,
    entityId: string,
    name: string,
    payload: unknown,
    options?: EnqueueOptions,
  ): Promise<Receipt>;
  send(
    entityType: string,
    entityId: string,
    message: object | string,
    fourth?: unknown,
    fifth?: EnqueueOptions,
  ): Promise<Receipt> {
    return this.node.queueBus.submit(() => this.make(entityType, entityId, message, fourth, fifth));
  }

  /** Resolves with what the actor's method returned; see `QueueBus.enqueueAndWait`. */
  sendAndWait<R = never, M extends object = object>(
    entityType: string,
    entityId: string,
    message: M,
    options?: WaitOptions,
  ): Promise<WaitedReply<R, M>>;
  sendAndWait<R = Undeclared>(
    entityType: string,
    entityId: string,
    name: string,
    payload: unknown,
    options?: WaitOptions,
  ): Promise<R>;
  sendAndWait(
    entityType: string,
    entityId: string,
    message: object | string,
    fourth?: unknown,
    fifth?: WaitOptions,
  ): Promise<unknown> {
    return this.node.queueBus.submitAndWait(() => this.make(entityType, entityId, message, fourth, fifth));
  }

  private make(
    entityType: string,
    entityId: string,
    message: unknown,
    fourth: unknown,
    fifth: EnqueueOptions | undefined,
  ): Submission {
    const { queueBus } = this.node;
    if (typeof message === 'string') return queueBus.raw(entityType, message, entityId, fourth, fifth);
    const name = this.nameOf(message, entityType, entityId);
    return queueBus.raw(entityType, name, entityId, message, fourth as EnqueueOptions | undefined);
  }

  /** @throws AtomicQueuesError `INVALID_PAYLOAD` for what does not say its name, or is for another type or entity. */
  private nameOf(message: unknown, entityType: string, entityId: string): string {
    const cls: unknown =
      typeof message === 'object' && message !== null
        ? (Object.getPrototypeOf(message) as { constructor?: unknown } | null)?.constructor
        : undefined;
    if (!isClass(cls) || (cls as unknown) === Object || (cls as unknown) === Array) {
      throw refuse(
        'Expected an instance of a message class: only its class says the name. Or use the form send(type, id, name, payload).',
        { entityType, entityId },
      );
    }
    const known = readMessageClass(cls);
    if (known === undefined) return undeclaredName(cls);
    this.node.registry.register(cls);
    const { name } = known;
    const subject = { entityType, entityId, name };
    if (known.entityType !== entityType) {
      throw refuse(`"${name}" is for entity type "${known.entityType}", but it was sent to "${entityType}".`, subject);
    }
    const property = known.entityIdProperty ?? this.node.config.entityType(entityType).defaultEntityId;
    const own = property === undefined ? undefined : (message as Record<string, unknown>)[property];
    if (own !== undefined && own !== entityId) {
      throw refuse(
        `"${name}" is for ${entityType} ${JSON.stringify(own)} (property '${property ?? ''}'), but it was sent to ${JSON.stringify(entityId)}.`,
        subject,
      );
    }
    return name;
  }
}

function refuse(text: string, subject: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError('INVALID_PAYLOAD', text, { subject });
}
