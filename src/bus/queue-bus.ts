/**
 * The way in. A message class or a raw (type, name, id, payload) becomes a submission: encoded, its entity and its handler
 * known, so that whatever is wrong is told here and not later.
 */

import type { Introspection } from '../contracts/introspection.js';
import type { MessageStatus as StoredStatus } from '../entity/operations.js';
import type { EnqueueOptions, Receipt, Submission, WaitOptions } from '../entity/submission.js';
import { decodeReply, encodePayload } from '../message/codec.js';
import { AtomicQueuesError, reviveError } from '../message/errors.js';
import { type MessageClass, resolveEntityId, validateEntityId } from '../message/message-class.js';
import type { Undeclared, WaitedReply } from '../message/reply.js';
import { nearestName } from '../runtime/nearest-name.js';
import {
  checkedBulk,
  checkedId,
  checkedName,
  checkedOptions,
  checkedScope,
  checkedType,
  unknownEntityType,
} from './call-arguments.js';
import { EntityScope, EntityTypeScope } from './entity-scope.js';
import { noActorMethod } from './no-actor-method.js';
import { OperatorCalls } from './operator-calls.js';
import { Reminders } from './reminders.js';

export interface MessageStatus {
  readonly id: string;
  /**
   * `enqueued` (also while delayed or backing off), `dispatched` (marked as started), a final state, or `unknown`: never
   * accepted here, or ended long ago and kept for nobody (give a `messageId` to have the verdict kept).
   */
  readonly state: StoredStatus['state'];
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
  /** Attempts started so far. */
  readonly attempt?: number | undefined;
  /** The kept reply of a completed message. */
  readonly reply?: unknown;
  /** Why it did not complete. */
  readonly error?: Error | undefined;
}

export class QueueBus extends OperatorCalls {
  /** All reminders; those of one entity are set and forgotten by `forEntity(type, id)`. */
  readonly reminders = new Reminders(this.node);

  /**
   * Resolves when the message is durable. It runs later, in its entity's line.
   * @throws AtomicQueuesError (as a rejection) with the code of what was wrong; nothing was kept then.
   */
  enqueue(message: object, options?: EnqueueOptions): Promise<Receipt>;
  enqueue(
    entityType: string,
    name: string,
    entityId: string,
    payload: unknown,
    options?: EnqueueOptions,
  ): Promise<Receipt>;
  enqueue(
    first: object | string,
    second?: unknown,
    third?: unknown,
    fourth?: unknown,
    fifth?: unknown,
  ): Promise<Receipt> {
    return typeof first === 'string'
      ? this.submit(() => this.raw(first, second, third, fourth, fifth as EnqueueOptions | undefined))
      : this.submit(() => this.fromMessage(first, second as EnqueueOptions | undefined));
  }

  /**
   * Resolves with what the handler returned, after that is durable. The type of the reply comes from the message class.
   * @throws AtomicQueuesError (as a rejection): `HANDLER_FAILED` with the handler's error as `cause`, `REPLY_TIMEOUT`
   *   (the message goes on), `DEADLOCK`, `EXPIRED`, `CANCELLED`, `INTERRUPTED`, or the code of what was wrong at the door.
   */
  enqueueAndWait<R = never, M extends object = object>(message: M, options?: WaitOptions): Promise<WaitedReply<R, M>>;
  enqueueAndWait<R = Undeclared>(
    entityType: string,
    name: string,
    entityId: string,
    payload: unknown,
    options?: WaitOptions,
  ): Promise<R>;
  enqueueAndWait(
    first: object | string,
    second?: unknown,
    third?: unknown,
    fourth?: unknown,
    fifth?: unknown,
  ): Promise<unknown> {
    return typeof first === 'string'
      ? this.submitAndWait(() => this.raw(first, second, third, fourth, fifth as WaitOptions | undefined))
      : this.submitAndWait(() => this.fromMessage(first, second as WaitOptions | undefined));
  }

  /**
   * All messages in one commit, or none of them; on Redis, all of those that share a shard. The receipts stand in the order
   * of the messages.
   * @throws AtomicQueuesError (as a rejection): when other shards took theirs all the same, `details.accepted` names them.
   */
  enqueueBulk(messages: readonly object[], options?: EnqueueOptions): Promise<Receipt[]> {
    return this.submitBulk(() => checkedBulk(messages, options).map((message) => this.fromMessage(message, options)));
  }

  /**
   * The bus for one entity type, or for one entity.
   * @throws AtomicQueuesError `INVALID_PAYLOAD` or `ENTITY_ID_MISSING`; an `entityId` that is undefined is refused too.
   */
  forEntity(entityType: string): EntityTypeScope;
  forEntity(entityType: string, entityId: string): EntityScope;
  forEntity(...args: readonly [entityType: string, entityId?: string]): EntityTypeScope | EntityScope {
    const { entityType, entityId } = checkedScope(args, 'forEntity');
    return entityId === undefined ? new EntityTypeScope(this, entityType) : new EntityScope(this, entityType, entityId);
  }

  /**
   * Which entity types and messages there are, what they look like and which services own them: this node's, and on Redis
   * those of every live service, read anew.
   */
  async introspect(): Promise<Introspection> {
    return this.node.call(() => this.node.contracts.introspect());
  }

  /**
   * How a message stands, by the id that `enqueue` gave.
   * @throws AtomicQueuesError (as a rejection), as the calls below: `INVALID_PAYLOAD` for an id that cannot be one.
   */
  async status(id: string): Promise<MessageStatus> {
    checkedId(id, 'status');
    await this.node.open();
    if (this.node.engine.phase === 'closed')
      throw new AtomicQueuesError('SHUTTING_DOWN', 'This node has stopped; its store is closed.', {
        subject: { messageId: id },
      });
    const { verdict, ...status } = await this.node.reading(() => this.node.engine.operations.status(id));
    if (verdict === undefined) return status;
    if (verdict.state === 'completed') return { ...status, reply: decodeReply(verdict.reply, this.node.config) };
    return verdict.error === undefined ? status : { ...status, error: reviveError(verdict.error) };
  }

  /** Withdraws a message that has not started; its waiter gets `CANCELLED`. False when it has started, ended, or is unknown. */
  async cancel(id: string): Promise<boolean> {
    checkedId(id, 'cancel');
    return this.node.call(() => this.node.engine.operations.cancel(id));
  }

  /** For scopes: what a message or a raw call becomes. Throws synchronously. */
  fromMessage(message: object, options?: EnqueueOptions): Submission {
    const messageClass = this.node.registry.ofInstance(message);
    const { defaultEntityId } = this.node.config.entityType(messageClass.entityType);
    const entityId = resolveEntityId(message, messageClass, defaultEntityId);
    return this.submission(messageClass.entityType, messageClass.name, entityId, message, options, messageClass);
  }

  raw(type: unknown, wireName: unknown, id: unknown, payload: unknown, options?: EnqueueOptions): Submission {
    const entityType = checkedType(type, 'a call by name');
    const name = checkedName(wireName, 'a call by name');
    const entityId = validateEntityId(id, entityType);
    const messageClass = this.node.registry.find(entityType, name);
    if (messageClass !== undefined && (typeof payload !== 'object' || payload === null || Array.isArray(payload))) {
      throw new AtomicQueuesError(
        'INVALID_PAYLOAD',
        `The payload of "${name}" must be an object with the fields of its class ${messageClass.cls.name}.`,
        { subject: { entityType, entityId, name } },
      );
    }
    return this.submission(entityType, name, entityId, payload, options, messageClass);
  }

  submit(make: () => Submission): Promise<Receipt> {
    try {
      if (!this.node.isOpen)
        return this.node.whenOpen().then(() => this.refusing(() => this.node.engine.door.enqueue(make())));
      return this.refusing(() => this.node.engine.door.enqueue(make()));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  submitAndWait(make: () => Submission): Promise<unknown> {
    const send = (): Promise<unknown> =>
      this.refusing(() => {
        const submission = make();
        const reply = this.node.engine.door.enqueueAndWait(submission, submission.options);
        const { entityType, name } = submission;
        if (this.node.handlers.find(entityType, name) !== undefined) return reply;
        return reply.then((value) => this.received(submission, value));
      });
    try {
      return this.node.isOpen ? send() : this.node.whenOpen().then(send);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async submitBulk(make: () => Submission[]): Promise<Receipt[]> {
    if (!this.node.isOpen) await this.node.whenOpen();
    return this.refusing(() => this.node.engine.door.enqueueBulk(make()));
  }

  private received({ entityType, entityId, name }: Submission, value: unknown): unknown {
    const missing = this.node.contracts.missingReply({ entityType, entityId, name }, value);
    if (missing !== undefined) throw missing;
    return value;
  }

  /** Announces what the door refuses. */
  private refusing<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      const { events, runtime } = this.node;
      if (events.wants('rejected') && error instanceof AtomicQueuesError) {
        events.emit('rejected', { code: error.code, entityType: error.subject?.entityType, at: runtime.clock.now() });
      }
      throw error;
    }
  }

  private submission(
    entityType: string,
    name: string,
    entityId: string,
    payload: unknown,
    given: EnqueueOptions | undefined,
    messageClass: MessageClass | undefined,
  ): Submission {
    const { node } = this;
    const options = checkedOptions(given);
    const handler = node.handlers.find(entityType, name);
    if (handler === undefined && !node.engine.takenElsewhere(entityType, name))
      throw this.noHandler(entityType, name, messageClass);
    // A wildcard handler does not know what it gets; the message's own mark does.
    const kind = messageClass?.kind ?? handler?.kind ?? 'command';
    const text = encodePayload(payload, node.config, name);
    node.contracts.checkSending({ entityType, entityId, name }, text, handler !== undefined);
    return {
      kind,
      isVolatile: kind === 'query' && node.config.entityType(entityType).queries === 'volatile',
      entityType,
      entityId,
      name,
      payload: text,
      options,
    };
  }

  private noHandler(entityType: string, name: string, messageClass: MessageClass | undefined): AtomicQueuesError {
    const { handlers, registry, engine } = this.node;
    const subject = { entityType, name };
    const types = [...handlers.entityTypes(), ...registry.entityTypes, ...engine.typesElsewhere()];
    if (!types.includes(entityType)) return unknownEntityType(entityType, types);
    const notOfActor = noActorMethod(handlers, entityType, name);
    if (notOfActor !== undefined) return notOfActor;
    if (messageClass === undefined) {
      const here = [...handlers.names(entityType), ...registry.namesOf(entityType)];
      const names = [...new Set([...here, ...engine.namesElsewhere(entityType)])];
      const near = nearestName(name, names);
      return new AtomicQueuesError(
        'UNKNOWN_MESSAGE',
        `Entity type "${entityType}" has no message "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`} Known: ${names.join(', ') || 'none'}.`,
        { subject },
      );
    }
    return new AtomicQueuesError(
      'NO_HANDLER',
      `No handler takes "${name}" of entity type "${entityType}". Provide a @CommandHandler or @QueryHandler for it, a @JobHandler('${name}'), or an @Actor with an @On for it.`,
      { subject },
    );
  }
}
