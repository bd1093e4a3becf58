/**
 * The work of the master: when this node is the one of its group that places shards, it writes the assignment table
 * whenever that should change. Terms in the store see to it that a former master's table does not come after a newer one's.
 */

import type { Clock } from '../runtime/clock.js';
import { ownEntry } from '../runtime/own-entry.js';
import type { ClusterStore, ClusterView } from './cluster-store.js';
import { leadership } from './leadership.js';
import { formatNeeded, inSight, isRaiseDue, type RaiseInSight } from './line-format-raise.js';
import { relieve } from './load-relief.js';
import type { Member } from './membership.js';
import { place } from './placement.js';

export interface MasterOfficeOptions {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly group: string;
  readonly serverId: string;
  readonly leaderDebounceMs: number;
  readonly heartbeatMs: number;
  /** The store's lines are written in this format from now on. */
  readonly raised: (lineFormat: number) => void;
  /** A new table is in the store. */
  readonly assigned: () => void;
}

/** A shard is moved for its load at most this often, milliseconds: load needs time to follow a move. */
const RELIEF_EVERY_MS = 10_000;

export class MasterOffice {
  isMaster = false;
  private isWriting = false;
  private relievedAt = Number.NEGATIVE_INFINITY;
  private raise: RaiseInSight | undefined;
  private isRaising = false;

  constructor(private readonly options: MasterOfficeOptions) {}

  /** Places nothing more, because the node leaves or cannot see the store. */
  resign(): void {
    this.isMaster = false;
  }

  /** @param degraded the node cannot rely on what it sees: it places nothing. */
  async decide(
    view: ClusterView,
    live: readonly Member[],
    slices: number,
    groupIndex: number,
    degraded: boolean,
  ): Promise<void> {
    const { store, clock, group, serverId, leaderDebounceMs, assigned } = this.options;
    const assignment = ownEntry(view.assignments, group);
    // Who does not understand what stands in the shards can neither have any nor give them to others of its kind.
    const needed = formatNeeded(view);
    const able = live.filter(({ record }) => record.format >= needed);
    const { isMaster, term, version } = leadership({ group, serverId, live: able, assignment, leaderDebounceMs });
    this.isMaster = isMaster && !degraded;
    this.raise = this.isMaster ? inSight(this.raise, view, clock.monotonic()) : undefined;
    if (!this.isMaster || this.isWriting) return;
    if (assignment?.master === serverId) void this.raiseLineFormat(assignment.term);
    const nodes = able.filter(({ record }) => record.group === group).map(({ record }) => record);
    const firstShard = groupIndex * slices;
    const current = assignment?.nodes ?? tableOf(nodes, slices, firstShard);
    let table = place({ slices, nodes, current });
    const now = clock.monotonic();
    if (isSame(table, current) && now - this.relievedAt >= RELIEF_EVERY_MS) {
      const running = nodes.filter((node) => node.state === 'up' && node.types.length > 0);
      const relieved = running.length > 1 ? relieve({ nodes: running, table, firstShard }) : table;
      if (!isSame(relieved, table)) {
        this.relievedAt = now;
        table = relieved;
      }
    }
    if (assignment !== undefined && isSame(table, assignment.nodes)) return;
    this.isWriting = true;
    try {
      if (await store.assign(group, { term, version, master: serverId, nodes: table })) assigned();
    } catch {
      // The next look decides again.
    } finally {
      this.isWriting = false;
    }
  }

  private async raiseLineFormat(term: number): Promise<void> {
    const { store, clock, group, serverId, heartbeatMs, raised } = this.options;
    const { raise } = this;
    if (raise === undefined || this.isRaising || !isRaiseDue(raise, clock.monotonic(), heartbeatMs)) return;
    const { lineFormat } = raise;
    this.isRaising = true;
    try {
      if (await store.raiseLineFormat(group, { term, master: serverId, lineFormat })) raised(lineFormat);
    } catch {
      // The next look tries again.
    } finally {
      this.isRaising = false;
    }
  }
}

/** A table that was lost is made anew from what the nodes say that they have. */
function tableOf(
  nodes: readonly { readonly serverId: string; readonly shards: Readonly<Record<number, number>> }[],
  slices: number,
  firstShard: number,
): readonly string[] {
  return Array.from(
    { length: slices },
    (_, slice) => nodes.find(({ shards }) => shards[firstShard + slice] !== undefined)?.serverId ?? '',
  );
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((node, slice) => node === other[slice]);
}
