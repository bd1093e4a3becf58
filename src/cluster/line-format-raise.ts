/**
 * Which format of lines the nodes may write, and when the master raises the store's. Pure.
 *
 * The store's format follows the oldest node that has a record, alive or not, so that a rolling deploy is over before
 * anything is written that an old node cannot read; the record of a node that crashed goes after a while
 * (`LONG_DEAD_TTLS`). Nothing here is safety: the store checks the records again in the step that raises the format, takes
 * no beat of a node that does not understand it, and opens no shard for one that does not understand the shard's lines.
 */
import type { ClusterView, NodeRecord } from './cluster-store.js';

/** For so many heartbeats nobody may be there who does not understand the newer format. */
export const RAISE_HEARTBEATS = 5;

/** The newest format that everybody with a record understands; undefined when nobody is there. */
export function understoodByAll(nodes: readonly Pick<NodeRecord, 'format'>[]): number | undefined {
  if (nodes.length === 0) return undefined;
  return nodes.reduce((least, { format }) => Math.min(least, format), Number.POSITIVE_INFINITY);
}

/**
 * What a node must understand to be given shards: the store's format, or a newer one that somebody met in a shard. The
 * second happens when a server that lost the raise took over while shards in other slots kept theirs.
 */
export function formatNeeded({ lineFormat, nodes }: Pick<ClusterView, 'lineFormat' | 'nodes'>): number {
  return nodes.reduce((most, { lineFormat: met = 0 }) => Math.max(most, met), lineFormat);
}

/** A higher format that all understand, for as long as they do. */
export interface RaiseInSight {
  readonly lineFormat: number;
  /** By the reader's monotonic clock. */
  readonly sinceMs: number;
}

/** What another look leaves of it; undefined: there is nothing to raise. */
export function inSight(
  before: RaiseInSight | undefined,
  { lineFormat: stored, nodes }: Pick<ClusterView, 'lineFormat' | 'nodes'>,
  nowMs: number,
): RaiseInSight | undefined {
  const lineFormat = understoodByAll(nodes);
  if (lineFormat === undefined || lineFormat <= stored) return undefined;
  return before?.lineFormat === lineFormat ? before : { lineFormat, sinceMs: nowMs };
}

export function isRaiseDue({ sinceMs }: RaiseInSight, nowMs: number, heartbeatMs: number): boolean {
  return nowMs - sinceMs >= RAISE_HEARTBEATS * heartbeatMs;
}
