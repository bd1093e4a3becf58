/**
 * Which shard an entity is in, for everyone in the cluster alike (M5): its type belongs to a service group, a group has its
 * slices, and the numbers of the slices follow from the group's index. Pure, over the last view of the cluster store.
 */

import type { EntityKey } from '../message/entity-key.js';
import { sliceOf } from '../message/shard-of.js';
import { ownEntry } from '../runtime/own-entry.js';
import type { GroupBinding } from './cluster-store.js';

const WILDCARD = '*';

export class Routes {
  private byType = new Map<string, GroupBinding>();
  private known: readonly GroupBinding[] = [];

  /** @param slices shards of each group. */
  constructor(readonly slices: number) {}

  update(bindings: readonly GroupBinding[]): void {
    if (bindings === this.known) return;
    this.known = bindings;
    const byType = new Map<string, GroupBinding>();
    for (const binding of bindings) for (const type of Object.keys(binding.types)) byType.set(type, binding);
    this.byType = byType;
  }

  bindingOf(entityType: string): GroupBinding | undefined {
    return this.byType.get(entityType);
  }

  /** Undefined when no group has the type. */
  shardOf(entityType: string, key: EntityKey): number | undefined {
    const binding = this.byType.get(entityType);
    return binding === undefined ? undefined : this.shardAt(binding.index, sliceOf(key, this.slices));
  }

  takes(entityType: string, name: string): boolean {
    const binding = this.byType.get(entityType);
    const names = binding === undefined ? undefined : ownEntry(binding.types, entityType);
    return names !== undefined && (names.includes(name) || names.includes(WILDCARD));
  }

  types(): readonly string[] {
    return [...this.byType.keys()];
  }

  /** Names of the messages of a type, without the one that stands for any. */
  names(entityType: string): readonly string[] {
    const names = this.byType.get(entityType)?.types[entityType] ?? [];
    return names.filter((name) => name !== WILDCARD);
  }

  shardAt(groupIndex: number, slice: number): number {
    return groupIndex * this.slices + slice;
  }

  groupIndexOf(shard: number): number {
    return Math.floor(shard / this.slices);
  }

  bindingOfShard(shard: number): GroupBinding | undefined {
    const index = this.groupIndexOf(shard);
    return this.known.find((binding) => binding.index === index);
  }

  shardsOf(groupIndex: number): readonly number[] {
    return Array.from({ length: this.slices }, (_, slice) => this.shardAt(groupIndex, slice));
  }

  allShards(): readonly number[] {
    return this.known.flatMap((binding) => this.shardsOf(binding.index)).sort((a, b) => a - b);
  }
}
