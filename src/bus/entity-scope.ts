/** The bus narrowed to one entity type, or to one entity: a message for another one is refused. */
import type { ReminderSchedule } from '../entity/reminder-schedule.js';
import type { EnqueueOptions, Receipt, Submission, WaitOptions } from '../entity/submission.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { Undeclared, WaitedReply } from '../message/reply.js';
import { checkedBulk } from './call-arguments.js';
import type { QueueBus } from './queue-bus.js';
import type { Reminder } from './reminders.js';
import type { BlockedFilter, BlockedListOptions, BlockedPage } from './stopped-lines.js';

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

  /** A page of the messages that block lines here (`onFailure: 'block'`). */
  blocked(options: Omit<BlockedListOptions, keyof BlockedFilter> = {}): Promise<BlockedPage> {
    return this.bus.blocked({ ...options, ...this.filter });
  }

  blockedCount(): Promise<number> {
    return this.bus.blockedCount(this.filter);
  }

  private get filter(): BlockedFilter {
    const { entityType, entityId } = this;
    return entityId === undefined ? { entityType } : { entityType, entityId };
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

  /**
   * Sends a message to this entity again and again: a command of it, or a wire name with a payload. There is one reminder
   * of a name; setting it again replaces it, and an interval then counts anew unless `startAt` gives its rhythm. Resolves
   * when that is durable: it survives restarts, and goes with its entity from node to node.
   * @throws AtomicQueuesError (as a rejection): `INVALID_PAYLOAD` for a schedule that cannot be read or is never due, or
   *   the code that `enqueue` has for such a message.
   */
  remind(name: string, message: object, schedule: ReminderSchedule): Promise<void>;
  remind(name: string, messageName: string, payload: unknown, schedule: ReminderSchedule): Promise<void>;
  remind(name: string, message: object | string, second: unknown, third?: ReminderSchedule): Promise<void> {
    const isRaw = typeof message === 'string';
    const schedule = (isRaw ? third : second) as ReminderSchedule;
    const options = schedule?.headers === undefined ? undefined : { headers: schedule.headers };
    const make = (): Submission =>
      isRaw ? this.make(message, second, options) : this.make(message, options, undefined);
    return this.bus.reminders.set(name, make, schedule);
  }

  /** Ends a reminder; a run of it that stands in line already stays. It is no error when there is none. */
  forgetReminder(name: string): Promise<void> {
    return this.bus.reminders.forget(this.entityType, this.entityId as string, name);
  }

  /** The reminders of this entity, in the order in which they were set. */
  reminders(): Promise<Reminder[]> {
    return this.bus.reminders.list({ entityType: this.entityType, entityId: this.entityId });
  }

  private make(first: object | string, second: unknown, third: EnqueueOptions | undefined): Submission {
    return typeof first === 'string'
      ? this.bus.raw(this.entityType, first, this.entityId, second, third)
      : this.check(this.bus.fromMessage(first, second as EnqueueOptions | undefined));
  }
}
