/**
 * One node's time as the owner of one shard: it opens the shard with a proof, runs its messages as long as the lease holds,
 * and ends by handing it over, or by losing it. A tenure lives once; the next one is a new object with a new incarnation.
 *
 * Owns: the shard's owner on this node, its lease, and the renewal that is on its way. The node's upkeep calls `upkeep`
 * often; nothing here has a timer.
 */
import type { ClusterHooks } from '../entity/cluster-hooks.js';
import { Operations } from '../entity/operations.js';
import { settleInFlight } from '../entity/recovery.js';
import { ShardOwner, type ShardOwnerOptions } from '../entity/shard-owner.js';
import { drain, drainOrGoOn, type StopReport } from '../entity/shutdown.js';
import { Submitter } from '../entity/submitter.js';
import type { OpenClaim, SharedWal } from '../wal/shared-wal.js';
import { StaleEpochError } from '../wal/wal.js';
import {
  confirmed,
  type Instant,
  type Lease,
  type LeaseTimes,
  leaseFrom,
  leaseState,
  mayStart,
  renewalDue,
} from './lease.js';
import { LeasedWal } from './leased-wal.js';

export interface TenureOptions extends Omit<ShardOwnerOptions, 'wal' | 'cluster'> {
  readonly wal: SharedWal;
  readonly claim: OpenClaim;
  readonly leaseTimes: LeaseTimes;
  readonly hooks: Pick<
    ClusterHooks,
    'address' | 'offerPollMs' | 'deadlines' | 'tell' | 'waitElsewhere' | 'askElsewhere' | 'ownerOf'
  >;
  /** The shard is not this tenure's any more, and it did not hand it over. */
  readonly lost: (tenure: Tenure, error: Error) => void;
}

/** `opening`: what the last owner left is being settled. `serving`: takes messages in. `ended`: for good. */
export type TenureState = 'opening' | 'serving' | 'leaving' | 'ended';

/** A lease ran out before a sign of life was confirmed. */
export class LeaseExpiredError extends Error {
  override readonly name = 'LeaseExpiredError';
  constructor(shard: number, leaseMs: number) {
    super(
      `The lease of shard ${shard} has run out: no sign of life was confirmed for ${leaseMs} ms. Its messages go on where its new owner is.`,
    );
  }
}

export class Tenure {
  readonly shard: number;
  readonly owner: ShardOwner;
  readonly submitter: Submitter;
  readonly operations: Operations;
  state: TenureState = 'opening';
  epoch = 0;
  /** What the last owner left half done. */
  interrupted = 0;
  putBack = 0;
  /** Of this opening; empty before it. */
  incarnation = '';
  private lease: Lease | undefined;
  private isRenewing = false;
  private wasHeld = true;
  /** Since when it serves, monotonic milliseconds. */
  private servesSince: number | undefined;
  private hasSurvived = false;

  constructor(private readonly options: TenureOptions) {
    const { wal, claim, hooks, shard, runtime, config, handlers, registry, events, logger, share } = options;
    this.shard = shard;
    const leased = new LeasedWal(wal, claim, { sending: () => this.sending() });
    this.owner = new ShardOwner({
      runtime,
      wal: leased,
      shard,
      config,
      handlers,
      registry,
      events,
      logger,
      share,
      cluster: {
        ...hooks,
        mayStart: () => this.mayStart(),
        seemsToHold: () => this.seemsToHold(),
        lost: (error) => this.ended(error),
      },
    });
    this.submitter = new Submitter(this.owner);
    this.operations = new Operations(this.owner);
  }

  /** Whether messages of this shard go straight in here. */
  get serves(): boolean {
    return this.state === 'serving' && (this.owner.phase === 'accepting' || this.owner.phase === 'running');
  }

  get depth(): number {
    return this.owner.door.depth;
  }

  /**
   * Opens the shard, settles what was in flight, gives what is in line its place, and starts.
   * @throws ShardHeldError when the proof was outdated; whatever the store throws. The tenure has ended then.
   */
  async open(runs: boolean): Promise<void> {
    const { owner } = this;
    let leftInOrder = false;
    try {
      const { inFlight, epoch, clean } = await owner.open();
      this.epoch = epoch;
      leftInOrder = clean && inFlight.length === 0;
      this.incarnation = owner.incarnation;
      const { interrupted, putBack } = await settleInFlight(owner, inFlight);
      this.interrupted = interrupted;
      this.putBack = putBack;
      await owner.catchUp.begin();
      if (this.isOver) throw owner.lostWith ?? new Error(`Shard ${this.shard} was lost while it was being opened.`);
      owner.accept();
      this.state = 'serving';
      this.servesSince = this.now().monotonicMs;
      if (runs) owner.run();
    } catch (error) {
      this.state = 'ended';
      await owner.close(false);
      // The next owner need not wait for this lease to run out; but it must know of an unclean end, if there was one (M13).
      if (leftInOrder) await this.options.wal.release(this.shard, this.epoch, this.incarnation).catch(() => {});
      throw error;
    }
  }

  /** A hint: something was offered, and the inbox may begin with these texts. */
  offered(texts: readonly string[] | undefined): void {
    if (texts !== undefined) this.options.wal.hinted?.(this.shard, texts);
    this.owner.commits.poll();
  }

  /** Whether it has not shown yet that opening the shard does no harm (M13). */
  get isFresh(): boolean {
    return this.state !== 'ended' && !this.hasSurvived;
  }

  /** Whether a handler has not settled. */
  get isAtWork(): boolean {
    return this.owner.isOpen && this.owner.executor.running.size > 0;
  }

  run(): void {
    if (this.state === 'serving') this.owner.run();
  }

  /** Renews the lease when that is due, and gives the shard up when it has run out. Called often. */
  upkeep(): void {
    if (this.lease === undefined || this.state === 'ended') return;
    const { leaseTimes } = this.options;
    const now = this.now();
    const state = leaseState(this.lease, leaseTimes, now);
    if (state === 'expired') {
      this.lose(new LeaseExpiredError(this.shard, leaseTimes.leaseMs));
      return;
    }
    const survives = this.servesSince !== undefined && now.monotonicMs - this.servesSince >= leaseTimes.leaseMs;
    const toldSurvival = this.hasSurvived || !survives;
    if (!this.isRenewing && (!toldSurvival || renewalDue(this.lease, leaseTimes, now))) void this.renew(survives);
    const isBack = state === 'held' && !this.wasHeld;
    this.wasHeld = state === 'held';
    if (isBack) this.owner.advanceAll();
  }

  /**
   * Lets another node go on with the shard. With `orGoOn`, a handler that does not settle in time keeps the shard here and
   * the answer is undefined; without, it is interrupted.
   */
  async handOver(deadlineMs: number, orGoOn: boolean): Promise<StopReport | undefined> {
    if (this.state !== 'serving') return undefined;
    this.state = 'leaving';
    const report = orGoOn ? await drainOrGoOn(this.owner, deadlineMs) : await drain(this.owner, deadlineMs, true);
    if (report === undefined && !this.isOver) {
      this.state = 'serving';
      return undefined;
    }
    this.state = 'ended';
    return report;
  }

  /** Gives the shard up at once; the store may have given it to someone else already. */
  lose(error: Error): void {
    if (this.owner.isOpen && this.owner.phase !== 'closed') this.owner.commits.lose(error);
    else this.ended(error);
  }

  private get isOver(): boolean {
    return this.state === 'ended' || this.owner.phase === 'lost' || this.owner.phase === 'closed';
  }

  private ended(error: Error): void {
    if (this.state === 'ended') return;
    const wasOpening = this.state === 'opening';
    const wasLeaving = this.state === 'leaving';
    this.state = 'ended';
    // Whoever opens it or hands it over is on the way to close it.
    if (!wasOpening && !wasLeaving) void this.owner.close(false);
    this.options.lost(this, error);
  }

  private mayStart(): boolean {
    if (this.lease === undefined) return false;
    const may = mayStart(this.lease, this.options.leaseTimes, this.now());
    // Whoever asked in vain is looked at again, also when the doubt is gone before the next upkeep.
    if (!may) this.wasHeld = false;
    return may;
  }

  /**
   * The wall clock is not asked, and only a start asks for all. But a mark that is sent after the lease has run out may
   * still be taken by the store, and the message then counts as interrupted although it never started.
   */
  private seemsToHold(): boolean {
    if (this.lease === undefined || !this.wasHeld) return false;
    const { leaseTimes, runtime } = this.options;
    const elapsedMs = runtime.clock.monotonic() - this.lease.sentAt.monotonicMs;
    if (elapsedMs < leaseTimes.leaseMs - leaseTimes.marginMs) return true;
    // What is held back now is looked at again with the next upkeep, also when a commit renews the lease before.
    this.wasHeld = false;
    return false;
  }

  private sending(): () => void {
    const sentAt = this.now();
    return () => {
      this.lease = this.lease === undefined ? leaseFrom(sentAt) : confirmed(this.lease, sentAt);
    };
  }

  private async renew(survives: boolean): Promise<void> {
    this.isRenewing = true;
    const confirm = this.sending();
    try {
      await this.options.wal.renew(this.shard, this.epoch, this.incarnation, survives && !this.hasSurvived);
      if (survives) this.hasSurvived = true;
      confirm();
    } catch (error) {
      // A store that does not answer is asked again until the lease is over.
      if (error instanceof StaleEpochError) this.lose(error);
    } finally {
      this.isRenewing = false;
    }
  }

  private now(): Instant {
    const { clock } = this.options.runtime;
    return { monotonicMs: clock.monotonic(), wallMs: clock.now() };
  }
}
