/**
 * The write-ahead log as a process of the simulated cluster sees it: every call goes over its connection to the server that
 * all share. It notes when each sign of life was sent and confirmed, by the process's own clock: that is what its owner
 * may believe of its lease.
 */

import type { OpenClaim, QuarantinedOffer, SharedWal, SignOfLife } from '../../wal/shared-wal.js';
import type { DeadLetter, OutboxEntry, ShardCounts, StoredMessage } from '../../wal/transition.js';
import {
  type BlockedMessage,
  type CommitAnswer,
  type CommitRequest,
  type DeadLetterFilterQuery,
  type DeadLetterQuery,
  type DeadLetterRef,
  type EntityRef,
  IllegalTransitionError,
  type MessageHead,
  type Offer,
  type OfferLimits,
  type OpenedShard,
  type PausedLine,
  type Reminder,
  type ReminderQuery,
  type StatusRecord,
  type StoreDescription,
} from '../../wal/wal.js';
import type { LeaseBook, SignSent } from './lease-book.js';
import type { SimulatedConnection } from './simulated-connection.js';

export class SimulatedWal implements SharedWal {
  /** Of the commit that was sent last, per shard and epoch. */
  private readonly firstTries = new Map<string, { readonly number: number; readonly sent: SignSent }>();

  /**
   * @param data carries what changes messages and what reads them.
   * @param control carries renewals and signs of life.
   */
  constructor(
    private readonly server: SharedWal,
    private readonly data: SimulatedConnection,
    private readonly control: SimulatedConnection,
    private readonly leases: LeaseBook,
    /** The store refused what an owner asked for as impossible: it would start its life anew, and nothing else would tell. */
    private readonly refusedAsIllegal: (error: Error) => void,
  ) {}

  get description(): StoreDescription {
    return this.server.description;
  }
  async start(): Promise<void> {}
  async stop(): Promise<void> {
    this.data.close();
    this.control.close();
  }

  open(shard: number, incarnation: string, claim?: OpenClaim): Promise<OpenedShard> {
    const sent = this.leases.sending(this.data.process, shard);
    return this.data
      .call('open', async () => {
        const opened = await this.server.open(shard, incarnation, claim);
        sent.applied(opened.epoch, incarnation);
        return opened;
      })
      .then((opened) => {
        sent.confirmed(opened.epoch);
        return opened;
      });
  }
  commit(request: CommitRequest): Promise<CommitAnswer> {
    const { shard, epoch, incarnation, number } = request;
    // A commit that is tried again is answered with what it did, and is no new sign of life then: its first try counts.
    const name = `${shard}/${epoch}`;
    let first = this.firstTries.get(name);
    if (first?.number !== number) {
      first = { number, sent: this.leases.sending(this.data.process, shard) };
      this.firstTries.set(name, first);
    }
    const { sent } = first;
    return this.data
      .call('commit', async () => {
        const answer = await this.server.commit(request).catch((error: Error) => {
          if (error instanceof IllegalTransitionError) this.refusedAsIllegal(error);
          throw error;
        });
        sent.applied(epoch, incarnation);
        return answer;
      })
      .then((answer) => {
        sent.confirmed(epoch);
        return answer;
      });
  }
  renew(shard: number, epoch: number, incarnation: string, survived?: boolean): Promise<void> {
    const sent = this.leases.sending(this.control.process, shard);
    return this.control
      .call('renew', async () => {
        await this.server.renew(shard, epoch, incarnation, survived);
        sent.applied(epoch, incarnation);
      })
      .then(() => sent.confirmed(epoch));
  }
  release(shard: number, epoch: number, incarnation: string): Promise<void> {
    return this.data.call('release', () => this.server.release(shard, epoch, incarnation));
  }
  forgetOpenings(shard: number): Promise<void> {
    return this.control.call('forgetOpenings', () => this.server.forgetOpenings(shard));
  }
  knownId(shard: number, entity: EntityRef, messageId: string): Promise<string | undefined> {
    return this.control.call('knownId', () => this.server.knownId(shard, entity, messageId));
  }
  statuses(shard: number, ids: readonly string[]): Promise<readonly (StatusRecord | undefined)[]> {
    return this.data.call('statuses', () => this.server.statuses(shard, ids));
  }
  signs(shards: readonly number[]): Promise<readonly SignOfLife[]> {
    return this.control.call('signs', () => this.server.signs(shards));
  }
  allowTypes(shard: number, entityTypes: readonly string[]): Promise<void> {
    return this.data.call('allowTypes', () => this.server.allowTypes(shard, entityTypes));
  }
  quarantine(shard: number, limit: number): Promise<readonly QuarantinedOffer[]> {
    return this.data.call('quarantine', () => this.server.quarantine(shard, limit));
  }
  offer(shard: number, offers: readonly Offer[], limits?: OfferLimits): Promise<void> {
    return this.data.call('offer', () => this.server.offer(shard, offers, limits));
  }
  offerMark(shard: number, session: string): Promise<number> {
    return this.data.call('offerMark', () => this.server.offerMark(shard, session));
  }
  scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]> {
    return this.data.call('scan', () => this.server.scan(shard, afterSeq, limit));
  }
  load(shard: number, seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    return this.data.call('load', () => this.server.load(shard, seqs));
  }
  due(shard: number, now: number, limit: number): ReturnType<SharedWal['due']> {
    return this.data.call('due', () => this.server.due(shard, now, limit));
  }
  status(shard: number, id: string): Promise<StatusRecord | undefined> {
    return this.data.call('status', () => this.server.status(shard, id));
  }
  counts(shard: number): Promise<ShardCounts> {
    return this.data.call('counts', () => this.server.counts(shard));
  }
  deadLetters(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return this.data.call('deadLetters', () => this.server.deadLetters(shard, query));
  }
  deadLetterIds(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetterRef[]> {
    return this.deadLetters(shard, query);
  }
  async deadLetterCount(shard: number, filter: DeadLetterFilterQuery): Promise<number> {
    return (await this.deadLetters(shard, { ...filter, limit: Number.MAX_SAFE_INTEGER })).length;
  }
  deadLetter(shard: number, id: string): Promise<DeadLetter | undefined> {
    return this.data.call('deadLetter', () => this.server.deadLetter(shard, id));
  }
  actorStates(shard: number, entities: readonly EntityRef[]): Promise<readonly (string | undefined)[]> {
    return this.data.call('actorStates', () => this.server.actorStates(shard, entities));
  }
  blocked(shard: number, afterSeq: number, limit: number): Promise<readonly BlockedMessage[]> {
    return this.data.call('blocked', () => this.server.blocked(shard, afterSeq, limit));
  }
  paused(shard: number): Promise<readonly PausedLine[]> {
    return this.data.call('paused', () => this.server.paused(shard));
  }
  reminders(shard: number, query: ReminderQuery): Promise<readonly Reminder[]> {
    return this.data.call('reminders', () => this.server.reminders(shard, query));
  }
  outbox(shard: number, limit: number): Promise<readonly OutboxEntry[]> {
    return this.data.call('outbox', () => this.server.outbox(shard, limit));
  }
  cleanup(shard: number, epoch: number, incarnation: string, limit: number): Promise<number> {
    return this.data.call('cleanup', () => this.server.cleanup(shard, epoch, incarnation, limit));
  }
}
