/**
 * The way in on a node of a cluster: a message goes straight into its entity's line when this node owns it, and otherwise
 * into the inbox of its shard, from where the owner takes it. Nobody needs to be there for that (I1).
 */
import { chainOf, refuseDeadlock, withChain } from '../entity/deadlock.js';
import type { MessageDoor, ReminderTimes } from '../entity/engine.js';
import { checkOptions } from '../entity/enqueue-options.js';
import { envelopeOf, forgottenOf, reminderOf, timesOf, withOwnHeaders } from '../entity/envelopes.js';
import { type ActiveMessage, currentStart } from '../entity/message-context.js';
import { noteAppend, noteOutgoing, type OutgoingPlaces, openOutbox, refuseWaiting } from '../entity/outgoing.js';
import { forgottenRecurrence } from '../entity/recurrence.js';
import { notAccepted, notForBulk, replyTimeout } from '../entity/refusals.js';
import { ReplyWaiter } from '../entity/reply-waiter.js';
import type { RunningSlots } from '../entity/running-slots.js';
import type { Receipt, Submission, WaitOptions } from '../entity/submission.js';
import { type EntityKey, entityKey } from '../message/entity-key.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { ResolvedConfig } from '../runtime/config.js';
import type { Deadlines } from '../runtime/deadlines.js';
import { ShardFullError, type SharedWal } from '../wal/shared-wal.js';
import type { OfferedTransition } from '../wal/wal.js';
import type { OfferPlace, OfferSender } from './offer-sender.js';
import type { RemoteWaits } from './remote-waits.js';
import type { Routes } from './routes.js';
import type { Tenure } from './tenure.js';

export interface ClusterDoorOptions {
  readonly config: ResolvedConfig;
  readonly routes: () => Routes;
  readonly deadlines: Deadlines;
  readonly slots: RunningSlots;
  readonly waits: RemoteWaits;
  readonly address: string;
  readonly serving: (shard: number) => Tenure | undefined;
  readonly sender: (shard: number) => OfferSender;
  /** Why nothing is taken in at the moment. `finishing`: a running handler hands on what it promised to hand on. */
  readonly refusal: (subject: ErrorSubject, finishing: boolean) => AtomicQueuesError | undefined;
  /** Whether a node says that the type has as many dead letters as it may have (M17). */
  readonly isFull: (entityType: string) => boolean;
  readonly ask: (shard: number, submission: Submission, waiter: ReplyWaiter) => void;
  readonly withdraw: (shard: number, id: string) => void;
  readonly knownId: SharedWal['knownId'];
  readonly clusterId: () => string;
  readonly now: () => number;
}

type Append = Extract<OfferedTransition, { readonly type: 'append' }>;

export class ClusterDoor implements MessageDoor {
  /** For handlers that send with their completion. */
  readonly places: OutgoingPlaces;

  constructor(private readonly options: ClusterDoorOptions) {
    this.places = {
      get clusterId() {
        return options.clusterId();
      },
      shardOf: (submission) => this.place(submission).shard,
      sourceOf: (active) => this.sourceOf(active),
      admit: (submission, key, shard, active, count) => this.admitOutgoing(submission, key, shard, active, count),
    };
  }

  enqueue(submission: Submission): Promise<Receipt> {
    const sender = openOutbox();
    if (sender !== undefined) return Promise.resolve(noteOutgoing(sender, [submission], this.places)[0] as Receipt);
    const { shard } = this.place(submission);
    this.refuse(submission, currentStart() !== undefined);
    const tenure = this.options.serving(shard);
    if (tenure !== undefined)
      return this.orElsewhere(
        () => tenure.submitter.enqueue(submission),
        tenure,
        () => this.enqueue(submission),
      );
    check(submission);
    const append = this.appendOf(shard, withOwnHeaders(submission));
    return this.offer(shard, append).then(() => this.receiptOf(shard, append.message));
  }

  enqueueAndWait(given: Submission, options: WaitOptions): Promise<unknown> {
    refuseWaiting(given);
    const { key, shard } = this.place(given);
    this.refuse(given, false);
    const tenure = this.options.serving(shard);
    if (tenure !== undefined) {
      const wait = (): Promise<unknown> => tenure.submitter.enqueueAndWait(given, options);
      return this.orElsewhere(wait, tenure, () => this.enqueueAndWait(given, options));
    }
    check(given);
    const start = currentStart();
    if (start !== undefined) refuseDeadlock(start, key);
    const chain = start === undefined ? undefined : chainOf(start);
    const submission = withChain(withOwnHeaders(given), chain);
    const { slots } = this.options;
    return new Promise<unknown>((resolve, reject) => {
      if (start !== undefined) slots.waitBegan(start);
      const timeoutMs = options.timeoutMs ?? this.options.config.entityType(given.entityType).replyTimeout;
      let id = '';
      const waiter = new ReplyWaiter(
        resolve,
        reject,
        this.options.deadlines,
        timeoutMs,
        (ended) => this.timedOut(ended, shard, id, submission, timeoutMs, options.cancelOnTimeout === true),
        start === undefined ? undefined : () => slots.waitEnded(start),
      );
      if (submission.isVolatile) this.options.ask(shard, submission, waiter);
      else id = this.offerAndWait(shard, submission, waiter);
    });
  }

  /** All of one shard in one call, which the store takes whole or not at all; receipts in the order of the submissions. */
  async enqueueBulk(submissions: readonly Submission[]): Promise<Receipt[]> {
    const sender = openOutbox();
    if (sender !== undefined) return noteOutgoing(sender, submissions, this.places);
    const shards = new Map<number, number[]>();
    submissions.forEach((submission, index) => {
      const { shard } = this.place(submission);
      if (submission.isVolatile) {
        const { entityType, entityId, name } = submission;
        throw notForBulk({ entityType, entityId, name });
      }
      this.refuse(submission, currentStart() !== undefined);
      check(submission);
      const indexes = shards.get(shard);
      if (indexes === undefined) shards.set(shard, [index]);
      else indexes.push(index);
    });
    const receipts: Receipt[] = [];
    const ends = await Promise.allSettled(
      [...shards].map(async ([shard, indexes]) => {
        const own = indexes.map((index) => submissions[index] as Submission);
        const taken = await this.bulkOf(shard, own);
        indexes.forEach((index, place) => {
          receipts[index] = taken[place] as Receipt;
        });
      }),
    );
    const refused = ends.find((end) => end.status === 'rejected');
    if (refused !== undefined) throw partlyRefused(refused.reason as Error, submissions.length, receipts);
    return receipts;
  }

  /** Handed in like any message; the owner of the entity need not be there. */
  async remind(submission: Submission, reminder: ReminderTimes): Promise<void> {
    const { shard } = this.place(submission);
    const append = reminderOf(withOwnHeaders(submission), reminder);
    const sender = openOutbox();
    if (sender !== undefined) {
      noteAppend(sender, shard, append);
      return;
    }
    this.refuse(submission, currentStart() !== undefined);
    check(submission);
    await this.offer(shard, append);
  }

  async forgetReminder(entityType: string, entityId: string, id: string, name: string): Promise<void> {
    const { shard } = this.place({ entityType, entityId, name });
    const sender = openOutbox();
    if (sender !== undefined) {
      const recurrence = JSON.stringify(forgottenRecurrence(name, this.options.now()));
      noteAppend(sender, shard, forgottenOf(entityType, entityId, id, recurrence));
      return;
    }
    const subject = { entityType, entityId };
    const refusal = this.options.refusal(subject, currentStart() !== undefined);
    if (refusal !== undefined) throw refusal;
    try {
      await this.options.sender(shard).offer({ type: 'cancel', id });
    } catch (error) {
      throw refusedOffer(error as Error, subject);
    }
  }

  /**
   * A shard that is lost while a message is on its way into it, and surely has not taken it, is no fault of the caller's:
   * the message goes where the shard is now.
   */
  private orElsewhere<T>(here: () => Promise<T>, tenure: Tenure, elsewhere: () => Promise<T>): Promise<T> {
    return here().catch((error: unknown) => {
      const moved = error instanceof AtomicQueuesError && error.code === 'NOT_OWNER' && !tenure.serves;
      if (moved) return elsewhere();
      throw error;
    });
  }

  private async bulkOf(shard: number, submissions: readonly Submission[]): Promise<Receipt[]> {
    const tenure = this.options.serving(shard);
    if (tenure !== undefined) {
      const bulk = (): Promise<Receipt[]> => tenure.submitter.enqueueBulk(submissions);
      return this.orElsewhere(bulk, tenure, () => this.bulkOf(shard, submissions));
    }
    const appends = submissions.map((submission) => this.appendOf(shard, withOwnHeaders(submission)));
    const subject = { entityType: submissions[0]?.entityType, entityId: submissions[0]?.entityId };
    try {
      await this.options.sender(shard).offerAll(appends);
    } catch (error) {
      throw refusedOffer(error as Error, subject);
    }
    return Promise.all(appends.map(({ message }) => this.receiptOf(shard, message)));
  }

  /**
   * With the first one's id, where the shard knows the `messageId` by now. Of two that were sent at the same time, before an
   * owner took one in, both may be told their own id, and the second one's is never known to the store.
   */
  private async receiptOf(shard: number, { id, messageId, entityType, entityId }: Append['message']): Promise<Receipt> {
    if (messageId === undefined) return { id };
    const first = await this.options.knownId(shard, { entityType, entityId }, messageId).catch(() => undefined);
    return { id: first ?? id };
  }

  private offerAndWait(shard: number, submission: Submission, waiter: ReplyWaiter): string {
    const append = this.appendOf(shard, submission, this.options.address);
    const { id, messageId } = append.message;
    const subject = { entityType: submission.entityType, entityId: submission.entityId, name: submission.name };
    const { waits } = this.options;
    // The wait is known before the offer is durable: the verdict may come before the store's answer does.
    waits.add(shard, id, subject, waiter, 'offering');
    const offered = (place: OfferPlace): void => {
      const again =
        messageId === undefined ? undefined : (): void => void this.offer(shard, append).then(offered, () => {});
      waits.offered(id, place, again);
    };
    this.offer(shard, append).then(offered, (error: Error) => {
      waits.forget(id);
      waiter.fail(error);
    });
    return id;
  }

  private offer(shard: number, append: Append): Promise<OfferPlace> {
    const { id: messageId, entityType, entityId, name } = append.message;
    return this.options
      .sender(shard)
      .offer(append)
      .catch((error: Error) => {
        throw refusedOffer(error, { messageId, entityType, entityId, name });
      });
  }

  private appendOf(shard: number, submission: Submission, replyTo?: string): Append {
    const message = envelopeOf(this.options.sender(shard).freshId(), submission, replyTo);
    return { type: 'append', message, ...timesOf(submission.options) };
  }

  private place({ entityType, entityId, name }: Pick<Submission, 'entityType' | 'entityId' | 'name'>): {
    key: EntityKey;
    shard: number;
  } {
    const key = entityKey(entityType, entityId);
    const shard = this.options.routes().shardOf(entityType, key);
    if (shard !== undefined) return { key, shard };
    // In a store that was emptied nothing is known any more, and that is the reason to tell.
    const refusal = this.options.refusal({ entityType, entityId, name }, false);
    if (refusal?.code === 'STORE_DEGRADED') throw refusal;
    throw new AtomicQueuesError(
      'UNKNOWN_ENTITY_TYPE',
      `No node of the cluster has ever had handlers for entity type "${entityType}".`,
      { subject: { entityType, entityId, name } },
    );
  }

  private sourceOf({ entityType, entityId }: ActiveMessage): number {
    const shard = this.options.routes().shardOf(entityType, entityKey(entityType, entityId));
    if (shard === undefined) throw new Error(`No shard for entity type "${entityType}", which runs here.`);
    return shard;
  }

  /** What is sent with a completion is let in like anything else, as far as this node can see. */
  private admitOutgoing(
    { entityType, entityId, name }: Submission,
    key: EntityKey,
    shard: number,
    active: ActiveMessage,
    count: number,
  ): void {
    const subject = { entityType, entityId, name };
    if (this.options.isFull(entityType)) throw deadLettersFull(entityType, subject);
    this.options.serving(this.sourceOf(active))?.owner.outbox.admit(subject);
    const target = this.options.serving(shard)?.owner;
    target?.door.admit(key, subject, count, count, target.directory.hasWork(key) ? 0 : 1);
  }

  /** Whoever owns the entity: what this node cannot follow any more it does not begin (I8). */
  private refuse({ entityType, entityId, name, isVolatile }: Submission, finishing: boolean): void {
    const subject = { entityType, entityId, name };
    const refusal = this.options.refusal(subject, finishing);
    if (refusal !== undefined) throw refusal;
    if (isVolatile || !this.options.isFull(entityType)) return;
    throw deadLettersFull(entityType, subject);
  }

  private timedOut(
    waiter: ReplyWaiter,
    shard: number,
    id: string,
    submission: Submission,
    timeoutMs: number,
    cancels: boolean,
  ): void {
    const { entityType, entityId, name, isVolatile } = submission;
    this.options.waits.forget(id);
    const cancelling = cancels && !isVolatile && id !== '';
    const after = isVolatile ? 'query-gone' : cancelling ? 'withdrawn' : 'goes-on';
    const subject = { entityType, entityId, name, ...(id !== '' && { messageId: id }) };
    waiter.fail(replyTimeout(subject, timeoutMs, after));
    if (cancelling) this.options.withdraw(shard, id);
  }
}

function check({ entityType, entityId, name, options, isVolatile }: Submission): void {
  checkOptions(options, { entityType, entityId, name }, isVolatile);
}

function deadLettersFull(entityType: string, subject: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError(
    'STORE_DEGRADED',
    `Entity type "${entityType}" has as many dead letters on a node as its deadLettersMax. Replay or purge some; new messages of this type are refused until then.`,
    { subject },
  );
}

/** A bulk is whole in each shard, not across them: what was accepted all the same is told. */
function partlyRefused(error: Error, total: number, receipts: readonly Receipt[]): Error {
  const accepted = Object.entries(receipts).map(([index, { id }]) => ({ index: Number(index), id }));
  if (accepted.length === 0 || !(error instanceof AtomicQueuesError)) return error;
  return new AtomicQueuesError(
    error.code,
    `${error.message} Of the ${total} messages of this bulk, ${accepted.length} are in other shards and were accepted; details.accepted has their places and ids. Do not send those again.`,
    { subject: error.subject, cause: error, retryable: false, details: { accepted } },
  );
}

/** What a caller hears whose offer the store did not take. */
function refusedOffer(error: Error, subject: ErrorSubject): AtomicQueuesError {
  if (error instanceof AtomicQueuesError) return error;
  if (error instanceof ShardFullError) {
    return new AtomicQueuesError(
      'QUEUE_DEPTH_EXCEEDED',
      `Shard ${error.shard} holds ${error.depth} pending messages and maxTotalQueueDepth is ${error.depthMax}; this one does not fit. Try again later.`,
      { subject, cause: error },
    );
  }
  return notAccepted(error, subject, false);
}
