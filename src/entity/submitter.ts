/**
 * The way of a message into its entity's line: through the door, to the store, to its worker. Everything here happens in
 * the caller's turn, so that messages stand in line in the order in which they were submitted (I4).
 */
import { type EntityKey, entityKey } from '../message/entity-key.js';
import type { Envelope } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { Transition } from '../wal/transition.js';
import { refuseDeadlock } from './deadlock.js';
import { Item, type WaitLink } from './item.js';
import { currentStart } from './message-context.js';
import { ReplyWaiter } from './reply-waiter.js';
import type { ShardOwner } from './shard-owner.js';
import type { EnqueueOptions, Receipt, Submission, WaitOptions } from './submission.js';

const MESSAGE_ID_LENGTH_MAX = 256;

export class Submitter {
  constructor(private readonly owner: ShardOwner) {}

  /** Resolves when the message is durable (a query: when it is in line). */
  enqueue(submission: Submission): Promise<Receipt> {
    const key = entityKey(submission.entityType, submission.entityId);
    this.admit(key, submission, 1, 1, false);
    return new Promise<Receipt>((resolve, reject) => {
      const item = this.makeItem(key, submission);
      item.accepted = resolve;
      item.refuse = reject;
      this.enter(item, submission);
    });
  }

  /** Resolves with the reply when the verdict is durable. */
  enqueueAndWait(submission: Submission, options: WaitOptions): Promise<unknown> {
    const key = entityKey(submission.entityType, submission.entityId);
    this.admit(key, submission, 1, 1, true);
    const waiting = currentStart()?.item;
    if (waiting !== undefined) refuseDeadlock(waiting, key);
    return new Promise<unknown>((resolve, reject) => {
      const item = this.makeItem(key, submission);
      const link: WaitLink | undefined = waiting === undefined ? undefined : { waitingItem: waiting, active: true };
      item.link = link;
      if (link !== undefined) this.owner.slots.lend();
      const onSettled =
        link === undefined
          ? undefined
          : (): void => {
              link.active = false;
              this.owner.slots.reclaim();
            };
      const timeoutMs = options.timeoutMs ?? this.owner.typeOf(submission.entityType).replyTimeout;
      item.waiter = new ReplyWaiter(
        resolve,
        reject,
        this.owner.deadlines,
        timeoutMs,
        (waiter) => this.waitEnded(item, waiter, timeoutMs, options.cancelOnTimeout === true),
        onSettled,
      );
      this.enter(item, submission);
    });
  }

  /** All messages in one commit, or none; receipts in the order of the submissions. */
  enqueueBulk(submissions: readonly Submission[]): Promise<Receipt[]> {
    const perEntity = new Map<EntityKey, number>();
    const keys = submissions.map(({ entityType, entityId }) => entityKey(entityType, entityId));
    for (const key of keys) perEntity.set(key, (perEntity.get(key) ?? 0) + 1);
    submissions.forEach((submission, index) => {
      const key = keys[index] as EntityKey;
      this.admit(key, submission, perEntity.get(key) as number, submissions.length, false);
    });
    const transitions: Transition[] = [];
    const participants: Item[] = [];
    const receipts = submissions.map(
      (submission, index) =>
        new Promise<Receipt>((resolve, reject) => {
          const item = this.makeItem(keys[index] as EntityKey, submission);
          item.accepted = resolve;
          item.refuse = reject;
          if (item.isVolatile) this.lineUp(item);
          else {
            transitions.push(this.append(item, submission));
            participants.push(item);
          }
        }),
    );
    this.owner.commits.addAll(transitions, participants);
    return Promise.all(receipts);
  }

  private admit(key: EntityKey, submission: Submission, count: number, total: number, waits: boolean): void {
    const { owner } = this;
    const { entityType, entityId, name, options } = submission;
    const subject = { entityType, entityId, name };
    if (owner.phase === 'lost') throw owner.storeRefusal(owner.lostWith ?? new Error('The store is gone.'), undefined);
    // A handler that is running while the node drains may still hand on what it promised to hand on.
    const finishing = owner.phase === 'draining' && currentStart() !== undefined && !waits;
    if (owner.phase !== 'accepting' && owner.phase !== 'running' && !finishing) {
      throw new AtomicQueuesError('SHUTTING_DOWN', 'This node is shutting down and takes no new messages.', {
        subject,
      });
    }
    if (owner.catchingUp) {
      throw new AtomicQueuesError(
        'BACKPRESSURE',
        'This node is still taking over a very large backlog; a new message would have to wait behind it. Try again later.',
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
    if (waits && owner.isPaused(key, entityType)) {
      throw new AtomicQueuesError(
        'ENTITY_PAUSED',
        `${entityType} "${entityId}" is paused: nobody could answer. Use enqueue without waiting, or resume it.`,
        { subject },
      );
    }
    checkOptions(options, subject);
    owner.door.admit(key, subject, count, total);
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
      this.owner.nextId(isPlain),
      submission.name,
      submission.payload,
      options.headers,
      options.messageId,
      submission.isVolatile ? 'waiting' : 'appending',
    );
    this.owner.count(item);
    return item;
  }

  private enter(item: Item, submission: Submission): void {
    if (item.isVolatile) this.lineUp(item);
    else this.owner.commit(this.append(item, submission), item);
  }

  private lineUp(item: Item): void {
    item.enqueuedAt = this.owner.now();
    this.owner.accepted(item);
    item.worker.line(item);
  }

  /** The append of an item, which takes its place in the worker's line at the same time. */
  private append(item: Item, { entityType, entityId, options }: Submission): Transition {
    const message: Envelope = {
      id: item.id,
      kind: item.kind,
      entityType,
      entityId,
      name: item.name,
      payload: item.payload as string,
      headers: item.headers,
      messageId: item.messageId,
    };
    const delayed = options.delayMs !== undefined || options.runAt !== undefined;
    const dispatch = item.worker.enter(item, !delayed);
    if (!delayed && options.expiresInMs === undefined) return { type: 'append', message, dispatch };
    return {
      type: 'append',
      message,
      dispatch,
      delayMs: options.delayMs,
      runAt: options.runAt === undefined ? undefined : Number(options.runAt),
      expiresInMs: options.expiresInMs,
    };
  }

  private waitEnded(item: Item, waiter: ReplyWaiter, timeoutMs: number, cancel: boolean): void {
    const { owner } = this;
    if (item.waiter === waiter) {
      item.waiter = undefined;
      item.keepVerdict = true;
    } else owner.verdicts.forget(item.id, waiter);
    const cancelling = cancel && !item.isVolatile;
    waiter.fail(
      new AtomicQueuesError(
        'REPLY_TIMEOUT',
        `No verdict on "${item.name}" for ${item.worker.entityType} "${item.worker.entityId}" within ${timeoutMs} ms. ` +
          (cancelling
            ? `It is withdrawn if it has not started; status("${item.id}") tells.`
            : `The message itself goes on; status("${item.id}") tells how it stands.`),
        { subject: owner.errorSubject(item) },
      ),
    );
    if (cancelling) owner.cancelQuietly(item.id);
    else if (cancel) item.worker.dropVolatile(item);
  }
}

function checkOptions(options: EnqueueOptions, subject: { entityType: string; entityId: string; name: string }): void {
  const { messageId, delayMs, runAt, expiresInMs } = options;
  if (
    messageId !== undefined &&
    (typeof messageId !== 'string' || messageId.length === 0 || messageId.length > MESSAGE_ID_LENGTH_MAX)
  ) {
    throw invalid(`messageId must be a string of 1 to ${MESSAGE_ID_LENGTH_MAX} characters`, messageId, subject);
  }
  if (delayMs !== undefined && !(Number.isFinite(delayMs) && delayMs >= 0))
    throw invalid('delayMs must be a number of milliseconds, 0 or more', delayMs, subject);
  if (expiresInMs !== undefined && !(Number.isFinite(expiresInMs) && expiresInMs >= 0))
    throw invalid('expiresInMs must be a number of milliseconds, 0 or more', expiresInMs, subject);
  if (runAt !== undefined && !Number.isFinite(Number(runAt)))
    throw invalid('runAt must be a Date or milliseconds since the epoch', runAt, subject);
  if (delayMs !== undefined && runAt !== undefined)
    throw invalid('delayMs and runAt contradict each other: give one of them', { delayMs, runAt }, subject);
}

function invalid(
  what: string,
  value: unknown,
  subject: { entityType: string; entityId: string; name: string },
): AtomicQueuesError {
  return new AtomicQueuesError('INVALID_PAYLOAD', `${what}; got ${describe(value)}.`, { subject });
}

function describe(value: unknown): string {
  return typeof value === 'string'
    ? `a string of ${value.length} characters`
    : (JSON.stringify(value) ?? String(value));
}
