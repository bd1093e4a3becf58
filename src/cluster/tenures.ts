/**
 * The shards that this node owns, wants, or is letting go, brought in line with what the assignment table says. It looks at
 * the signs of life of the shards that it wants and others hold, and opens each as soon as that is proven safe (M6).
 *
 * Owns: the tenures and the proofs. It has no timer: the node's upkeep calls `upkeep` and `look`.
 */
import { LineFormatError, type OpenClaim, ShardHeldError, type SharedWal, type SignOfLife } from '../wal/shared-wal.js';
import { StoreUnavailableError } from '../wal/wal.js';
import { OpeningGuard } from './opening-guard.js';
import type { Division } from './outlook.js';
import { claimOf, epochMet, nothingWatched, type ShardWatch, signsRead, unwatched } from './shard-watch.js';
import { Tenure, type TenureOptions } from './tenure.js';

export interface TenuresOptions extends Omit<TenureOptions, 'shard' | 'claim' | 'lost' | 'hooks'> {
  readonly wal: SharedWal;
  readonly serverId: string;
  readonly leaseMs: number;
  readonly hooksOf: (shard: number) => TenureOptions['hooks'];
  /** Entity types of the group, which may be in its shards. */
  readonly types: () => readonly string[];
  /** A shard was released: whoever is to own it may open it. */
  readonly released: (shard: number) => void;
  readonly opened: (tenure: Tenure) => void;
  readonly lost: (shard: number, error: Error) => void;
  /** The shard has been opened this often without an owner that survived it, and is held back (M13). */
  readonly heldBack: (shard: number, openings: number) => void;
  /** The store is gone, or is another one: nothing that this node could do would be right. */
  readonly storeGone: (error: Error) => void;
  /** How long a running handler may keep a shard from being moved for balance, milliseconds. */
  readonly moveDeadlineMs: number;
}

/** After an opening that failed, or a move that a running handler prevented, it is tried again this much later. */
const AGAIN_MS = 1_000;
/** The same after an opening that only a newer version could make. */
const UNREADABLE_AGAIN_MS = 30_000;
/**
 * A move that waits for a handler holds up every entity of its shard (I9). So it first waits for this long, milliseconds,
 * then for twice as long with each try, and in between the shard goes on for several times as long.
 */
const MOVE_FIRST_MS = 250;
const MOVE_PAUSE_TIMES = 5;
/** Opens after an unclean end are spread over this time, so that a crash does not make every node open at once (M6). */
const JITTER_MS = 40;

export class Tenures {
  private readonly tenures = new Map<number, Tenure>();
  /** What is under way per shard: at most one thing at a time. */
  private readonly busy = new Map<number, Promise<void>>();
  private readonly notBefore = new Map<number, number>();
  /** Of the last try to move a shard, where that was prevented: how long it waited, and when it may be tried again. */
  private readonly movedInVain = new Map<number, { readonly waitMs: number; readonly againAt: number }>();
  private watch: ShardWatch = nothingWatched;
  private wanted: ReadonlySet<number> = new Set();
  /** Every shard of the group. */
  private watched: readonly number[] = [];
  /** The last tenure of a shard that has ended here without a release. */
  private readonly endedHere = new Map<number, Tenure>();
  private readonly guard = new OpeningGuard();
  private isLooking = false;
  private lookAgain = false;
  private isStopped = false;
  private runs = false;

  constructor(private readonly options: TenuresOptions) {}

  all(): readonly Tenure[] {
    return [...this.tenures.values()];
  }

  /** The tenure that takes in messages of this shard here. */
  serving(shard: number): Tenure | undefined {
    const tenure = this.tenures.get(shard);
    return tenure?.serves === true ? tenure : undefined;
  }

  /** Shards that are held back because their owners kept dying, with how often. */
  get heldBack(): ReadonlyMap<number, number> {
    return this.guard.heldBack;
  }

  /** Shards that are wanted and not served yet. */
  get missing(): number {
    let missing = 0;
    for (const shard of this.wanted) if (this.serving(shard) === undefined) missing += 1;
    return missing;
  }

  /** Messages are started from now on. */
  run(): void {
    this.runs = true;
    for (const tenure of this.tenures.values()) tenure.run();
  }

  /**
   * What this node is to own, and what others are to own of what it has. What is in neither stays as it is.
   */
  want({ watched, wanted, elsewhere }: Division): void {
    if (this.isStopped) return;
    this.watched = watched;
    this.wanted = wanted;
    for (const tenure of this.tenures.values()) {
      if (elsewhere.has(tenure.shard) && tenure.serves) this.move(tenure);
    }
    if (this.missing > 0) void this.look();
  }

  /** Leases. */
  upkeep(): void {
    for (const tenure of [...this.tenures.values()]) tenure.upkeep();
  }

  /** Looks at the shards that are wanted and not owned, and opens those that may be opened. */
  async look(): Promise<void> {
    if (this.isLooking) {
      this.lookAgain = true;
      return;
    }
    this.isLooking = true;
    try {
      do {
        this.lookAgain = false;
        await this.lookOnce();
      } while (this.lookAgain && !this.isStopped);
    } catch (error) {
      // A store that cannot be read is looked at again with the next upkeep, unless no waiting will help.
      if (error instanceof StoreUnavailableError && !error.recoverable) this.options.storeGone(error);
    } finally {
      this.isLooking = false;
    }
  }

  /** Gives everything up in order; resolves when nothing is owned any more. */
  async leaveAll(deadlineMs: number): Promise<readonly (readonly [Tenure, Awaited<ReturnType<Tenure['handOver']>>])[]> {
    this.isStopped = true;
    this.wanted = new Set();
    await Promise.all(this.busy.values());
    return Promise.all(
      this.all().map(async (tenure) => {
        const report = await tenure.handOver(deadlineMs, false);
        this.tenures.delete(tenure.shard);
        this.options.released(tenure.shard);
        return [tenure, report] as const;
      }),
    );
  }

  /** Gives everything up at once, because the node cannot go on. */
  loseAll(error: Error): void {
    this.isStopped = true;
    for (const tenure of [...this.tenures.values()]) tenure.lose(error);
  }

  private async lookOnce(): Promise<void> {
    const { wal, runtime } = this.options;
    const { clock, random } = runtime;
    const now = clock.monotonic();
    // All that others may hold is watched all the time: silence is proven from the last sign on, not from when it matters.
    const shards = this.watched.filter((shard) => !this.tenures.has(shard) && !this.busy.has(shard));
    if (shards.length === 0) return;
    const signs = await wal.signs(shards);
    if (this.isStopped) return;
    this.watch = signsRead(this.watch, { shards, signs, sentAtMs: now, receivedAtMs: clock.monotonic() });
    for (const shard of shards) {
      if (!this.wanted.has(shard)) this.guard.forget(shard);
      if (this.tenures.has(shard) || this.busy.has(shard) || !this.wanted.has(shard)) continue;
      if ((this.notBefore.get(shard) ?? 0) > now) continue;
      const sign = signs[shards.indexOf(shard)];
      const claim = this.claim(shard, sign);
      if (claim === undefined) continue;
      if (this.guard.seen(shard, sign, now)) this.options.heldBack(shard, sign?.openings ?? 0);
      if (!this.guard.mayOpen(shard, now, this.hasFresh)) continue;
      const delayMs = claim.silent === undefined ? 0 : random.next() * JITTER_MS;
      this.occupy(shard, () => this.open(shard, claim, delayMs));
    }
  }

  private get hasFresh(): boolean {
    for (const tenure of this.tenures.values()) if (tenure.isFresh) return true;
    return false;
  }

  private claim(shard: number, sign: SignOfLife | undefined): OpenClaim | undefined {
    const { serverId, leaseMs } = this.options;
    const claim = claimOf(this.watch, shard, { node: serverId, incarnation: '', leaseMs });
    if (claim !== undefined || sign?.incarnation === undefined) return claim;
    // A tenure of this node that has ended writes nothing more: nobody knows better that it is silent. A handler of it that
    // is still at work has what it would have elsewhere, the rest of its lease, before its entity goes on (I3).
    const ended = this.endedHere.get(shard);
    if (ended?.incarnation !== sign.incarnation || ended.isAtWork) return undefined;
    return { node: serverId, silent: sign, epochSeen: sign.epoch };
  }

  private async open(shard: number, claim: TenureOptions['claim'], delayMs: number): Promise<void> {
    const { wal, runtime, hooksOf, types, opened } = this.options;
    if (delayMs > 0) await new Promise<void>((resolve) => runtime.timers.set(resolve, delayMs));
    if (this.isStopped) return;
    const tenure = new Tenure({
      ...this.options,
      shard,
      claim,
      hooks: hooksOf(shard),
      lost: (lostTenure, error) => this.lost(lostTenure, error),
    });
    this.tenures.set(shard, tenure);
    this.watch = unwatched(this.watch, [shard]);
    try {
      await wal.allowTypes(shard, types());
      await tenure.open(this.runs);
      this.watch = epochMet(this.watch, shard, tenure.epoch);
      this.endedHere.delete(shard);
      this.guard.forget(shard);
      if (this.runs) tenure.run();
      opened(tenure);
    } catch (error) {
      if (this.tenures.get(shard) === tenure) this.tenures.delete(shard);
      this.watch = epochMet(this.watch, shard, tenure.epoch);
      if (error instanceof ShardHeldError) return;
      if (error instanceof LineFormatError) {
        // The master gives it to others as soon as this node's record tells of the format.
        this.notBefore.set(shard, runtime.clock.monotonic() + UNREADABLE_AGAIN_MS);
        this.options.logger.warn(`Shard ${shard} is left to other nodes. ${error.message}`);
        return;
      }
      this.notBefore.set(shard, runtime.clock.monotonic() + AGAIN_MS);
      this.options.logger.warn(
        `Shard ${shard} could not be opened here; it is tried again. ${error instanceof Error ? error.message : ''}`,
      );
    }
  }

  private move(tenure: Tenure): void {
    const { shard } = tenure;
    const { runtime, moveDeadlineMs, released } = this.options;
    const tried = this.movedInVain.get(shard);
    if (this.busy.has(shard) || (tried?.againAt ?? 0) > runtime.clock.monotonic()) return;
    this.occupy(shard, async () => {
      const waitMs = tried === undefined ? MOVE_FIRST_MS : Math.min(moveDeadlineMs, 2 * tried.waitMs);
      const report = await tenure.handOver(waitMs, true);
      if (report === undefined && tenure.state !== 'ended') {
        this.movedInVain.set(shard, { waitMs, againAt: runtime.clock.monotonic() + MOVE_PAUSE_TIMES * waitMs });
        return;
      }
      this.movedInVain.delete(shard);
      if (this.tenures.get(shard) === tenure) this.tenures.delete(shard);
      this.watch = epochMet(this.watch, shard, tenure.epoch);
      released(shard);
    });
  }

  private lost(tenure: Tenure, error: Error): void {
    const { shard } = tenure;
    this.endedHere.set(shard, tenure);
    this.movedInVain.delete(shard);
    if (this.tenures.get(shard) === tenure) this.tenures.delete(shard);
    this.watch = epochMet(this.watch, shard, tenure.epoch);
    this.options.lost(shard, error);
  }

  private occupy(shard: number, action: () => Promise<void>): void {
    const done = action()
      .catch((error: unknown) => this.options.logger.error(`Shard ${shard}: ${String(error)}`, error))
      .finally(() => this.busy.delete(shard));
    this.busy.set(shard, done);
  }
}
