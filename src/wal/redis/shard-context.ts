/** What the shards of one store share in a process. */
import type { ShardRules } from '../wal.js';
import type { BusyPoll } from './busy-poll.js';
import type { Evidence } from './evidence.js';
import type { ClusterChannels, ShardKeys } from './keys.js';
import type { RedisClient } from './scripts.js';
import type { StoreTime } from './store-time.js';

export interface ShardContext {
  readonly client: RedisClient;
  readonly rules: ShardRules;
  readonly offersTakenMax: number;
  readonly offerBytesMax: number;
  /** Slices of each service group. */
  readonly slices: number;
  readonly keysOf: (shard: number) => ShardKeys;
  /** Where commits tell verdicts; undefined: their owner does. */
  tellsOn(): ClusterChannels | undefined;
  /** What the store's lines are written in now, as far as this node knows. */
  lineFormat(): number;
  readonly busyPoll: Pick<BusyPoll, 'follow'> | undefined;
  /** The server's time; undefined when a test's clock tells it. */
  readonly serverTime: StoreTime | undefined;
  now(): number;
  /** Resolves when what the evidence is of is on enough replicas. Undefined: by `async`, the server alone is enough. */
  readonly proven: ((evidence: Evidence) => Promise<void>) | undefined;
}
