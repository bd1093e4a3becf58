/**
 * Proof that what was applied has reached replicas (M10): on the primary that has it, of a single server or of the slot in a
 * Cluster. Which primary that is, the servers say themselves (MOVED, ASK); what each of them is asked is in
 * `primary-proofs.ts`.
 */
import type { Cluster, Redis } from 'ioredis';
import { redisError } from './errors.js';
import type { Evidence } from './evidence.js';
import { presentClient } from './late-client.js';
import type { RedisWalOptions } from './options.js';
import { asUnproven, PrimaryProofs, unproven } from './primary-proofs.js';
import { addressOfRedirection, connectionAt } from './redirection.js';
import type { RedisClient } from './scripts.js';
import { addressIn, isCluster } from './sockets.js';

export interface ReplicationOptions {
  /** Connections for this alone, one to each primary: WAIT holds up what stands behind it. */
  readonly client: RedisClient;
  readonly replicas: number;
  /** How long one round may take, milliseconds. */
  readonly timeoutMs: number;
}

/** As many as the client library follows. */
const REDIRECTIONS_MAX = 16;

export class Replication {
  readonly #primaries = new WeakMap<Redis, PrimaryProofs>();
  /** In a Cluster: where the keys of each hash tag were at last. */
  readonly #places = new Map<string, string>();

  constructor(private readonly options: ReplicationOptions) {}

  /**
   * Resolves when what the evidence is of is on its primary and on enough replicas of it.
   * @throws StoreUnavailableError `unknown` when that is not proven: it may be asked again.
   */
  async proven(evidence: Evidence): Promise<void> {
    try {
      await this.#prove(evidence, presentClient(this.options.client));
    } catch (error) {
      // Also when the node is stopping and there is no connection any more: what was applied stays so.
      throw asUnproven(redisError(error, true));
    }
  }

  async #prove(evidence: Evidence, client: RedisClient): Promise<void> {
    let connection = this.#firstFor(evidence.key, client);
    let asking = false;
    for (let redirections = 0; redirections <= REDIRECTIONS_MAX; redirections += 1) {
      const elsewhere = await this.#proofsOn(connection, client).prove(evidence, asking);
      if (elsewhere === undefined) return;
      if (!isCluster(client)) throw unproven('Redis is a node of a Cluster, and was not named as one.');
      const address = addressOfRedirection(client, connection, elsewhere);
      asking = elsewhere.kind === 'ask';
      if (!asking) this.#places.set(tagOf(evidence.key), address);
      connection = await this.#at(address, client);
    }
    throw unproven(`The primary of ${evidence.key} was not found with ${REDIRECTIONS_MAX} redirections.`);
  }

  /** Any primary may be asked first; in a Cluster it says which one is the right one. */
  #firstFor(key: string, client: RedisClient): Redis {
    if (!isCluster(client)) return client;
    const primaries = client.nodes('master');
    const place = this.#places.get(tagOf(key));
    const isReady = ({ status }: Redis): boolean => status === 'ready';
    const [first = primaries[0]] = [
      ...primaries.filter((node) => isReady(node) && addressIn(node) === place),
      ...primaries.filter(isReady),
    ];
    if (first === undefined) throw unproven('None of the primaries of the Redis Cluster can be reached.');
    return first;
  }

  async #at(address: string, client: Cluster): Promise<Redis> {
    const known = connectionAt(client, address);
    if (known !== undefined) return known;
    // The client asks the Cluster only now and then, and by what its own commands meet.
    await new Promise<void>((resolve) => {
      client.refreshSlotsCache(() => resolve());
    });
    const found = connectionAt(client, address);
    if (found === undefined) throw unproven(`Redis at ${address} cannot be reached.`);
    return found;
  }

  #proofsOn(connection: Redis, client: RedisClient): PrimaryProofs {
    let proofs = this.#primaries.get(connection);
    if (proofs === undefined) {
      const { replicas, timeoutMs } = this.options;
      proofs = new PrimaryProofs(connection, { replicas, timeoutMs, isCluster: isCluster(client) });
      this.#primaries.set(connection, proofs);
    }
    return proofs;
  }
}

/** All keys with one hash tag are in one slot. */
function tagOf(key: string): string {
  return key.slice(0, key.indexOf('}') + 1);
}

/** What the options ask for; undefined: the server alone is enough. */
export function replicationOf(options: RedisWalOptions): Replication | undefined {
  const { durability = 'async', waiter, replicationTimeoutMs = 5_000 } = options;
  if (durability === 'async') return undefined;
  if (waiter === undefined) {
    throw new TypeError('`durability: {replicas}` needs `waiter`: a connection of its own to the same server.');
  }
  return new Replication({ client: waiter, replicas: durability.replicas, timeoutMs: replicationTimeoutMs });
}
