/**
 * The way of a message into its entity's line: through the door, to the store, to its worker. Everything here happens in
 * the caller's turn, so that messages stand in line in the order in which they were submitted (I4).
 */
import { type EntityKey, entityKey } from '../message/entity-key.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { Outcome, Transition } from '../wal/transition.js';
import { refuseDeadlock } from './deadlock.js';
import type { ReminderTimes } from './engine.js';
import { checkOptions } from './enqueue-options.js';
import { envelopeOf, forgottenOf, reminderOf, timesOf, withOwnHeaders } from './envelopes.js';
import { Item, type WaitLink } from './item.js';
import { currentStart } from './message-context.js';
import { noteAppend, noteOutgoing, type OutgoingPlaces, openOutbox, refuseWaiting } from './outgoing.js';
import { forgottenRecurrence } from './recurrence.js';
import { notForBulk, replyTimeout, shuttingDown } from './refusals.js';
import { ReplyWaiter } from './reply-waiter.js';
import type { ShardOwner } from './shard-owner.js';
import type { Receipt, Submission, WaitOptions } from './submission.js';

/** What comes in together: messages for one entity, in all, and entities that have no worker yet. */
interface Load {
  readonly count: number;
  readonly total: number;
  readonly entities: number;
}

const SINGLE: Load = { count: 1, total: 1, entities: 1 };

export class Submitter {
  /** For handlers that send with their completion, on a node that is alone. */
  private readonly places: OutgoingPlaces;

  constructor(private readonly owner: ShardOwner) {
    const { wal, shard } = owner.options;
    this.places = {
      get clusterId() {
        return wal.description.clusterId;
      },
      shardOf: () => shard,
      sourceOf: () => shard,
      admit: (submission, key, _shard, _active, count) => {
        const { entityType, entityId, name } = submission;
        owner.door.admitDeadLetters(entityType);
        owner.outbox.admit({ entityType, entityId, name });
        owner.door.admit(key, { entityType, entityId, name }, count, count, owner.directory.hasWork(key) ? 0 : 1);
      },
    };
  }

  /**
   * Resolves when the message is durable (a query: when it is in line). In a handler that sends with its completion: at
   * once, and nothing is promised before that is durable.
   */
  enqueue(given: Submission): Promise<Receipt> {
    const sender = this.sender();
    if (sender !== undefined) return Promise.resolve(noteOutgoing(sender, [given], this.places)[0] as Receipt);
    const key = entityKey(given.entityType, given.entityId);
    this.admit(key, given, SINGLE, false);
    const submission = withOwnHeaders(given);
    if (this.owner.catchUp.isActive) return this.appendOnly(submission);
    return new Promise<Receipt>((resolve, reject) => {
      const item = this.makeItem(key, submission);
      item.accepted = resolve;
      item.refuse = reject;
      this.enter(item, submission);
    });
  }

  /** While a long backlog is taken over, a message goes to the store only; it is found there behind the backlog. */
  private appendOnly(submission: Submission): Promise<Receipt> {
    const { owner } = this;
    const id = owner.ids.next(false);
    owner.catchUp.appendSent();
    return new Promise<Receipt>((resolve, reject) => {
      owner.add(
        { type: 'append', message: envelopeOf(id, submission), ...timesOf(submission.options) },
        {
          committed: (outcome) => {
            owner.catchUp.appendAnswered(outcome.type === 'appended' ? outcome.seq : undefined);
            if (outcome.type === 'delayed') owner.delayedMessages.dueAt(outcome.notBefore);
            if (outcome.type === 'expired') owner.endings.ofStored(outcome.message, 'expired');
            resolve({ id: outcome.type === 'duplicate' ? outcome.id : id });
          },
          refused: (error) => {
            owner.catchUp.appendAnswered(undefined);
            reject(owner.notAccepted(error));
          },
        },
      );
    });
  }

  /** Resolves with the reply when the verdict is durable. */
  enqueueAndWait(given: Submission, options: WaitOptions): Promise<unknown> {
    refuseWaiting(given);
    const key = entityKey(given.entityType, given.entityId);
    this.admit(key, given, SINGLE, true);
    const submission = withOwnHeaders(given);
    const waiting = currentStart();
    if (waiting !== undefined) refuseDeadlock(waiting, key);
    return new Promise<unknown>((resolve, reject) => {
      const item = this.makeItem(key, submission);
      const link: WaitLink | undefined = waiting === undefined ? undefined : { waiting, active: true };
      item.link = link;
      if (link !== undefined) this.owner.slots.waitBegan(link.waiting);
      const onSettled =
        link === undefined
          ? undefined
          : (): void => {
              link.active = false;
              this.owner.slots.waitEnded(link.waiting);
            };
      const timeoutMs = options.timeoutMs ?? this.owner.typeOf(submission.entityType).replyTimeout;
      item.waiter = new ReplyWaiter(
        resolve,
        reject,
        this.owner.options.cluster?.deadlines ?? this.owner.deadlines,
        timeoutMs,
        (waiter) => this.waitEnded(item, waiter, timeoutMs, options.cancelOnTimeout === true),
        onSettled,
      );
      this.enter(item, submission);
    });
  }

  /** All messages in one commit, or none; receipts in the order of the submissions. */
  enqueueBulk(given: readonly Submission[]): Promise<Receipt[]> {
    const sender = this.sender();
    if (sender !== undefined) return Promise.resolve(noteOutgoing(sender, given, this.places));
    const perEntity = new Map<EntityKey, number>();
    const keys = given.map(({ entityType, entityId }) => entityKey(entityType, entityId));
    for (const key of keys) perEntity.set(key, (perEntity.get(key) ?? 0) + 1);
    const total = given.length;
    const entities = [...perEntity.keys()].filter((key) => !this.owner.directory.hasWork(key)).length;
    given.forEach((submission, index) => {
      const key = keys[index] as EntityKey;
      this.admit(key, submission, { count: perEntity.get(key) as number, total, entities }, false);
    });
    const volatile = given.find((submission) => submission.isVolatile);
    if (volatile !== undefined) {
      const { entityType, entityId, name } = volatile;
      throw notForBulk({ entityType, entityId, name });
    }
    const transitions: Transition[] = [];
    const participants: Item[] = [];
    const receipts = given.map(withOwnHeaders).map(
      (submission, index) =>
        new Promise<Receipt>((resolve, reject) => {
          const item = this.makeItem(keys[index] as EntityKey, submission);
          item.accepted = resolve;
          item.refuse = reject;
          transitions.push(this.append(item, submission));
          participants.push(item);
        }),
    );
    this.owner.commits.addAll(transitions, participants);
    for (const item of participants) if (item.early !== undefined) item.worker.advance();
    return Promise.all(receipts);
  }

  /** Resolves when the reminder is durable; in a handler that sends with its completion, at once. */
  async remind(submission: Submission, reminder: ReminderTimes): Promise<void> {
    const { owner } = this;
    const append = reminderOf(withOwnHeaders(submission), reminder);
    const sender = this.sender();
    if (sender !== undefined) {
      noteAppend(sender, owner.options.shard, append);
      return;
    }
    this.admit(entityKey(submission.entityType, submission.entityId), submission, SINGLE, false);
    await this.commit(append, (outcome) => {
      if (outcome.type === 'delayed') owner.delayedMessages.dueAt(outcome.notBefore);
    });
  }

  async forgetReminder(entityType: string, entityId: string, id: string, name: string): Promise<void> {
    const { owner } = this;
    const sender = this.sender();
    if (sender !== undefined) {
      const recurrence = JSON.stringify(forgottenRecurrence(name, owner.now()));
      noteAppend(sender, owner.options.shard, forgottenOf(entityType, entityId, id, recurrence));
      return;
    }
    this.admitAny({ entityType, entityId }, false);
    await this.commit({ type: 'cancel', id }, (outcome) => {
      if (outcome.type === 'cancelled') owner.intake.withdrawn(outcome.message);
    });
  }

  private commit(transition: Transition, apply: (outcome: Outcome) => void): Promise<void> {
    const { owner } = this;
    return new Promise((resolve, reject) => {
      owner.add(transition, {
        committed: (outcome) => {
          apply(outcome);
          resolve();
        },
        refused: (error) => reject(owner.notAccepted(error)),
      });
    });
  }

  /** In a cluster the node's door has asked already: what comes here goes into the line. */
  private sender(): ReturnType<typeof openOutbox> {
    return this.owner.options.cluster === undefined ? openOutbox() : undefined;
  }

  /** @throws AtomicQueuesError when nothing at all is taken in. */
  private admitAny(subject: ErrorSubject, waits: boolean): void {
    const { owner } = this;
    if (owner.phase === 'lost') throw owner.notAccepted(owner.lostWith ?? new Error('The store is gone.'));
    // A handler that is running while the node drains may still hand on what it promised to hand on.
    const finishing = owner.phase === 'draining' && currentStart() !== undefined && !waits;
    if (owner.phase !== 'accepting' && owner.phase !== 'running' && !finishing) throw shuttingDown(subject);
  }

  private admit(key: EntityKey, submission: Submission, load: Load, waits: boolean): void {
    const { owner } = this;
    const { entityType, entityId, name, options } = submission;
    const subject = { entityType, entityId, name };
    this.admitAny(subject, waits);
    if (owner.catchUp.isActive && (waits || submission.isVolatile || load.total > 1)) {
      throw new AtomicQueuesError(
        'BACKPRESSURE',
        'This node is still taking over a very large backlog, and an answer would have to wait behind it. Try again later, or enqueue single commands without waiting.',
        { subject },
      );
    }
    if (!submission.isVolatile) {
      if (owner.commits.isDegraded) {
        throw new AtomicQueuesError(
          'STORE_DEGRADED',
          'The store does not take commits at the moment; nothing was kept of this message.',
          { subject },
        );
      }
      owner.door.admitDeadLetters(entityType);
    }
    if (waits && owner.pauses.has(key, entityType)) {
      throw new AtomicQueuesError(
        'ENTITY_PAUSED',
        `${entityType} "${entityId}" is paused: nobody could answer. Use enqueue without waiting, or resume it.`,
        { subject },
      );
    }
    checkOptions(options, subject, submission.isVolatile);
    owner.door.admit(key, subject, load.count, load.total, load.entities);
  }

  private makeItem(key: EntityKey, submission: Submission): Item {
    const { options } = submission;
    const worker = this.owner.directory.activate(key);
    const isPlain =
      options.messageId === undefined &&
      options.delayMs === undefined &&
      options.runAt === undefined &&
      !submission.isVolatile;
    const item = new Item(
      worker,
      submission.kind,
      submission.isVolatile,
      this.owner.ids.next(isPlain),
      submission.name,
      submission.payload,
      options.headers,
      options.messageId,
      submission.isVolatile ? 'waiting' : 'appending',
    );
    this.owner.accounts.add(item);
    if (item.stage === 'appending') this.owner.ids.appendSent();
    return item;
  }

  private enter(item: Item, submission: Submission): void {
    if (item.isVolatile) this.lineUpAfterRead(item);
    else {
      this.owner.add(this.append(item, submission), item);
      if (item.early !== undefined) item.worker.advance();
    }
  }

  /** A query stands behind everything that was offered before it came (M2); alone, there is nobody who offers. */
  private lineUpAfterRead(item: Item): void {
    if (this.owner.options.cluster === undefined) this.lineUp(item);
    else {
      const { worker } = item;
      worker.expected += 1;
      this.owner.commits.afterRead((error) => {
        worker.expected -= 1;
        // The shard may also have been lost while the read was on its way, and the read have come back well.
        const lost = error ?? this.owner.lostWith;
        if (lost === undefined) this.lineUp(item);
        else item.worker.queryRefused(item, lost);
      });
    }
  }

  private lineUp(item: Item): void {
    item.enqueuedAt = this.owner.now();
    item.worker.ask(item);
  }

  /** The append of an item, which takes its place in the worker's line at the same time. */
  private append(item: Item, submission: Submission): Transition {
    const { options } = submission;
    const { cluster } = this.owner.options;
    const message = envelopeOf(item.id, submission, item.waiter === undefined ? undefined : cluster?.address);
    const delayed = options.delayMs !== undefined || options.runAt !== undefined;
    // What can be a duplicate, or too late, does not run before the store has said that it is neither.
    const isPlain = !delayed && options.expiresInMs === undefined && options.messageId === undefined;
    const dispatch = item.worker.enter(item, !delayed, isPlain && item.kind === 'command');
    const times = !delayed && options.expiresInMs === undefined ? undefined : timesOf(options);
    const append = { type: 'append' as const, message, dispatch, ...times };
    if (dispatch || item.early !== undefined) item.append = append;
    return append;
  }

  private waitEnded(item: Item, waiter: ReplyWaiter, timeoutMs: number, cancel: boolean): void {
    const { owner } = this;
    if (item.waiter === waiter) {
      item.waiter = undefined;
      item.keepVerdict = true;
    } else owner.verdicts.forget(item.id, waiter);
    // Who joined the wait for an earlier call's message by its messageId does not withdraw what is not theirs (I8).
    const joined = item.stage === 'ended';
    const cancelling = cancel && !item.isVolatile && !joined;
    const after = item.isVolatile ? 'query-gone' : cancelling ? 'withdrawn' : 'goes-on';
    waiter.fail(replyTimeout(item.errorSubject(), timeoutMs, after));
    if (cancelling) owner.intake.cancelQuietly(item.id);
    else if (cancel && item.isVolatile) item.worker.dropVolatile(item);
  }
}
