/**
 * The write-ahead log as a process of the simulated cluster sees it: every call goes over its connection to the server that
 * all share. It notes when each sign of life was sent and confirmed, by the process's own clock: that is what its owner
 * may believe of its lease.
 */
import type { DeadLetter, ShardCounts, StoredMessage } from '../../wal/transition.js';
import type {
  CommitAnswer,
  CommitRequest,
  DeadLetterFilterQuery,
  DeadLetterQuery,
  DeadLetterRef,
  MessageHead,
  Offer,
  OfferLimits,
  OpenClaim,
  OpenedShard,
  OutboxEntry,
  QuarantinedOffer,
  SharedWal,
  SignOfLife,
  StatusRecord,
  StoreDescription,
} from '../../wal/wal.js';
import type { LeaseBook } from './lease-book.js';
import type { SimulatedConnection } from './simulated-connection.js';

export class SimulatedWal implements SharedWal {
  /**
   * @param data carries what changes messages and what reads them.
   * @param control carries renewals and signs of life.
   */
  constructor(
    private readonly server: SharedWal,
    private readonly data: SimulatedConnection,
    private readonly control: SimulatedConnection,
    private readonly leases: LeaseBook,
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
    const { shard, epoch, incarnation } = request;
    const sent = this.leases.sending(this.data.process, shard);
    return this.data
      .call('commit', async () => {
        const answer = await this.server.commit(request);
        sent.applied(epoch, incarnation);
        return answer;
      })
      .then((answer) => {
        sent.confirmed(epoch);
        return answer;
      });
  }
  renew(shard: number, epoch: number, incarnation: string): Promise<void> {
    const sent = this.leases.sending(this.control.process, shard);
    return this.control
      .call('renew', async () => {
        await this.server.renew(shard, epoch, incarnation);
        sent.applied(epoch, incarnation);
      })
      .then(() => sent.confirmed(epoch));
  }
  release(shard: number, epoch: number, incarnation: string): Promise<void> {
    return this.data.call('release', () => this.server.release(shard, epoch, incarnation));
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
  actorState(shard: number, entityType: string, entityId: string): Promise<string | undefined> {
    return this.data.call('actorState', () => this.server.actorState(shard, entityType, entityId));
  }
  outbox(shard: number, limit: number): Promise<readonly OutboxEntry[]> {
    return this.data.call('outbox', () => this.server.outbox(shard, limit));
  }
  cleanup(shard: number, epoch: number, incarnation: string, limit: number): Promise<number> {
    return this.data.call('cleanup', () => this.server.cleanup(shard, epoch, incarnation, limit));
  }
}
