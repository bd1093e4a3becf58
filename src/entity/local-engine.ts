/** The engine of a node that is alone with its store: it owns the one shard there is. */
import type { Engine, EnginePhase } from './engine.js';
import type { Item } from './item.js';
import type { NodeShare } from './node-share.js';
import { Operations } from './operations.js';
import { type RecoveryReport, settleInFlight } from './recovery.js';
import type { ShardOwner } from './shard-owner.js';
import { drain, type StopReport } from './shutdown.js';
import { Submitter } from './submitter.js';

/** Messages that one look into the store takes in. */
const STORED_PAGE = 1_000;

export class LocalEngine implements Engine {
  readonly door: Submitter;
  readonly operations: Operations;
  private recovered: RecoveryReport = { interrupted: 0, putBack: 0, pending: 0 };

  /** @param startStore opens the store, which the engine stops. */
  constructor(
    readonly owner: ShardOwner,
    private readonly startStore: () => Promise<void>,
  ) {
    this.door = new Submitter(owner);
    this.operations = new Operations(owner);
  }

  get phase(): EnginePhase {
    return this.owner.phase;
  }

  get isIdle(): boolean {
    return this.owner.isIdle;
  }

  get share(): NodeShare {
    return this.owner.share;
  }

  get storeDegraded(): boolean {
    return this.owner.isOpen && this.owner.commits.isDegraded;
  }

  get lostWith(): Error | undefined {
    return this.owner.lostWith;
  }

  running(): readonly Item[] {
    return this.owner.isOpen && this.owner.phase !== 'closed' ? [...this.owner.executor.running] : [];
  }

  shards(): readonly number[] {
    return [this.owner.options.shard];
  }

  shardOf(): number {
    return this.owner.options.shard;
  }

  takenElsewhere(): boolean {
    return false;
  }

  typesElsewhere(): readonly string[] {
    return [];
  }

  namesElsewhere(): readonly string[] {
    return [];
  }

  /** An earlier version of the application may have left messages of the type. */
  async knowsType(entityType: string): Promise<boolean> {
    const { wal, shard } = this.owner.options;
    let after = 0;
    for (;;) {
      const page = await wal.scan(shard, after, STORED_PAGE);
      if (page.some((head) => head.entityType === entityType)) return true;
      const last = page.at(-1);
      if (last === undefined || page.length < STORED_PAGE) return false;
      after = last.seq;
    }
  }

  async open(): Promise<void> {
    const { owner } = this;
    try {
      await this.startStore();
      const { inFlight } = await owner.open();
      const settled = await settleInFlight(owner, inFlight);
      this.recovered = { ...settled, pending: await owner.catchUp.begin() };
      owner.accept();
    } catch (error) {
      await owner.options.wal.stop();
      throw error;
    }
  }

  async start(): Promise<RecoveryReport> {
    this.owner.run();
    return this.recovered;
  }

  async stop(deadlineMs: number): Promise<StopReport> {
    try {
      return await drain(this.owner, deadlineMs);
    } finally {
      await this.owner.options.wal.stop();
    }
  }
}
