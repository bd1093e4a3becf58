/** What a `RedisWal` is made with. */
import type { Clock } from '../../runtime/clock.js';
import type { RetentionOptions } from '../wal.js';
import type { BusyPoll } from './busy-poll.js';
import type { RedisClient } from './scripts.js';

/** `async`: what the server's own persistence gives. `replicas`: acknowledged by so many replicas before it resolves (M10). */
export type RedisDurability = 'async' | { readonly replicas: number };

export interface RedisWalOptions {
  /**
   * A connected ioredis client for commits and offers. Nothing may be resent silently: `autoResendUnfulfilledCommands` and
   * `enableOfflineQueue` must be false. The caller closes it.
   */
  readonly client: RedisClient;
  /** For reads and signs of life, so that they do not wait behind large commits. Default: `client`. */
  readonly control?: RedisClient | undefined;
  /** Only with `durability: {replicas}`: a client of its own for WAIT, to the same server or the same Cluster. */
  readonly waiter?: RedisClient | undefined;
  /** Default `aq`. */
  readonly keyPrefix?: string | undefined;
  /** Slices of each service group, fixed at the first start. Default: what the store has, 16 in a new one. */
  readonly slices?: number | undefined;
  /** Defaults as in `RetentionOptions`. */
  readonly retention?: Partial<RetentionOptions> | undefined;
  /** Default `async`. */
  readonly durability?: RedisDurability | undefined;
  /** How long the replicas may take before the answer counts as lost, milliseconds. Default 5,000. */
  readonly replicationTimeoutMs?: number | undefined;
  /** Offers that one commit takes in at most. Default 500. */
  readonly offersTakenMax?: number | undefined;
  /** Longer offers go to the quarantine, bytes. Default 4 MiB. */
  readonly offerBytesMax?: number | undefined;
  /** Follows commits that do something. Default: the event loop sleeps while they are on their way. */
  readonly busyPoll?: Pick<BusyPoll, 'follow'> | undefined;
  /** Whether offers publish a wake hint. Default true. */
  readonly wakes?: boolean | undefined;
  /**
   * Whether nodes listen on channels of their own that scripts can publish on: then a hint goes to the owner's node alone,
   * and commits tell verdicts. Default: never.
   */
  readonly reachesNodes?: (() => boolean) | undefined;
  /** Whether starts are checked against the whole line of their entity, as the model does. For tests. Default false. */
  readonly verifyLineOrder?: boolean | undefined;
  /** Tells the time instead of the server. For tests only. */
  readonly clock?: Clock | undefined;
  /** For measuring and for the first guess of the server's time. Default: the system's. */
  readonly localClock?: Clock | undefined;
  /** The newest format of lines that this node is to understand. Default: all that there are. For tests of deploys. */
  readonly lineFormatMax?: number | undefined;
  /**
   * The format of lines in a new store. Default 1, since nodes of an older version may be about to start beside this one: the
   * master raises it. For tests.
   */
  readonly newLineFormat?: number | undefined;
  /** Name of a new store. Default: a random one. */
  readonly clusterId?: string | undefined;
  /** A failure of the start-up checks that can be lived with goes here. Default: the process's warnings. */
  readonly warn?: ((message: string) => void) | undefined;
}

export const SLICES_DEFAULT = 16;
export const REDIS_OFFERS_TAKEN_MAX = 500;
export const OFFER_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of offers that one look into the inbox brings at most, about. */
export const PEEK_BYTES_MAX = 4 * 1024 * 1024;
