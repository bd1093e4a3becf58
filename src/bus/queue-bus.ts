/**
 * The way in. A message class or a raw (type, name, id, payload) becomes a submission: encoded, its entity and its handler
 * known, so that whatever is wrong is told here and not later.
 */

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
import type { AtomicQueuesNode } from './node.js';

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

export class QueueBus {
  constructor(private readonly node: AtomicQueuesNode) {}

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
    const { verdict, ...status } = await this.node.engine.operations.status(id);
    if (verdict === undefined) return status;
    if (verdict.state === 'completed') return { ...status, reply: decodeReply(verdict.reply, this.node.config) };
    return verdict.error === undefined ? status : { ...status, error: reviveError(verdict.error) };
  }

  /** Withdraws a message that has not started; its waiter gets `CANCELLED`. False when it has started, ended, or is unknown. */
  async cancel(id: string): Promise<boolean> {
    checkedId(id, 'cancel');
    await this.node.whenOpen();
    return this.node.engine.operations.cancel(id);
  }

  /**
   * Starts no more messages of an entity, or of a whole type, until `resume`. New ones are accepted and wait. Durable.
   * @throws AtomicQueuesError (as a rejection), as `resume` and `purge`: `UNKNOWN_ENTITY_TYPE` for a type that nothing here
   *   knows, `INVALID_PAYLOAD` or `ENTITY_ID_MISSING` for what cannot be a type or an id. An `entityId` that is given but
   *   undefined is refused, because without one the call is for the whole type.
   */
  async pause(...args: [entityType: string, entityId?: string]): Promise<void> {
    const { entityType, entityId } = checkedScope(args, 'pause');
    await this.node.whenOpen();
    if (!this.knowsType(entityType)) await this.checkStored(entityType);
    await this.node.engine.operations.setPaused(true, entityType, entityId);
  }

  async resume(...args: [entityType: string, entityId?: string]): Promise<void> {
    const { entityType, entityId } = checkedScope(args, 'resume');
    await this.node.whenOpen();
    if (!this.knowsType(entityType)) await this.checkStored(entityType);
    await this.node.engine.operations.setPaused(false, entityType, entityId);
  }

  /** Withdraws every message of an entity, or of a type, that has not started; returns how many. */
  async purge(...args: [entityType: string, entityId?: string]): Promise<number> {
    const { entityType, entityId } = checkedScope(args, 'purge');
    await this.node.whenOpen();
    if (!this.knowsType(entityType)) await this.checkStored(entityType);
    return this.node.engine.operations.purge(entityType, entityId);
  }

  /**
   * Gives up a handler that does not settle: its message becomes `interrupted`, its entity goes on. Whatever the handler
   * still does is guarded by its fencing token only. False when this node runs no handler for the message.
   */
  async release(id: string): Promise<boolean> {
    checkedId(id, 'release');
    await this.node.whenOpen();
    return this.node.engine.operations.release(id);
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
        return this.node.engine.door.enqueueAndWait(submission, submission.options);
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

  private knowsType(entityType: string): boolean {
    const { handlers, registry, config } = this.node;
    return (
      handlers.knowsType(entityType) ||
      Object.hasOwn(config.entities, entityType) ||
      registry.entityTypes.includes(entityType)
    );
  }

  /**
   * An operator's call for a type that nothing here knows is a slip, which done in silence would seem to have worked;
   * unless the store holds messages of that type, left by an earlier version of the application.
   */
  private async checkStored(entityType: string): Promise<void> {
    const { handlers, registry, config, engine } = this.node;
    if (await engine.knowsType(entityType)) return;
    throw unknownEntityType(entityType, [
      ...handlers.entityTypes(),
      ...registry.entityTypes,
      ...Object.keys(config.entities),
    ]);
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
    return {
      kind,
      isVolatile: kind === 'query' && node.config.entityType(entityType).queries === 'volatile',
      entityType,
      entityId,
      name,
      payload: encodePayload(payload, node.config, name),
      options,
    };
  }

  private noHandler(entityType: string, name: string, messageClass: MessageClass | undefined): AtomicQueuesError {
    const { handlers, registry } = this.node;
    const subject = { entityType, name };
    const types = [...handlers.entityTypes(), ...registry.entityTypes, ...this.node.engine.typesElsewhere()];
    if (!types.includes(entityType)) return unknownEntityType(entityType, types);
    if (messageClass === undefined) {
      const names = [...new Set([...handlers.names(entityType), ...registry.namesOf(entityType)])];
      const near = nearestName(name, names);
      return new AtomicQueuesError(
        'UNKNOWN_MESSAGE',
        `Entity type "${entityType}" has no message "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`} Known: ${names.join(', ') || 'none'}.`,
        { subject },
      );
    }
    return new AtomicQueuesError(
      'NO_HANDLER',
      `No handler takes "${name}" of entity type "${entityType}". Register a @CommandHandler or @QueryHandler for it, or a @JobHandler('${name}').`,
      { subject },
    );
  }
}
