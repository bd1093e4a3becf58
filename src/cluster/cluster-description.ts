/** What a node tells of its share of the cluster. */
import type { NodeRecord } from './cluster-store.js';

export interface ClusterDescription {
  readonly serverId: string;
  readonly serviceGroup: string;
  /** `serverId` of who places the group's shards; undefined when nobody has yet. */
  readonly master: string | undefined;
  readonly isMaster: boolean;
  /** Every live node, of all groups. */
  readonly nodes: readonly NodeRecord[];
  /** Shards that this node has. */
  readonly shards: readonly {
    readonly shard: number;
    readonly epoch: number;
    /** Messages waiting in it. */
    readonly pending: number;
    readonly state: 'opening' | 'serving' | 'leaving' | 'ended';
  }[];
  /** Shards that this node holds back because nobody survived opening them so many times in a row (M13). */
  readonly heldBack: readonly { readonly shard: number; readonly openings: number }[];
}
