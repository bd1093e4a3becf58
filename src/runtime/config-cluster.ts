/**
 * The option `cluster`: how nodes that share a Redis find each other, share the work and notice who is gone. The same names
 * are options of `grpc`, too, where they were first; both together must say the same.
 */
import { durationMs, flag, section, visibleName, whole } from './config-values.js';

/** Milliseconds that the event loop of an owner may stand still without anyone taking over. */
const STALL_MS = 1_200;

/** Options that `grpc` has as well. */
export interface SharedClusterConfig {
  /** Name of this node, different from every other's. Give one that stays the same over restarts. Default: a fresh one. */
  readonly serverId?: string | undefined;
  /** Nodes with the same handlers. Default `default`. */
  readonly serviceGroup?: string | undefined;
  /** Milliseconds between two signs of life. Default 400. */
  readonly heartbeatMs?: number | undefined;
  /** Milliseconds that a heartbeat may be overdue before its node counts as gone. Default 1500. */
  readonly nodeTTLMs?: number | undefined;
  /** Without effect, with a warning: each heartbeat looks everything through, hint or no hint. Default 2000. */
  readonly reconcileIntervalMs?: number | undefined;
  /** Without effect, with a warning: a master is who lives and has the lowest name, by the heartbeats. Default 2000. */
  readonly leaderTTLMs?: number | undefined;
  /** As `leaderTTLMs`. Default 400. */
  readonly leaderRenewalMs?: number | undefined;
  /** Milliseconds that a change of who should be master must last before it is followed. Default 800. */
  readonly leaderDebounceMs?: number | undefined;
  /** Milliseconds between two PINGs to Redis. Default 500. */
  readonly redisHealthCheckMs?: number | undefined;
  /** PINGs in a row that fail before the node refuses new work. Default 3. */
  readonly redisHealthFailureThreshold?: number | undefined;
}

export interface ClusterConfig extends SharedClusterConfig {
  /**
   * Milliseconds that an owner may stay silent before another node can take its shards. Default 2000. At least a heartbeat
   * and the longest stall of an event loop that is put up with, 1200 ms.
   */
  readonly leaseMs?: number | undefined;
  /**
   * Slices of each service group's entities: as many nodes can share its work at most. Fixed when the store is first used.
   * Default 16, or what the store has.
   */
  readonly shards?: number | undefined;
  /**
   * Whether the event loop may stay awake for up to 0.6 ms while a single commit is on its way to Redis, as long as answers
   * come sooner by that (15% at least): the node measures it, and sleeps where they do not. It costs processor time while
   * there is work; false is better where that is limited to less than a core. Default true.
   */
  readonly busyPoll?: boolean | undefined;
}

export interface GrpcConfig extends SharedClusterConfig {
  /** Only false in this version: the nodes talk over Redis. */
  readonly enabled?: false | undefined;
}

export interface ResolvedCluster {
  /** Undefined: the node makes one up. */
  readonly serverId: string | undefined;
  readonly serviceGroup: string;
  readonly heartbeatMs: number;
  readonly nodeTTLMs: number;
  readonly leaseMs: number;
  readonly reconcileIntervalMs: number;
  readonly leaderTTLMs: number;
  readonly leaderRenewalMs: number;
  readonly leaderDebounceMs: number;
  readonly redisHealthCheckMs: number;
  readonly redisHealthFailureThreshold: number;
  readonly shards: number;
  readonly busyPoll: boolean;
  /** Whether the configuration says `shards`: then a store with another number is an error; else the store's is taken. */
  readonly shardsGiven: boolean;
  /** Options that the configuration gives and that do nothing in this version. */
  readonly withoutEffect: readonly string[];
}

const sharedShape = {
  serverId: visibleName(128).optional(),
  serviceGroup: visibleName(64).optional(),
  heartbeatMs: durationMs(10).optional(),
  nodeTTLMs: durationMs(1).optional(),
  reconcileIntervalMs: durationMs(1).optional(),
  leaderTTLMs: durationMs(1).optional(),
  leaderRenewalMs: durationMs(1).optional(),
  leaderDebounceMs: durationMs(0).optional(),
  redisHealthCheckMs: durationMs(1).optional(),
  redisHealthFailureThreshold: whole('failures', 1, 1_000).optional(),
};

export const clusterSchema = section({
  ...sharedShape,
  leaseMs: durationMs(1).optional(),
  shards: whole('shards', 1, 4_096).optional(),
  busyPoll: flag.optional(),
});

export const grpcSchema = section({
  enabled: flag.refine((value) => !value, { error: () => 'false' }).optional(),
  ...sharedShape,
});

/** Options of the older shape whose work the heartbeats do. */
const WITHOUT_EFFECT = ['reconcileIntervalMs', 'leaderTTLMs', 'leaderRenewalMs'] as const;

const DEFAULTS: Omit<ResolvedCluster, 'serverId' | 'shardsGiven' | 'withoutEffect'> = {
  serviceGroup: 'default',
  heartbeatMs: 400,
  nodeTTLMs: 1_500,
  leaseMs: 2_000,
  reconcileIntervalMs: 2_000,
  leaderTTLMs: 2_000,
  leaderRenewalMs: 400,
  leaderDebounceMs: 800,
  redisHealthCheckMs: 500,
  redisHealthFailureThreshold: 3,
  shards: 16,
  busyPoll: true,
};

type Given = Readonly<Record<string, unknown>> | undefined;

const namesGiven = (options: Given, prefix: string): string[] =>
  Object.entries(options ?? {})
    .filter(([name, value]) => value !== undefined && name !== 'enabled')
    .map(([name]) => `${prefix}.${name}`);

/** Both sections in one, with the defaults. A section that says another value than the other one is a problem. */
export function settleCluster(
  cluster: ClusterConfig | undefined,
  grpc: SharedClusterConfig | undefined,
): { readonly resolved: ResolvedCluster; readonly problems: string[] } {
  const problems: string[] = [];
  for (const name of Object.keys(sharedShape) as (keyof SharedClusterConfig)[]) {
    const [one, other] = [cluster?.[name], grpc?.[name]];
    if (one === undefined || other === undefined || one === other) continue;
    problems.push(
      `cluster.${name} (${JSON.stringify(one)}) and grpc.${name} (${JSON.stringify(other)}) are one option with different values; give it once.`,
    );
  }
  const said: Record<string, unknown> = {};
  for (const [name, value] of [...Object.entries(grpc ?? {}), ...Object.entries(cluster ?? {})]) {
    if (value !== undefined && name !== 'enabled') said[name] = value;
  }
  const resolved: ResolvedCluster = {
    serverId: undefined,
    ...DEFAULTS,
    ...said,
    shardsGiven: cluster?.shards !== undefined,
    withoutEffect: WITHOUT_EFFECT.filter((name) => said[name] !== undefined),
  };
  return { resolved, problems };
}

/** Options of a cluster that is none. */
export function clusterWithoutRedis(cluster: Given, grpc: Given): string[] {
  const names = [...namesGiven(cluster, 'cluster'), ...namesGiven(grpc, 'grpc')];
  if (names.length === 0) return [];
  const them = names.length === 1 ? `${names.join()} is` : `${names.join(', ')} are`;
  return [
    `${them} given without redis, and would do nothing: the embedded store has one node. Give redis, or leave out the rest.`,
  ];
}

/** Timings that do not fit together. */
export function clusterContradictions(cluster: ResolvedCluster): string[] {
  const problems: string[] = [];
  const { heartbeatMs, nodeTTLMs, leaseMs, leaderTTLMs, leaderRenewalMs } = cluster;
  if (nodeTTLMs <= heartbeatMs) {
    problems.push(
      `cluster.nodeTTLMs (${nodeTTLMs} ms) is not larger than cluster.heartbeatMs (${heartbeatMs} ms); a node would count as gone between two heartbeats.`,
    );
  }
  const leaseMsMin = heartbeatMs + Math.max(STALL_MS, heartbeatMs);
  if (leaseMs < leaseMsMin) {
    problems.push(
      `cluster.leaseMs (${leaseMs} ms) is too short for cluster.heartbeatMs (${heartbeatMs} ms); expected at least ${leaseMsMin} ms: a heartbeat and a stall of ${Math.max(STALL_MS, heartbeatMs)} ms.`,
    );
  }
  if (leaderRenewalMs >= leaderTTLMs) {
    problems.push(
      `cluster.leaderRenewalMs (${leaderRenewalMs} ms) is not smaller than cluster.leaderTTLMs (${leaderTTLMs} ms); a master would lose its place between two renewals.`,
    );
  }
  return problems;
}
