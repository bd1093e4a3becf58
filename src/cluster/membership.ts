/**
 * Who is there: a fold of what one reader saw in the cluster store, look after look. Pure; the time is handed in.
 *
 * A record says nothing of time. Only its beat grows, and a node is alive as long as the reader sees its incarnation or
 * beat change often enough. Silence is proven by looks, not by the clock alone: when the reader itself did not look for
 * longer than two heartbeats (it was paused, or the store was away), only one heartbeat of that gap is counted, so that
 * nobody is declared dead for what the reader missed.
 *
 * Nothing here is safety: whether a shard may be taken over is decided by its own sign of life (`shard-watch.ts`).
 */
import type { ClusterView, NodeRecord } from './cluster-store.js';

export interface MembershipTimes {
  /** Milliseconds between two beats of a node. */
  readonly heartbeatMs: number;
  /** Milliseconds of silence, counted from when the next beat was due, after which a node is dead. */
  readonly nodeTTLMs: number;
}

/** One life of a node, as this reader sees it. */
export interface Member {
  readonly record: NodeRecord;
  /** Counted milliseconds since the record last changed. */
  readonly silentMs: number;
  /** Counted milliseconds since it was first seen, or seen again after it was dead. 0 while it is dead. */
  readonly aliveMs: number;
}

export interface MembershipState {
  readonly times: MembershipTimes;
  /** When the reader looked last, by its monotonic clock; undefined before the first look. */
  readonly lookedAtMs: number | undefined;
  /** By `serverId`. */
  readonly members: ReadonlyMap<string, Member>;
  /** Whom the last look missed: lives that the look before it saw, and that are gone or replaced by a new life. */
  readonly left: readonly NodeRecord[];
}

/** Lives whose silence is this many TTLs long may be removed from the store. */
export const LONG_DEAD_TTLS = 10;

/** Longer gaps between two looks than this many heartbeats are the reader's own. */
const GAP_HEARTBEATS_MAX = 2;

export function nobodySeen(times: MembershipTimes): MembershipState {
  return { times, lookedAtMs: undefined, members: new Map(), left: [] };
}

/**
 * The state after another look. Looks are handed in in the order in which they were made.
 * @param monotonicMs when the view arrived, by the reader's monotonic clock.
 */
export function seen(state: MembershipState, view: Pick<ClusterView, 'nodes'>, monotonicMs: number): MembershipState {
  const { times } = state;
  const countedMs = state.lookedAtMs === undefined ? 0 : countedGapMs(monotonicMs - state.lookedAtMs, times);
  const members = new Map<string, Member>();
  for (const record of view.nodes) {
    const before = state.members.get(record.serverId);
    members.set(record.serverId, memberAfter(before, record, countedMs, times));
  }
  const left: NodeRecord[] = [];
  for (const { record } of state.members.values()) {
    if (members.get(record.serverId)?.record.incarnation !== record.incarnation) left.push(record);
  }
  return { times, lookedAtMs: monotonicMs, members, left };
}

/** Alive: its record changed within a heartbeat and the TTL. A record counts as alive from its first sight. */
export function isAlive(member: Member, times: MembershipTimes): boolean {
  return member.silentMs <= times.nodeTTLMs + times.heartbeatMs;
}

/** Everyone alive, of all groups and states, by `serverId`. */
export function liveMembers(state: MembershipState): readonly Member[] {
  return sorted([...state.members.values()].filter((member) => isAlive(member, state.times)));
}

/** Those whose record may be removed: silent for `LONG_DEAD_TTLS` TTLs. */
export function longDead(state: MembershipState): readonly Member[] {
  const limitMs = LONG_DEAD_TTLS * state.times.nodeTTLMs;
  return sorted(
    [...state.members.values()].filter((member) => !isAlive(member, state.times) && member.silentMs > limitMs),
  );
}

function countedGapMs(gapMs: number, times: MembershipTimes): number {
  if (gapMs > GAP_HEARTBEATS_MAX * times.heartbeatMs) return times.heartbeatMs;
  return Math.max(0, gapMs);
}

function memberAfter(
  before: Member | undefined,
  record: NodeRecord,
  countedMs: number,
  times: MembershipTimes,
): Member {
  if (before === undefined || before.record.incarnation !== record.incarnation) {
    return { record, silentMs: 0, aliveMs: 0 };
  }
  const wasAlive = isAlive(before, times);
  if (before.record.beat !== record.beat) {
    return { record, silentMs: 0, aliveMs: wasAlive ? before.aliveMs + countedMs : 0 };
  }
  const silent: Member = { record, silentMs: before.silentMs + countedMs, aliveMs: before.aliveMs + countedMs };
  return isAlive(silent, times) ? silent : { ...silent, aliveMs: 0 };
}

function sorted(members: readonly Member[]): readonly Member[] {
  return [...members].sort((a, b) => (a.record.serverId < b.record.serverId ? -1 : 1));
}
