/** Nodes in one process and in virtual time, on a store whose calls a test can hold up, fail, or look at. */
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { MemoryClusterState, MemoryClusterStore } from '../../../src/cluster/memory-cluster-store.js';
import { MemoryNetwork, MemoryTransport } from '../../../src/cluster/transport/memory/memory-transport.js';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';
import { MemoryStore, MemoryWal, type MemoryWalOptions } from '../../../src/wal/memory/memory-wal.js';
import type {
  CommitAnswer,
  CommitRequest,
  MessageHead,
  Offer,
  OfferLimits,
  StatusRecord,
} from '../../../src/wal/wal.js';

export class HookedWal extends MemoryWal {
  onCommit: ((request: CommitRequest, go: () => Promise<CommitAnswer>) => Promise<CommitAnswer>) | undefined;
  onScan: ((go: () => Promise<readonly MessageHead[]>) => Promise<readonly MessageHead[]>) | undefined;
  onRenew: (() => void) | undefined;
  onStatus: (() => void) | undefined;
  onOffer: ((offers: readonly Offer[], go: () => Promise<void>) => Promise<void>) | undefined;

  override commit(request: CommitRequest): Promise<CommitAnswer> {
    const go = (): Promise<CommitAnswer> => super.commit(request);
    return this.onCommit === undefined ? go() : this.onCommit(request, go);
  }

  override scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]> {
    const go = (): Promise<readonly MessageHead[]> => super.scan(shard, afterSeq, limit);
    return this.onScan === undefined ? go() : this.onScan(go);
  }

  override async status(shard: number, id: string): Promise<StatusRecord | undefined> {
    this.onStatus?.();
    return super.status(shard, id);
  }

  override async statuses(shard: number, ids: readonly string[]): Promise<readonly (StatusRecord | undefined)[]> {
    this.onStatus?.();
    return super.statuses(shard, ids);
  }

  override offer(shard: number, offers: readonly Offer[], limits?: OfferLimits): Promise<void> {
    const go = (): Promise<void> => super.offer(shard, offers, limits);
    return this.onOffer === undefined ? go() : this.onOffer(offers, go);
  }

  override async renew(shard: number, epoch: number, incarnation: string, survived?: boolean): Promise<void> {
    this.onRenew?.();
    return super.renew(shard, epoch, incarnation, survived);
  }
}

export interface ReviewedNode {
  readonly node: AtomicQueuesNode;
  readonly wal: HookedWal;
}

export interface NodeWishes {
  readonly config?: AtomicQueuesConfig;
  readonly wal?: Partial<MemoryWalOptions>;
  readonly prepare?: (node: AtomicQueuesNode) => void;
}

export class ReviewCluster {
  readonly runtime = new VirtualRuntime({ seed: 11 });
  readonly store: MemoryStore;
  readonly state = new MemoryClusterState();
  readonly network = new MemoryNetwork({ timers: this.runtime.timers });
  readonly nodes: AtomicQueuesNode[] = [];

  private epochs = 0;

  /** @param slices shards of each of the `groups`. */
  constructor(
    private readonly slices = 1,
    groups = 1,
  ) {
    this.store = new MemoryStore({ shardCount: slices * groups });
  }

  node(serverId: string, { config, wal: walOptions, prepare }: NodeWishes = {}): ReviewedNode {
    const { runtime } = this;
    const wal = new HookedWal({
      clock: runtime.clock,
      store: this.store,
      defersAppends: true,
      // As on Redis, no two openings have the same epoch, of whatever shards.
      epochMin: () => this.nextEpoch(),
      ...walOptions,
    });
    Object.assign(wal.description, { shardCount: this.slices });
    const node = createNode({
      runtime,
      config: { redis: 'redis://simulated', ...config, cluster: { serverId, ...config?.cluster } },
      shared: {
        wal,
        store: new MemoryClusterStore({ state: this.state }),
        transport: new MemoryTransport(this.network),
      },
    });
    prepare?.(node);
    this.nodes.push(node);
    return { node, wal };
  }

  /** Lets virtual time pass until the promise settles. */
  async until<T>(promise: Promise<T>, limitMs = 30_000): Promise<T> {
    let done = false;
    const settled = (): void => {
      done = true;
    };
    promise.then(settled, settled);
    for (let passedMs = 0; !done && passedMs < limitMs; passedMs += 10) await this.runtime.advance(10);
    await this.runtime.settle();
    if (!done) throw new Error(`Nothing after ${limitMs} ms of virtual time.`);
    return promise;
  }

  /** Resolves after this much virtual time; for handlers. */
  pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.runtime.timers.set(resolve, ms));
  }

  private nextEpoch(): number {
    this.epochs += 1_000;
    return this.epochs;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await this.until(node.stop());
  }
}
