/**
 * The way in on a node of a cluster: a message goes straight into its entity's line when this node owns it, and otherwise
 * into the inbox of its shard, from where the owner takes it. Nobody needs to be there for that (I1).
 */
import { chainOf, refuseDeadlock, withChain } from '../entity/deadlock.js';
import type { MessageDoor } from '../entity/engine.js';
import { checkOptions } from '../entity/enqueue-options.js';
import { currentStart } from '../entity/message-context.js';
import { notAccepted, notForBulk, replyTimeout } from '../entity/refusals.js';
import { ReplyWaiter } from '../entity/reply-waiter.js';
import type { RunningSlots } from '../entity/running-slots.js';
import type { Receipt, Submission, WaitOptions } from '../entity/submission.js';
import { envelopeOf, timesOf, withOwnHeaders } from '../entity/submitter.js';
import { type EntityKey, entityKey } from '../message/entity-key.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { ResolvedConfig } from '../runtime/config.js';
import type { Deadlines } from '../runtime/deadlines.js';
import { type OfferedTransition, ShardFullError } from '../wal/wal.js';
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
}

type Append = Extract<OfferedTransition, { readonly type: 'append' }>;

export class ClusterDoor implements MessageDoor {
  constructor(private readonly options: ClusterDoorOptions) {}

  enqueue(submission: Submission): Promise<Receipt> {
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
    return this.offer(shard, append).then(() => ({ id: append.message.id }));
  }

  enqueueAndWait(given: Submission, options: WaitOptions): Promise<unknown> {
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
    return appends.map(({ message }) => ({ id: message.id }));
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

  private place({ entityType, entityId, name }: Submission): { key: EntityKey; shard: number } {
    const key = entityKey(entityType, entityId);
    const shard = this.options.routes().shardOf(entityType, key);
    if (shard !== undefined) return { key, shard };
    throw new AtomicQueuesError(
      'UNKNOWN_ENTITY_TYPE',
      `No node of the cluster has ever had handlers for entity type "${entityType}".`,
      { subject: { entityType, entityId, name } },
    );
  }

  /** Whoever owns the entity: what this node cannot follow any more it does not begin (I8). */
  private refuse({ entityType, entityId, name, isVolatile }: Submission, finishing: boolean): void {
    const subject = { entityType, entityId, name };
    const refusal = this.options.refusal(subject, finishing);
    if (refusal !== undefined) throw refusal;
    if (isVolatile || !this.options.isFull(entityType)) return;
    throw new AtomicQueuesError(
      'STORE_DEGRADED',
      `Entity type "${entityType}" has as many dead letters on a node as its deadLettersMax. Replay or purge some; new messages of this type are refused until then.`,
      { subject },
    );
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
