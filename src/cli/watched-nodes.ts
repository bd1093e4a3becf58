/**
 * Which nodes of a cluster are alive. A record says nothing of time, only its beat grows: so one watches for a while, by
 * one's own clock, and who moved is alive.
 */
import type { ClusterView, NodeRecord } from '../cluster/cluster-store.js';
import type { Runtime } from '../runtime/runtime.js';
import type { NodeRow } from './cluster-view.js';

const LOOK_MS = 100;

export interface WatchedNodes {
  readonly last: ClusterView;
  readonly nodes: readonly NodeRow[];
}

/**
 * Watches for `watchMs`, or until every node has moved; the whole time when `until` says so, since a node may still come. A
 * node that leaves meanwhile is not in the answer.
 */
export async function watchNodes(
  view: () => Promise<ClusterView>,
  { clock, timers }: Pick<Runtime, 'clock' | 'timers'>,
  watchMs: number,
  until: 'all-moved' | 'whole' = 'all-moved',
): Promise<WatchedNodes> {
  const endsAt = clock.monotonic() + watchMs;
  const first = await view();
  const beats = new Map(first.nodes.map((record) => [record.serverId, record]));
  const moved = new Set<string>();
  for (let last = first; ; last = await view()) {
    for (const record of last.nodes) if (hasMoved(record, beats.get(record.serverId))) moved.add(record.serverId);
    if (
      clock.monotonic() >= endsAt ||
      (until === 'all-moved' && last.nodes.every(({ serverId }) => moved.has(serverId)))
    ) {
      return { last, nodes: last.nodes.map((record) => ({ record, alive: moved.has(record.serverId) })) };
    }
    await new Promise<void>((resolve) => void timers.set(resolve, LOOK_MS));
  }
}

function hasMoved(now: NodeRecord, before: NodeRecord | undefined): boolean {
  return before === undefined || before.incarnation !== now.incarnation || before.beat !== now.beat;
}
