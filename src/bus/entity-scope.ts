/** The bus narrowed to one entity type, or to one entity: a message for another one is refused. */
import type { EnqueueOptions, Receipt, Submission, WaitOptions } from '../entity/submission.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { Undeclared, WaitedReply } from '../message/reply.js';
import { checkedBulk } from './call-arguments.js';
import type { QueueBus } from './queue-bus.js';

abstract class Scope {
  constructor(
    protected readonly bus: QueueBus,
    readonly entityType: string,
    readonly entityId: string | undefined,
  ) {}

  /** All messages in one commit, or none of them; on Redis, all of those that share a shard. */
  enqueueBulk(messages: readonly object[], options?: EnqueueOptions): Promise<Receipt[]> {
    return this.bus.submitBulk(() =>
      checkedBulk(messages, options).map((message) => this.check(this.bus.fromMessage(message, options))),
    );
  }

  pause(): Promise<void> {
    return this.bus.pause(...this.scope);
  }

  resume(): Promise<void> {
    return this.bus.resume(...this.scope);
  }

  /** Withdraws every message that has not started; returns how many. */
  purge(): Promise<number> {
    return this.bus.purge(...this.scope);
  }

  /** Without an id, nothing stands in its place: the bus refuses an id that is undefined. */
  private get scope(): [entityType: string, entityId?: string] {
    return this.entityId === undefined ? [this.entityType] : [this.entityType, this.entityId];
  }

  /** @throws AtomicQueuesError `INVALID_PAYLOAD` when the message is for something else. */
  protected check(submission: Submission): Submission {
    const { entityType, entityId, name } = submission;
    if (entityType === this.entityType && (this.entityId === undefined || entityId === this.entityId))
      return submission;
    const scope = this.entityId === undefined ? this.entityType : `${this.entityType} "${this.entityId}"`;
    throw new AtomicQueuesError(
      'INVALID_PAYLOAD',
      `"${name}" is for ${entityType} "${entityId}", but this bus is scoped to ${scope}.`,
      {
        subject: { entityType, entityId, name },
      },
    );
  }
}

export class EntityTypeScope extends Scope {
  constructor(bus: QueueBus, entityType: string) {
    super(bus, entityType, undefined);
  }

  enqueue(message: object, options?: EnqueueOptions): Promise<Receipt>;
  enqueue(name: string, entityId: string, payload: unknown, options?: EnqueueOptions): Promise<Receipt>;
  enqueue(first: object | string, second?: unknown, third?: unknown, fourth?: EnqueueOptions): Promise<Receipt> {
    return this.bus.submit(() => this.make(first, second, third, fourth));
  }

  enqueueAndWait<R = never, M extends object = object>(message: M, options?: WaitOptions): Promise<WaitedReply<R, M>>;
  enqueueAndWait<R = Undeclared>(name: string, entityId: string, payload: unknown, options?: WaitOptions): Promise<R>;
  enqueueAndWait(first: object | string, second?: unknown, third?: unknown, fourth?: WaitOptions): Promise<unknown> {
    return this.bus.submitAndWait(() => this.make(first, second, third, fourth));
  }

  private make(
    first: object | string,
    second: unknown,
    third: unknown,
    fourth: EnqueueOptions | undefined,
  ): Submission {
    return typeof first === 'string'
      ? this.bus.raw(this.entityType, first, second, third, fourth)
      : this.check(this.bus.fromMessage(first, second as EnqueueOptions | undefined));
  }
}

export class EntityScope extends Scope {
  enqueue(message: object, options?: EnqueueOptions): Promise<Receipt>;
  enqueue(name: string, payload: unknown, options?: EnqueueOptions): Promise<Receipt>;
  enqueue(first: object | string, second?: unknown, third?: EnqueueOptions): Promise<Receipt> {
    return this.bus.submit(() => this.make(first, second, third));
  }

  enqueueAndWait<R = never, M extends object = object>(message: M, options?: WaitOptions): Promise<WaitedReply<R, M>>;
  enqueueAndWait<R = Undeclared>(name: string, payload: unknown, options?: WaitOptions): Promise<R>;
  enqueueAndWait(first: object | string, second?: unknown, third?: WaitOptions): Promise<unknown> {
    return this.bus.submitAndWait(() => this.make(first, second, third));
  }

  private make(first: object | string, second: unknown, third: EnqueueOptions | undefined): Submission {
    return typeof first === 'string'
      ? this.bus.raw(this.entityType, first, this.entityId, second, third)
      : this.check(this.bus.fromMessage(first, second as EnqueueOptions | undefined));
  }
}
