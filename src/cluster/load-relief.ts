/**
 * Gentle relief of a node that has much more to do than the others: at most one shard moves per call. Pure.
 *
 * Only when load is very uneven: the node's waiting messages are at least `LOAD_RATIO_MIN` times the group's mean and at
 * least `LOAD_MIN`. The table stays one that `place` leaves as it is, so a shard moves only from a node with the larger
 * share to one with the smaller; where all shares are equal, nothing moves. The caller asks seldom (some seconds apart):
 * load needs time to follow a move.
 */
import type { NodeRecord } from './cluster-store.js';
import { mayRunShards } from './placement.js';

/** Times the mean load of the nodes. */
export const LOAD_RATIO_MIN = 1.5;
/** Waiting messages below which a node needs no relief. */
export const LOAD_MIN = 10_000;

export type ReliefNode = Pick<NodeRecord, 'serverId' | 'state' | 'types' | 'load' | 'shards'>;

export interface ReliefInput {
  /** The live nodes of the group. */
  readonly nodes: readonly ReliefNode[];
  /** The table that stands, by slice. */
  readonly table: readonly string[];
  /** The WAL shard number of slice 0: nodes tell the load of their shards by WAL shard number. */
  readonly firstShard: number;
}

/** The table with one shard moved, or the same table (by identity) when nobody needs relief. */
export function relieve({ nodes, table, firstShard }: ReliefInput): readonly string[] {
  const able = nodes.filter(mayRunShards);
  const mean = able.reduce((sum, { load }) => sum + load, 0) / Math.max(1, able.length);
  const byLoad = [...able].sort((a, b) => b.load - a.load || (a.serverId < b.serverId ? -1 : 1));
  const busiest = byLoad[0];
  if (busiest === undefined || busiest.load < LOAD_MIN || busiest.load < LOAD_RATIO_MIN * mean) return table;
  const slicesOf = (node: ReliefNode): readonly number[] =>
    table.flatMap((standing, slice) => (standing === node.serverId ? [slice] : []));
  const mine = slicesOf(busiest);
  const idlest = byLoad.toReversed().find((node) => slicesOf(node).length < mine.length);
  if (idlest === undefined) return table;
  const waiting = (slice: number): number => busiest.shards[firstShard + slice] ?? 0;
  // A shard with more than half of the difference would only carry the trouble to the other node.
  const room = (busiest.load - idlest.load) / 2;
  const movable = mine.filter((slice) => waiting(slice) > 0 && waiting(slice) <= room);
  const [moved] = movable.sort((a, b) => waiting(b) - waiting(a) || a - b);
  if (moved === undefined) return table;
  return table.map((standing, slice) => (slice === moved ? idlest.serverId : standing));
}
