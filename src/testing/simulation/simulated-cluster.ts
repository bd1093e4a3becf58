/**
 * A whole cluster in one process, in virtual time: nodes with clocks and troubles of their own on one store, one cluster
 * store and one network, all of it decided by one seed. What every shard remembers is written into a history by the store
 * itself, in the moment when it becomes durable.
 *
 *     const cluster = new SimulatedCluster({ seed: 1, config, setUp: (node) => node.handle('account', 'add', add) });
 *     const one = cluster.add({ serverId: 'one' });
 *     await cluster.until(one.node.start());
 *     one.process.pause(5_000);
 *     await cluster.runtime.advance(10_000);
 */
import { type AtomicQueuesNode, createNode } from '../../bus/node.js';
import type { ClusterStore } from '../../cluster/cluster-store.js';
import { leaseTimes } from '../../cluster/lease.js';
import { MemoryClusterState, MemoryClusterStore } from '../../cluster/memory-cluster-store.js';
import { MemoryNetwork } from '../../cluster/transport/memory/memory-transport.js';
import type { Transport } from '../../cluster/transport/transport.js';
import type { Envelope } from '../../message/envelope.js';
import type { AtomicQueuesConfig } from '../../runtime/config.js';
import { seededRandom } from '../../runtime/random.js';
import type { Runtime } from '../../runtime/runtime.js';
import { type MemorySnapshot, MemoryStore } from '../../wal/memory/memory-wal.js';
import type { SharedWal } from '../../wal/shared-wal.js';
import type { HistoryEvent } from '../history.js';
import { HistoryBuffer } from '../history-log.js';
import { HistoryRecorder } from '../history-recorder.js';
import { RecordingSharedWal } from '../history-recording-shared-wal.js';
import { VirtualRuntime } from '../virtual-runtime.js';
import { LeaseBook } from './lease-book.js';
import { SimulatedClusterStore } from './simulated-cluster-store.js';
import { SimulatedConnection } from './simulated-connection.js';
import { SimulatedFaults } from './simulated-faults.js';
import { SimulatedProcess } from './simulated-process.js';
import { SimulatedTransport } from './simulated-transport.js';
import { SimulatedWal } from './simulated-wal.js';
import { TellingWal } from './telling-wal.js';

/** Where a test may put something between the parts, to see what happens without a rule. All default to nothing. */
export interface SimulationSeams {
  /** Between the store and everyone: the store as it is. */
  readonly server?: ((server: SharedWal, store: MemoryStore) => SharedWal) | undefined;
  /** Between a node and its connection. */
  readonly wal?: ((wal: SharedWal, process: SimulatedProcess) => SharedWal) | undefined;
  readonly store?: ((store: ClusterStore, process: SimulatedProcess) => ClusterStore) | undefined;
  readonly transport?: ((transport: Transport, process: SimulatedProcess) => Transport) | undefined;
  readonly runtime?: ((process: SimulatedProcess) => Runtime) | undefined;
}

export interface SimulatedClusterOptions {
  readonly seed: number;
  readonly config?: AtomicQueuesConfig | undefined;
  /** Shards of each service group. Default 4. */
  readonly slices?: number | undefined;
  /** Service groups at most. Default 2. */
  readonly groupsMax?: number | undefined;
  /** Registers the handlers of a node. */
  readonly setUp?: ((node: AtomicQueuesNode, member: SimulatedNode) => void) | undefined;
  /** The name of the call that made a message, for the history. */
  readonly callOf?: ((message: Envelope) => string | undefined) | undefined;
  readonly seams?: SimulationSeams | undefined;
}

export interface SimulatedNodeOptions {
  readonly serverId: string;
  readonly group?: string | undefined;
  /** False: it has no handlers and only sends. Default true. */
  readonly handles?: boolean | undefined;
  readonly rate?: number | undefined;
  readonly wallOffsetMs?: number | undefined;
}

/** One life of a node. */
export interface SimulatedNode {
  readonly options: SimulatedNodeOptions;
  readonly process: SimulatedProcess;
  readonly node: AtomicQueuesNode;
  readonly recorder: HistoryRecorder;
}

const LEASE_MS = 2_000;
/** What a process takes to end when its node has stopped, milliseconds. */
const LAST_WORDS_MS = 300;

export class SimulatedCluster {
  readonly runtime: VirtualRuntime;
  readonly history = new HistoryBuffer();
  readonly faults: SimulatedFaults;
  readonly network: MemoryNetwork;
  readonly state = new MemoryClusterState();
  readonly store: MemoryStore;
  /** The store itself, for looks that nothing disturbs. */
  readonly server: SharedWal;
  readonly leases: LeaseBook;
  /** Writes what the store and the world know. */
  readonly recorder: HistoryRecorder;
  readonly members: SimulatedNode[] = [];
  /** What owners asked of the store that it refused as impossible. */
  readonly illegal: string[] = [];
  readonly leaseMs: number;
  private readonly addresses = new Map<string, SimulatedProcess>();
  private lives = 0;
  private epochAt = 0;

  constructor(readonly options: SimulatedClusterOptions) {
    const { seed, slices = 4, groupsMax = 2, seams, callOf } = options;
    this.runtime = new VirtualRuntime({ seed });
    const { runtime } = this;
    this.leaseMs = options.config?.cluster?.leaseMs ?? LEASE_MS;
    this.leases = new LeaseBook(this.leaseMs);
    this.faults = new SimulatedFaults(seededRandom(seed ^ 0x5eed), (process) => this.kill(process));
    this.recorder = new HistoryRecorder({ node: 'store', sink: this.history, now: () => runtime.clock.now() });
    this.store = new MemoryStore({ shardCount: slices * groupsMax });
    const wal = new TellingWal({
      clock: runtime.clock,
      store: this.store,
      defersAppends: true,
      epochMin: () => this.nextEpoch(),
      tell: (to, message) => this.network.send('', to, message),
    });
    Object.assign(wal.description, { shardCount: slices });
    void wal.start();
    const recording = new RecordingSharedWal(seams?.server?.(wal, this.store) ?? wal, this.recorder, {
      callOf,
      leaseLeftMs: (shard) => this.leases.leftOfOwner(shard),
    });
    this.server = recording;
    this.network = new MemoryNetwork({
      timers: runtime.timers,
      route: (from, to) => this.faults.route(this.addresses.get(from), this.addresses.get(to)),
    });
  }

  /** What a lease may have left when it is taken over: what clocks that tick at different speed make of it. */
  get leaseToleranceMs(): number {
    return leaseTimes(this.leaseMs).marginMs;
  }

  get living(): readonly SimulatedNode[] {
    return this.members.filter(({ process }) => process.isAlive);
  }

  /** Makes a node; it is the caller's to start. */
  add(options: SimulatedNodeOptions): SimulatedNode {
    const { runtime, network, addresses, state, leases, faults } = this;
    const { config, seams, setUp, seed } = this.options;
    const { serverId, group, rate, wallOffsetMs } = options;
    this.lives += 1;
    const life = this.lives;
    const name = `${serverId}.${life}`;
    const process = new SimulatedProcess({ name, world: runtime, seed: seed * 1_009 + life, rate, wallOffsetMs });
    const connection = (): SimulatedConnection => new SimulatedConnection(runtime, process, faults);
    const wal = new SimulatedWal(this.server, connection(), connection(), leases, ({ message }) =>
      this.illegal.push(`${name} asked for what is impossible: ${message}`),
    );
    const server = new MemoryClusterStore({ state });
    void server.start();
    const store = new SimulatedClusterStore(server, connection());
    const transport = new SimulatedTransport(network, process, addresses);
    const node = createNode({
      runtime: seams?.runtime?.(process) ?? process,
      config: {
        ...config,
        redis: 'redis://simulated',
        cluster: { ...config?.cluster, serverId, ...(group !== undefined && { serviceGroup: group }) },
      },
      shared: {
        wal: seams?.wal?.(wal, process) ?? wal,
        store: seams?.store?.(store, process) ?? store,
        transport: seams?.transport?.(transport, process) ?? transport,
      },
    });
    const sink = {
      append: (event: HistoryEvent): void => {
        if (process.isAlive) this.history.append(event);
      },
    };
    const recorder = new HistoryRecorder({
      node: name,
      sink,
      life: `${life}`,
      now: () => runtime.clock.now(),
    });
    recorder.start();
    node.events.on('shardLost', ({ shard }) => leases.ended(process, shard));
    const member: SimulatedNode = { options, process, node, recorder };
    this.members.push(member);
    if (options.handles !== false) setUp?.(node, member);
    return member;
  }

  /** Ends a node as `kill -9` would: nothing of it happens any more. */
  kill(process: SimulatedProcess): void {
    if (!process.isAlive) return;
    process.kill();
    this.history.append({ type: 'crashed', node: process.name, seq: 0, at: this.runtime.clock.now() });
  }

  /** Stops a node in order; resolves when its process has ended. */
  async stop(member: SimulatedNode): Promise<void> {
    await member.node.stop();
    if (!member.process.isAlive) return;
    // Callers hear what the stop told them before the process ends, and who was about to try again finds that it is over.
    await new Promise<void>((resolve) => this.runtime.timers.set(resolve, LAST_WORDS_MS));
    member.recorder.record({ type: 'nodeStopped' });
    member.process.kill();
  }

  /** Moves time on until the promise settles. */
  async until<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let isOver = false;
    const end = (): void => {
      isOver = true;
    };
    promise.then(end, end);
    await this.runtime.settle();
    for (let passedMs = 0; !isOver && passedMs < limitMs; passedMs += 5) await this.runtime.advance(5);
    if (!isOver) throw new Error(`Nothing came of it within ${limitMs} ms of virtual time.`);
    return promise;
  }

  /** The store's time in microseconds, as on Redis (I6, M8): no two openings happen in the same one. */
  private nextEpoch(): number {
    this.epochAt = Math.max(this.epochAt + 1, Math.floor(this.runtime.clock.now() * 1_000));
    return this.epochAt;
  }

  snapshot(): MemorySnapshot {
    return this.store.snapshot();
  }
}
