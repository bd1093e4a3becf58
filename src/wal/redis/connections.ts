/**
 * A node's connections to Redis: one per role, four at most on a single server, whatever the number of entities and shards.
 * In a Cluster each role has one to every primary, and the subscriber one, or with sharded channels one to each.
 *
 * **What is lost stays lost.** A command whose connection closes before its answer came is rejected at once and never sent
 * again by this layer: whether it was done is for the commit number to say (M1).
 *
 * **A deadline per connection, not per command.** A connection that owes an answer and has not said a word for
 * `commandTimeoutMs` (default 5 s) is destroyed (`socketTimeout` of ioredis). So all that is under way on it fails together,
 * in order, and the next command finds a fresh connection. ioredis' `commandTimeout` was not taken: it gives up one command
 * at a time on a connection that it keeps, so that a half-open one fails every command anew for as long as TCP lives,
 * and it costs a timer for each. A PING with a shorter limit (`ping`) finds it sooner, and works on idle connections too.
 * WAIT must be given a limit below `commandTimeoutMs`. Connecting has its own limit (`connectTimeoutMs`), which the handshake
 * is part of.
 *
 * Owns its clients, also those that were duplicated from a client of the user's, which itself is never used or closed.
 */
import type { Redis } from 'ioredis';
import type { ResolvedRedis } from '../../runtime/config.js';
import type { ResolvedAddress } from '../../runtime/config-redis.js';
import { type Logger, silentLogger } from '../../runtime/logger.js';
import type { Runtime } from '../../runtime/runtime.js';
import { TypedEvents } from '../../runtime/typed-events.js';
import { StoreUnavailableError } from '../wal.js';
import { makeClient, type RedisClient, type RedisRole } from './client-options.js';
import { RoleConnection } from './role-connection.js';
import { type IdentityChange, isVersionAtLeast, type ServerIdentity } from './server-identity.js';

export type { RedisClient, RedisRole } from './client-options.js';
export { type IdentityChange, isVersionAtLeast, type ServerIdentity } from './server-identity.js';

export interface RedisConnectionsEvents {
  /** A server answers and has been looked at, after each (re)connect; in a Cluster once for each primary. */
  ready: { readonly role: RedisRole; readonly identity: ServerIdentity };
  /** A connection that was ready is gone; another one is being tried. */
  lost: { readonly role: RedisRole; readonly address: string };
  /** A role talks to another server than before, or to one with another past (M9). Each role tells it for itself. */
  changed: { readonly role: RedisRole } & IdentityChange;
}

export interface RedisConnectionsOptions {
  readonly redis: ResolvedRedis;
  readonly runtime: Runtime;
  /** Default: `commit`, `control` and `subscriber`, and `wait` with `replicas`. */
  readonly roles?: readonly RedisRole[] | undefined;
  /** Begins the names of the connections, for CLIENT LIST. Default `atomic-queues`. */
  readonly name?: string | undefined;
  readonly logger?: Logger | undefined;
  /** Milliseconds that `start` tries to reach the server. Default 10000. */
  readonly startTimeoutMs?: number | undefined;
}

const START_TIMEOUT_MS = 10_000;

export class RedisConnections {
  readonly events: TypedEvents<RedisConnectionsEvents>;
  private readonly logger: Logger;
  private readonly roles: readonly RedisRole[];
  private readonly open = new Map<RedisRole, RoleConnection>();
  private started: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: RedisConnectionsOptions) {
    const { redis, roles } = options;
    this.logger = options.logger ?? silentLogger;
    this.events = new TypedEvents((error) => this.logger.error('A listener to the connections of Redis failed', error));
    this.roles = roles ?? ['commit', 'control', 'subscriber', ...(redis.replicas > 0 ? (['wait'] as const) : [])];
  }

  /**
   * Connects every role. Idempotent. After a failure nothing is left open.
   * @throws AtomicQueuesError `CONFIG_INVALID` for what no waiting heals: password, database, kind of server, TLS; and when
   *   the package ioredis is missing.
   * @throws StoreUnavailableError when the server does not answer in time; a later start may succeed.
   */
  start(): Promise<void> {
    this.started ??= this.startAll().catch(async (error: unknown) => {
      await this.closeAll();
      this.started = undefined;
      throw error;
    });
    return this.started;
  }

  /** Ends every connection; what is under way fails. Idempotent; a start that is under way fails first. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll().finally(() => {
      this.started = undefined;
      this.stopping = undefined;
    });
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    const { started } = this;
    await this.closeAll();
    // What a start was about to make, it sees that it must not.
    await started?.catch(() => {});
    await this.closeAll();
  }

  private async closeAll(): Promise<void> {
    const connections = [...this.open.values()];
    this.open.clear();
    await Promise.all(connections.map((connection) => connection.stop()));
  }

  private async startAll(): Promise<void> {
    // The subscriber last: whether a Cluster has sharded channels is known from the version that the others saw.
    await Promise.all(this.roles.filter((role) => role !== 'subscriber').map((role) => this.startRole(role)));
    if (this.roles.includes('subscriber')) await this.startRole('subscriber');
  }

  private async startRole(role: RedisRole): Promise<void> {
    const { redis, runtime, name = 'atomic-queues', startTimeoutMs = START_TIMEOUT_MS } = this.options;
    const client = await makeClient(redis, {
      role,
      connectionName: `${name}:${role}`,
      random: runtime.random,
      sharded: this.hasShardedChannels,
    });
    if (this.stopping !== undefined) {
      throw new StoreUnavailableError('The connection to Redis was stopped while it started.', 'no', false);
    }
    const connection = new RoleConnection({
      role,
      client,
      server: serverOf(redis),
      runtime,
      connectTimeoutMs: redis.connectTimeoutMs,
      events: {
        ready: (_, identity) => this.events.emit('ready', { role, identity }),
        lost: (_, address) => {
          this.logger.warn(`The connection to Redis at ${address} was lost (${role}); connecting anew`);
          this.events.emit('lost', { role, address });
        },
        changed: (_, change) => this.changed(role, change),
        failed: (_, error) => this.logger.debug(`Redis (${role}): ${error.message}`),
      },
    });
    this.open.set(role, connection);
    await connection.start(startTimeoutMs);
  }

  /** One role has found another server: those that still talk to the old one are led there, too. */
  private changed(role: RedisRole, change: IdentityChange): void {
    const { before, now, promoted } = change;
    this.logger.warn(
      `Redis at ${now.address} is ${promoted ? 'the promoted one' : 'another server, or was restarted'} (${role}); before: ${before.address}`,
    );
    if (before.runId !== now.runId) {
      for (const [other, connection] of this.open) {
        if (other === role || connection.isCluster || connection.identity()?.runId !== before.runId) continue;
        connection.reset(`Another connection (${role}) has found another server`);
      }
    }
    this.events.emit('changed', { role, ...change });
  }

  /** The client of a role. It stays the same while connections come and go. */
  client(role: RedisRole): RedisClient {
    return this.of(role).client;
  }

  /** The connections of a role to servers that take writes: one, or in a Cluster one for each primary. */
  connections(role: RedisRole): Redis[] {
    return this.of(role).connections();
  }

  get isCluster(): boolean {
    return this.open.values().next().value?.isCluster ?? false;
  }

  /** Whether the servers are a Cluster that has SPUBLISH and SSUBSCRIBE. */
  get hasShardedChannels(): boolean {
    const [any] = [...this.open.values()]
      .map((connection) => connection.identity())
      .filter((each) => each !== undefined);
    return this.isCluster && isVersionAtLeast(any?.version, 7);
  }

  /** Who answers this role, as last seen; in a Cluster the primary at `address`, or any. */
  identity(role: RedisRole, address?: string): ServerIdentity | undefined {
    return this.of(role).identity(address);
  }

  /** Looks again at who answers a role: a promotion does not break connections. A change is told as an event. */
  look(role: RedisRole): Promise<void> {
    return this.of(role).look();
  }

  /**
   * Sends PING on every connection of a role, and resets one that has not answered within `timeoutMs`. Of a Cluster's
   * subscriber there is nothing to ask: losing it costs only hints, which polling makes up for.
   * @throws StoreUnavailableError when a connection is not there, or has not answered.
   */
  ping(role: RedisRole, timeoutMs: number): Promise<void> {
    return this.of(role).ping(timeoutMs);
  }

  /** Breaks the connections of a role off: what is under way on them fails now, and they connect anew. */
  reset(role: RedisRole, reason: string): void {
    this.of(role).reset(reason);
  }

  private of(role: RedisRole): RoleConnection {
    const connection = this.open.get(role);
    if (connection !== undefined) return connection;
    throw new StoreUnavailableError(`Redis: there is no connection for ${role}; start() makes it.`, 'no', true);
  }
}

/** The server in words, without anything secret. */
function serverOf(redis: ResolvedRedis): string {
  switch (redis.kind) {
    case 'client':
      return 'Redis behind the client that was handed in';
    case 'single':
      return `Redis at ${redis.path ?? `${redis.host}:${redis.port}`}`;
    case 'sentinel':
      return `Redis "${redis.name}" of the Sentinels at ${listOf(redis.sentinels)}`;
    case 'cluster':
      return `The Redis Cluster at ${listOf(redis.nodes)}`;
  }
}

function listOf(addresses: readonly ResolvedAddress[]): string {
  return addresses.map(({ host, port }) => `${host}:${port}`).join(', ');
}
