/**
 * Proof that what was applied has reached replicas (M10). WAIT speaks of what its own connection has written, so each round
 * first writes something on it; everyone who asks while a round is under way shares the next one.
 */
import { StoreUnavailableError } from '../wal.js';
import { redisError } from './errors.js';
import type { RedisClient } from './scripts.js';

export interface ReplicationOptions {
  /** A connection for this alone: WAIT holds up what stands behind it. To the very server that applied the writes. */
  readonly client: RedisClient;
  /** Written by every round. */
  readonly key: string;
  readonly replicas: number;
  /** How long one round may take, milliseconds. */
  readonly timeoutMs: number;
}

export class Replication {
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(private readonly options: ReplicationOptions) {}

  /** Resolves when everything that was applied before the call is on enough replicas. */
  proven(): Promise<void> {
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  async #after(former: Promise<void> | undefined): Promise<void> {
    if (former !== undefined) await former.catch(() => {});
    this.#running = this.#next;
    this.#next = undefined;
    await this.#round();
  }

  async #round(): Promise<void> {
    const { client, key, replicas, timeoutMs } = this.options;
    let reached: number;
    try {
      // The answer of the write says nothing; that it was written on this connection is what counts.
      const [, found] = await Promise.all([client.incr(key), client.call('WAIT', String(replicas), String(timeoutMs))]);
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
