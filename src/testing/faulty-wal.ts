/**
 * A WAL whose failures a test decides: a call fails before or after the store has done it, is held back, or never comes
 * back at all. It changes nothing of what passes, and notes every commit that it was asked for.
 *
 * Owns: the list of planned faults, the gates, and the notes. The store behind it is the caller's.
 */
import type { DeadLetter, OutboxEntry, ShardCounts, StoredMessage } from '../wal/transition.js';
import {
  type BlockedMessage,
  type CommitAnswer,
  type CommitRequest,
  type DeadLetterQuery,
  type EntityRef,
  type MessageHead,
  type Offer,
  type OfferLimits,
  type OpenedShard,
  type PausedLine,
  type Reminder,
  type ReminderQuery,
  type StatusRecord,
  type StoreDescription,
  StoreUnavailableError,
  type Wal,
} from '../wal/wal.js';

/** The calls of the port that can fail. */
export type WalCall = Exclude<keyof Wal, 'description'>;

export interface Fault {
  /** What the caller gets. Default: `StoreUnavailableError`, recoverable, `applied: 'no'` (`'unknown'` with `after`). */
  readonly error?: Error | undefined;
  /** `before`: the store never hears of the call. `after`: it does it, and the answer is lost. Default `before`. */
  readonly when?: 'before' | 'after' | undefined;
  /** How many calls fail. Default 1. */
  readonly times?: number | undefined;
  /** Only commits that this accepts fail; others pass and do not count. Default: all. */
  readonly accepts?: ((request: CommitRequest) => boolean) | undefined;
}

interface PlannedFault {
  readonly error: Error;
  readonly when: 'before' | 'after';
  readonly accepts: (request: CommitRequest) => boolean;
  left: number;
}

export class FaultyWal implements Wal {
  /** Every commit that was asked for, those that failed included, oldest first. */
  readonly requests: CommitRequest[] = [];
  private readonly faults = new Map<WalCall, PlannedFault[]>();
  private readonly gates = new Map<WalCall, Promise<void>>();
  private dead = false;

  constructor(readonly wal: Wal) {}

  /** The next calls of this name fail. Faults of one name are used up in the order in which they were planned. */
  fail(call: WalCall, fault: Fault = {}): this {
    const when = fault.when ?? 'before';
    const error =
      fault.error ?? new StoreUnavailableError('planned by the test', when === 'before' ? 'no' : 'unknown', true);
    const planned: PlannedFault = { error, when, accepts: fault.accepts ?? (() => true), left: fault.times ?? 1 };
    this.faults.set(call, [...(this.faults.get(call) ?? []), planned]);
    return this;
  }

  /** Takes back the faults that have not been used up: the store is well again. */
  heal(): void {
    this.faults.clear();
  }

  /** Calls of this name wait before they reach the store, until the returned function is called. */
  hold(call: WalCall): () => void {
    let open: () => void = () => {};
    this.gates.set(
      call,
      new Promise((resolve) => {
        open = () => {
          this.gates.delete(call);
          resolve();
        };
      }),
    );
    return open;
  }

  /** From now on no call reaches the store and none comes back: as seen by a process that was killed. */
  die(): void {
    this.dead = true;
  }

  get description(): StoreDescription {
    return this.wal.description;
  }
  start(): Promise<void> {
    return this.pass('start', () => this.wal.start());
  }
  stop(): Promise<void> {
    return this.pass('stop', () => this.wal.stop());
  }
  open(shard: number, incarnation: string): Promise<OpenedShard> {
    return this.pass('open', () => this.wal.open(shard, incarnation));
  }
  commit(request: CommitRequest): Promise<CommitAnswer> {
    this.requests.push(request);
    return this.pass('commit', () => this.wal.commit(request), request);
  }
  release(shard: number, epoch: number, incarnation: string): Promise<void> {
    return this.pass('release', () => this.wal.release(shard, epoch, incarnation));
  }
  offer(shard: number, offers: readonly Offer[], limits?: OfferLimits): Promise<void> {
    return this.pass('offer', () => this.wal.offer(shard, offers, limits));
  }
  offerMark(shard: number, session: string): Promise<number> {
    return this.pass('offerMark', () => this.wal.offerMark(shard, session));
  }
  scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]> {
    return this.pass('scan', () => this.wal.scan(shard, afterSeq, limit));
  }
  load(shard: number, seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    return this.pass('load', () => this.wal.load(shard, seqs));
  }
  due(shard: number, now: number, limit: number): ReturnType<Wal['due']> {
    return this.pass('due', () => this.wal.due(shard, now, limit));
  }
  status(shard: number, id: string): Promise<StatusRecord | undefined> {
    return this.pass('status', () => this.wal.status(shard, id));
  }
  counts(shard: number): Promise<ShardCounts> {
    return this.pass('counts', () => this.wal.counts(shard));
  }
  deadLetters(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return this.pass('deadLetters', () => this.wal.deadLetters(shard, query));
  }
  deadLetter(shard: number, id: string): Promise<DeadLetter | undefined> {
    return this.pass('deadLetter', () => this.wal.deadLetter(shard, id));
  }
  actorStates(shard: number, entities: readonly EntityRef[]): Promise<readonly (string | undefined)[]> {
    return this.pass('actorStates', () => this.wal.actorStates(shard, entities));
  }
  blocked(shard: number, afterSeq: number, limit: number): Promise<readonly BlockedMessage[]> {
    return this.pass('blocked', () => this.wal.blocked(shard, afterSeq, limit));
  }
  paused(shard: number): Promise<readonly PausedLine[]> {
    return this.pass('paused', () => this.wal.paused(shard));
  }
  reminders(shard: number, query: ReminderQuery): Promise<readonly Reminder[]> {
    return this.pass('reminders', () => this.wal.reminders(shard, query));
  }
  outbox(shard: number, limit: number): Promise<readonly OutboxEntry[]> {
    return this.pass('outbox', () => this.wal.outbox(shard, limit));
  }
  cleanup(shard: number, epoch: number, incarnation: string, limit: number): Promise<number> {
    return this.pass('cleanup', () => this.wal.cleanup(shard, epoch, incarnation, limit));
  }

  private async pass<T>(call: WalCall, action: () => Promise<T>, request?: CommitRequest): Promise<T> {
    if (this.dead) return never();
    const gate = this.gates.get(call);
    if (gate !== undefined) await gate;
    if (this.dead) return never();
    const fault = this.nextFault(call, request);
    if (fault?.when === 'before') throw fault.error;
    const answer = await action();
    if (this.dead) return never();
    if (fault !== undefined) throw fault.error;
    return answer;
  }

  private nextFault(call: WalCall, request: CommitRequest | undefined): PlannedFault | undefined {
    const planned = this.faults.get(call);
    const fault = planned?.find((each) => request === undefined || each.accepts(request));
    if (planned === undefined || fault === undefined) return undefined;
    fault.left -= 1;
    if (fault.left <= 0) {
      this.faults.set(
        call,
        planned.filter((each) => each !== fault),
      );
    }
    return fault;
  }
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}
