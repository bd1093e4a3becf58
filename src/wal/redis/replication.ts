/**
 * Proof that what was applied has reached replicas (M10). WAIT speaks of how far the server's writes had come at the last
 * command of its own connection that was itself sent to the replicas (any command up to Redis 7.0; others count no more from
 * 7.2 and in Valkey, where WAIT after a PING finds every replica far enough). So each round first publishes on a channel that
 * nobody hears: that goes to the replicas, touches no key, and is not refused when the memory is full. Everyone who asks
 * while a round is under way shares the next.
 */
import { StoreUnavailableError } from '../wal.js';
import { redisError } from './errors.js';
import { clusterChannels } from './keys.js';
import type { RedisWalOptions } from './options.js';
import type { RedisClient } from './scripts.js';

export interface ReplicationOptions {
  /** A connection for this alone: WAIT holds up what stands behind it. To the very server that applied the writes. */
  readonly client: RedisClient;
  /** Default `aq`. */
  readonly keyPrefix?: string | undefined;
  readonly replicas: number;
  /** How long one round may take, milliseconds. */
  readonly timeoutMs: number;
  /** Names the server that writes and WAIT go to; undefined while they may go to different ones. Default: they never do. */
  readonly server?: (() => string | undefined) | undefined;
}

export class Replication {
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  readonly #channel: string;

  constructor(private readonly options: ReplicationOptions) {
    this.#channel = clusterChannels(options.keyPrefix).proof;
  }

  /** Resolves when everything that was applied just before the call is on enough replicas. */
  async proven(): Promise<void> {
    const { server = () => '' } = this.options;
    const wrote = server();
    await this.#shared();
    // Replicas of another server prove nothing: whether it has what was applied, the commit's number tells.
    if (wrote !== undefined && wrote === server()) return;
    throw new StoreUnavailableError('The connection to the server that has the last writes was lost.', 'unknown', true);
  }

  #shared(): Promise<void> {
    if (this.#running === undefined) return this.#begin();
    // The round that is under way may have begun before what the caller applied; the next one has not.
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    const round = this.#round();
    this.#running = round;
    const ended = (): void => {
      if (this.#running === round) this.#running = undefined;
    };
    round.then(ended, ended);
    return round;
  }

  async #round(): Promise<void> {
    const { client, replicas, timeoutMs } = this.options;
    let reached: number;
    try {
      // Its answer says nothing; that it ran on this connection, after the writes, is what counts.
      const [, found] = await Promise.all([
        client.publish(this.#channel, ''),
        client.call('WAIT', String(replicas), String(timeoutMs)),
      ]);
      reached = Number(found);
    } catch (error) {
      throw asUnproven(redisError(error, true));
    }
    if (reached < replicas) {
      throw new StoreUnavailableError(
        `Only ${reached} of ${replicas} replicas had the last writes after ${timeoutMs} ms.`,
        'unknown',
        true,
      );
    }
  }
}

/** The write itself was applied; whatever fails afterwards leaves it unproven. */
function asUnproven(error: Error): Error {
  if (!(error instanceof StoreUnavailableError)) return error;
  return new StoreUnavailableError(error.message, 'unknown', error.recoverable, { cause: error });
}

/** What the options ask for; undefined: the server alone is enough. */
export function replicationOf(options: RedisWalOptions): Replication | undefined {
  const { durability = 'async', waiter, server, keyPrefix, replicationTimeoutMs = 5_000 } = options;
  if (durability === 'async') return undefined;
  if (waiter === undefined) {
    throw new TypeError('`durability: {replicas}` needs `waiter`: a connection of its own to the same server.');
  }
  const { replicas } = durability;
  return new Replication({ client: waiter, keyPrefix, replicas, timeoutMs: replicationTimeoutMs, server });
}
