/**
 * What this node sees of the others: the last view of the cluster store, who of it is alive, and what follows from both for
 * this node's group. Changed by each look and by nothing else.
 */

import { ownEntry } from '../runtime/own-entry.js';
import type { Assignment, ClusterView, NodeRecord } from './cluster-store.js';
import { formatNeeded } from './line-format-raise.js';
import { liveMembers, type Member, type MembershipState } from './membership.js';
import { Routes } from './routes.js';

/** What the assignment table says of a group's shards, for one node. */
export interface Division {
  readonly watched: readonly number[];
  readonly wanted: ReadonlySet<number>;
  readonly elsewhere: ReadonlySet<number>;
}

export class Outlook {
  view: ClusterView = { nodes: [], bindings: [], assignments: {}, lineFormat: 1 };
  live: readonly Member[] = [];
  routes = new Routes(1);
  /** Entity types that some live node has too many dead letters of (M17). */
  private typesFull: ReadonlySet<string> = new Set();

  constructor(
    readonly group: string,
    readonly serverId: string,
  ) {}

  /** @param slices shards of each group, as the store has them. */
  storeHas(slices: number): void {
    this.routes = new Routes(slices);
  }

  seen(view: ClusterView, membership: MembershipState): void {
    this.view = view;
    this.live = liveMembers(membership);
    this.routes.update(view.bindings);
    this.typesFull = new Set(this.live.flatMap(({ record }) => record.full ?? []));
  }

  get assignment(): Assignment | undefined {
    return ownEntry(this.view.assignments, this.group);
  }

  /** Whether anybody has placed the group's shards. */
  get hasTable(): boolean {
    return this.assignment?.nodes.some((node) => node !== '') === true;
  }

  /** Whether the table names this node. */
  get isNamed(): boolean {
    return this.assignment?.nodes.includes(this.serverId) === true;
  }

  /** Entity types of the group, as far as anyone has named them. */
  get types(): readonly string[] {
    return Object.keys(this.view.bindings.find(({ group }) => group === this.group)?.types ?? {});
  }

  isFull(entityType: string): boolean {
    return this.typesFull.size > 0 && this.typesFull.has(entityType);
  }

  /** Another live node that runs shards; with a group, one of that group. */
  hasOthersUp(group?: string): boolean {
    return this.live.some(
      ({ record }) =>
        record.state === 'up' && record.serverId !== this.serverId && (group === undefined || record.group === group),
    );
  }

  /** The node that the assignment names for the shard; it need not be there. */
  ownerOf(shard: number): NodeRecord | undefined {
    const binding = this.routes.bindingOfShard(shard);
    if (binding === undefined) return undefined;
    const owner = ownEntry(this.view.assignments, binding.group)?.nodes[shard - binding.index * this.routes.slices];
    return this.view.nodes.find(({ serverId }) => serverId === owner);
  }

  /** What this node is to own, and what other nodes are to own that are up and understand what stands in the shards. */
  division(groupIndex: number): Division {
    const needed = formatNeeded(this.view);
    const able = this.live.filter(({ record }) => record.state === 'up' && record.format >= needed);
    const up = new Set(able.map(({ record }) => record.serverId));
    const wanted = new Set<number>();
    const elsewhere = new Set<number>();
    this.assignment?.nodes.forEach((node, slice) => {
      const shard = this.routes.shardAt(groupIndex, slice);
      if (node === this.serverId) wanted.add(shard);
      else if (up.has(node)) elsewhere.add(shard);
    });
    return { watched: this.routes.shardsOf(groupIndex), wanted, elsewhere };
  }
}
