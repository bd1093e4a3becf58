/**
 * Which node is to run which shard of a group. Pure and deterministic: the same nodes and table give the same answer.
 *
 * - What stands on a node that may run shards stays there, unless that node has more than its share.
 * - What has no such node goes where the hash ring says, if there is room, else to the node with the fewest shards; among
 *   equals to the one with the least load, then the lowest `serverId`.
 * - Every node ends with the rounded-down or the rounded-up share of `slices / nodes`. So a join moves at most the joiner's
 *   share, all of it to the joiner, and a leave moves only what the leaver had. A balanced table of the same nodes stays as
 *   it is, whatever their load.
 * - Nodes that only send, are leaving, are dead (the caller leaves them out) or have no handlers get nothing.
 *
 * The types that a node handles do not matter beyond that. In a rolling deploy a newer node knows types that an older one
 * does not: either may run a shard, and the older one parks what it does not know. Waiting for the newest instead would
 * put all shards on the first node that is updated.
 */
import type { NodeRecord } from './cluster-store.js';
import { HashRing } from './hash-ring.js';

export type PlacementNode = Pick<NodeRecord, 'serverId' | 'state' | 'types' | 'load'>;

export interface PlacementInput {
  /** Shards of the group, a whole number of 1 or more. */
  readonly slices: number;
  /** The live nodes of the group. A `serverId` that comes twice counts once. */
  readonly nodes: readonly PlacementNode[];
  /** The table so far, by slice; empty text or nothing: none yet. */
  readonly current: readonly string[];
}

/** The new table: a `serverId` for each slice; empty text everywhere when no node may run shards. */
export function place({ slices, nodes, current }: PlacementInput): readonly string[] {
  const able = new Map(nodes.filter(mayRunShards).map((node) => [node.serverId, node]));
  if (able.size === 0) return Array.from({ length: slices }, () => '');
  // Most of the time nothing is to be placed, and the ring need not be made.
  let ring: HashRing | undefined;
  const wishedFor = (slice: number): string | undefined => {
    ring ??= new HashRing([...able.keys()]);
    return ring.nodeOf(slice);
  };
  const shares = new Shares(able, slices);
  const table = Array.from({ length: slices }, (_, slice) => {
    const standing = current[slice];
    return standing !== undefined && able.has(standing) ? standing : '';
  });
  for (const standing of table) if (standing !== '') shares.give(standing);
  for (const { node, spare } of shares.overfull()) {
    for (const slice of dispensable(table, node, wishedFor).slice(0, spare)) {
      table[slice] = '';
      shares.take(node);
    }
  }
  return table.map((standing, slice) => {
    if (standing !== '') return standing;
    const wished = wishedFor(slice);
    const node = wished !== undefined && shares.hasRoom(wished) ? wished : shares.emptiest();
    shares.give(node);
    return node;
  });
}

export function mayRunShards(node: Pick<NodeRecord, 'state' | 'types'>): boolean {
  return node.state === 'up' && node.types.length > 0;
}

/** The node's slices, those first that the ring would rather have elsewhere. */
function dispensable(
  table: readonly string[],
  node: string,
  wishedFor: (slice: number) => string | undefined,
): readonly number[] {
  const slices = table.flatMap((standing, slice) => (standing === node ? [slice] : []));
  const here = (slice: number): number => (wishedFor(slice) === node ? 1 : 0);
  return slices.sort((a, b) => here(a) - here(b) || b - a);
}

/** How many shards each node has and may have: the rounded-down share, and one more for as many nodes as it takes. */
class Shares {
  private readonly counts = new Map<string, number>();
  private readonly share: number;
  /** Nodes that have one more than `share` when all is placed. */
  private readonly larger: number;

  constructor(
    private readonly nodes: ReadonlyMap<string, PlacementNode>,
    slices: number,
  ) {
    for (const id of [...nodes.keys()].sort()) this.counts.set(id, 0);
    this.share = Math.floor(slices / nodes.size);
    this.larger = slices % nodes.size;
  }

  give(node: string): void {
    this.counts.set(node, this.count(node) + 1);
  }

  take(node: string): void {
    this.counts.set(node, this.count(node) - 1);
  }

  hasRoom(node: string): boolean {
    const count = this.count(node);
    return count < this.share || (count === this.share && this.above() < this.larger);
  }

  /** Nodes with more than they may have. The fullest keep the larger shares, so that the fewest shards move. */
  overfull(): readonly { readonly node: string; readonly spare: number }[] {
    return [...this.counts]
      .filter(([, count]) => count > this.share)
      .sort((a, b) => b[1] - a[1])
      .map(([node, count], rank) => ({ node, spare: count - this.share - (rank < this.larger ? 1 : 0) }))
      .filter(({ spare }) => spare > 0);
  }

  /** Of the nodes with room, the one with the fewest shards, then the least load, then the lowest name. */
  emptiest(): string {
    let best: string | undefined;
    for (const id of this.counts.keys()) {
      if (this.hasRoom(id) && (best === undefined || this.isEmptier(id, best))) best = id;
    }
    if (best === undefined) throw new Error('More shards are to be placed than there are: the shares do not add up.');
    return best;
  }

  private isEmptier(id: string, than: string): boolean {
    const byCount = this.count(id) - this.count(than);
    return byCount < 0 || (byCount === 0 && this.load(id) < this.load(than));
  }

  private above(): number {
    let above = 0;
    for (const count of this.counts.values()) if (count > this.share) above += 1;
    return above;
  }

  private count(node: string): number {
    return this.counts.get(node) ?? 0;
  }

  private load(node: string): number {
    return this.nodes.get(node)?.load ?? 0;
  }
}
