/**
 * How the node does, in the form that health endpoints want. It reads what the node keeps in memory anyway: a check does
 * no I/O and may be called as often as one likes.
 */
import type { AtomicQueuesNode } from '../bus/node.js';
import { ClusterEngine } from '../cluster/cluster-engine.js';

export interface AtomicQueuesHealthReport {
  /** `up`: all well. `degraded`: part of the work is refused or stuck. `down`: nothing is accepted. */
  readonly status: 'up' | 'degraded' | 'down';
  readonly details: {
    /** `accepting`: open, messages start after bootstrap. `lost`: the store can no longer be written. */
    readonly phase: 'closed' | 'recovering' | 'accepting' | 'running' | 'draining' | 'lost';
    /** Messages of this node that have not ended, those of this moment's handlers included. */
    readonly pending: number;
    readonly runningHandlers: number;
    /** Entities that have work. */
    readonly activeWorkers: number;
    readonly storeDegraded: boolean;
    /** Entity types whose dead letters are full: new messages of these are refused. */
    readonly deadLettersFull: readonly string[];
    /** Handlers that have been running past their limit, or for very long. */
    readonly stuckHandlers: number;
    /** Why the status is not `up`. */
    readonly reasons: readonly string[];
    /** Only of a node that shares its store with others. */
    readonly cluster?: AtomicQueuesClusterHealth | undefined;
  };
}

export interface AtomicQueuesClusterHealth {
  readonly serverId: string;
  readonly serviceGroup: string;
  /** `serverId` of the node that places the group's shards; undefined while there is none. */
  readonly master: string | undefined;
  readonly isMaster: boolean;
  /** `serverId` of each node of the store that is alive as far as this node sees, of all service groups. */
  readonly liveNodes: readonly string[];
  /** Shards that this node has, and the messages that wait in each. `opening`, `leaving`: on its way in or out. */
  readonly shards: readonly {
    readonly shard: number;
    readonly state: 'opening' | 'serving' | 'leaving' | 'ended';
    readonly pending: number;
  }[];
  /** Shards that this node holds back for a while, because no node survived opening them so many times in a row. */
  readonly heldBack: readonly { readonly shard: number; readonly openings: number }[];
}

export class AtomicQueuesHealth {
  constructor(private readonly node: AtomicQueuesNode) {}

  check(): AtomicQueuesHealthReport {
    const { engine, config } = this.node;
    const { phase, share, storeDegraded } = engine;
    const running = engine.running();
    const deadLettersFull = share.fullTypes((type) => config.entityType(type).deadLettersMax);
    const stuckHandlers = running.filter((item) => item.reportedStuck).length;
    const isDown = phase === 'closed' || phase === 'recovering' || phase === 'draining' || phase === 'lost';
    const reasons = [
      ...(phase === 'lost' ? [`the store is lost: ${engine.lostWith?.message ?? 'unknown'}`] : []),
      ...(phase === 'closed' ? ['the node is not open'] : []),
      ...(phase === 'recovering' ? ['the node is taking over what is in its store'] : []),
      ...(phase === 'draining' ? ['the node is shutting down'] : []),
      ...(storeDegraded ? ['the store does not take commits'] : []),
      ...deadLettersFull.map((type) => `the dead letters of '${type}' are full`),
      ...(stuckHandlers > 0 ? [`${stuckHandlers} handlers do not settle`] : []),
    ];
    return {
      status: isDown ? 'down' : reasons.length > 0 ? 'degraded' : 'up',
      details: {
        phase,
        pending: share.depth,
        runningHandlers: running.length,
        activeWorkers: share.activeWorkers,
        storeDegraded,
        deadLettersFull,
        stuckHandlers,
        reasons,
        ...(engine instanceof ClusterEngine && { cluster: clusterHealth(engine) }),
      },
    };
  }
}

function clusterHealth(engine: ClusterEngine): AtomicQueuesClusterHealth {
  const { serverId, serviceGroup, master, isMaster, nodes, shards, heldBack } = engine.describe();
  return {
    serverId,
    serviceGroup,
    master,
    isMaster,
    liveNodes: nodes.map((node) => node.serverId),
    shards: shards.map(({ shard, state, pending }) => ({ shard, state, pending })),
    heldBack,
  };
}
