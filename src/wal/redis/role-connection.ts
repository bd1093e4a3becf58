/**
 * The connection of one role: one socket, or in a Cluster one to each primary. It connects, looks at who answers after
 * every (re)connect, notices when nothing answers any more, and ends without leaving anything behind.
 *
 * Owns: its client, the listeners on it and its timers. An error of the client is never unhandled.
 */
import type { Cluster, Redis } from 'ioredis';
import { AtomicQueuesError } from '../../runtime/error.js';
import type { Runtime } from '../../runtime/runtime.js';
import type { TimerHandle } from '../../runtime/timers.js';
import { StoreUnavailableError } from '../wal.js';
import type { RedisClient, RedisRole } from './client-options.js';
import { fault, isDatabaseRefusal, lastingFault, passingFault } from './connection-faults.js';
import { SentinelFaults } from './sentinel-faults.js';
import {
  addressOf,
  type IdentityChange,
  identityChange,
  readServerIdentity,
  type ServerIdentity,
} from './server-identity.js';
import { addressIn, decided, destroy, forgiveLaterFailures, isCluster, messageOf, usesTls } from './sockets.js';

export interface RoleConnectionEvents {
  /** A server answers and has been looked at; in a Cluster once for each primary. */
  ready(role: RedisRole, identity: ServerIdentity): void;
  /** A connection that was ready is gone; another one is being tried. */
  lost(role: RedisRole, address: string): void;
  changed(role: RedisRole, change: IdentityChange): void;
  failed(role: RedisRole, error: Error): void;
}

export interface RoleConnectionOptions {
  readonly role: RedisRole;
  readonly client: RedisClient;
  /** Of the server, in words. */
  readonly server: string;
  readonly runtime: Runtime;
  readonly events: RoleConnectionEvents;
  /** Milliseconds that connecting and its handshake may take. */
  readonly connectTimeoutMs: number;
}

/** Milliseconds after which a client that gave up is started again. */
const REVIVE_MS = 500;
/** Milliseconds that `stop` waits for sockets to close; they are destroyed earlier than that. */
const STOP_MS = 2_000;

export class RoleConnection {
  readonly role: RedisRole;
  readonly client: RedisClient;
  private readonly runtime: Runtime;
  private readonly timers = new Set<TimerHandle>();
  private readonly nodes = new Set<Redis>();
  /** By address in a Cluster; else under one name, whatever address a fail-over led to. */
  private readonly identities = new Map<string, ServerIdentity>();
  private stopping = false;
  private lastError: Error | undefined;
  private readonly sentinels: SentinelFaults | undefined;
  /** Of `start`, while it waits. */
  private waiting: { readonly done: () => void; readonly fail: (error: Error) => void } | undefined;

  constructor(private readonly options: RoleConnectionOptions) {
    this.role = options.role;
    this.client = options.client;
    this.runtime = options.runtime;
    this.sentinels = isCluster(this.client) ? undefined : new SentinelFaults(this.client, options.server);
  }

  get isCluster(): boolean {
    return this.client.isCluster;
  }

  /** Connects; resolves when a server has answered and was looked at. */
  async start(timeoutMs: number): Promise<void> {
    const started = new Promise<void>((done, fail) => {
      this.waiting = { done, fail };
    });
    const timer = this.after(timeoutMs, () => this.waiting?.fail(this.notInTime(timeoutMs)));
    const { client } = this;
    if (isCluster(client)) this.watchCluster(client);
    else {
      forgiveLaterFailures(client);
      this.watch(client, 'server');
    }
    // What connecting fails with is told by events, and it goes on trying.
    client.connect().catch((error: unknown) => this.failed(error));
    try {
      await started;
    } finally {
      this.waiting = undefined;
      this.clear(timer);
    }
  }

  /** Connections to servers that take writes: one, or in a Cluster one for each primary known. */
  connections(): Redis[] {
    const { client } = this;
    if (!isCluster(client)) return [client];
    // In a Cluster the connection that hears channels is not among them.
    return this.role === 'subscriber' ? [] : client.nodes('master');
  }

  /** In a Cluster: of the primary at this address. */
  identity(address?: string): ServerIdentity | undefined {
    if (!this.isCluster) return this.identities.get('server');
    return address === undefined ? this.identities.values().next().value : this.identities.get(address);
  }

  /** Looks again at who answers: a server that is promoted keeps its connections. */
  async look(): Promise<void> {
    await Promise.all(
      this.connections()
        .filter(({ status }) => status === 'ready')
        .map((connection) => this.lookAt(connection, this.isCluster ? addressOf(connection) : 'server')),
    );
  }

  /**
   * Sends PING on every connection of this role. One without an answer within `timeoutMs` is reset.
   * @throws StoreUnavailableError when a connection is not there, or has not answered.
   */
  async ping(timeoutMs: number): Promise<void> {
    await Promise.all(this.connections().map((connection) => this.pingOne(connection, timeoutMs)));
  }

  private async pingOne(connection: Redis, timeoutMs: number): Promise<void> {
    const address = addressOf(connection);
    let timer: TimerHandle | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = this.after(timeoutMs, () => {
        const message = `Redis at ${address} has not answered a PING for ${timeoutMs} ms (${this.role})`;
        destroy(connection, message);
        reject(new StoreUnavailableError(message, 'no', true));
      });
    });
    try {
      await Promise.race([connection.ping(), late]);
    } catch (error) {
      if (error instanceof StoreUnavailableError) throw error;
      throw new StoreUnavailableError(
        `Redis at ${address} cannot be asked (${this.role}): ${messageOf(error)}`,
        'no',
        true,
        {
          cause: error,
        },
      );
    } finally {
      this.clear(timer);
    }
  }

  /** Breaks the connections off: everything under way on them fails now, and they connect anew. */
  reset(reason: string): void {
    for (const connection of isCluster(this.client) ? this.client.nodes() : [this.client]) destroy(connection, reason);
  }

  /** Ends everything. What is under way on the connections fails. Afterwards no socket and no timer is left. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.waiting?.fail(new StoreUnavailableError('The connection to Redis was stopped while it started.', 'no', false));
    const { client } = this;
    const all = [client, ...this.nodes];
    const open = all.filter(({ status }) => status !== 'wait' && status !== 'end' && status !== 'reconnecting');
    const ended = Promise.all(open.map((each) => new Promise((resolve) => each.once('end', resolve))));
    // The client would end these in good order, and whoever is shaking hands over TLS takes that for an attack.
    for (const each of all) {
      if (!isCluster(each) && each.status === 'connecting') destroy(each, 'The connection was stopped');
    }
    client.disconnect();
    let timer: TimerHandle | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.runtime.timers.set(() => {
        for (const each of all) if (!isCluster(each)) each.stream?.destroy();
        resolve();
      }, STOP_MS);
    });
    await Promise.race([ended, late]);
    if (timer !== undefined) this.runtime.timers.clear(timer);
    for (const each of [...this.timers]) this.clear(each);
  }

  private watchCluster(cluster: Cluster): void {
    cluster.on('error', (error: unknown) => this.failed(error));
    cluster.on('node error', (error: unknown) => this.failed(error));
    cluster.on('+node', (node: Redis) => {
      this.nodes.add(node);
      forgiveLaterFailures(node);
      node.once('end', () => {
        this.nodes.delete(node);
        if (this.identities.has(addressIn(node)) && !this.stopping)
          this.options.events.lost(this.role, addressIn(node));
      });
      if (this.role === 'subscriber' || node.options.readOnly === true) return;
      this.watch(node, addressIn(node));
      // ioredis would connect with the first command, and refuse those that come while it does.
      if (node.status === 'wait') node.connect().catch((error: unknown) => this.failed(error));
    });
    cluster.on('ready', () => {
      this.lookAround(cluster).then(
        () => this.waiting?.done(),
        (error: unknown) => this.failed(error),
      );
    });
    this.reviveAtEnd(cluster);
  }

  /** Until every primary has been looked at or cannot be reached: then the first commands find connections. */
  private async lookAround(cluster: Cluster): Promise<void> {
    if (this.role === 'subscriber') return;
    await Promise.all(cluster.nodes('master').map(decided));
    await this.look();
  }

  private watch(connection: Redis, key: string): void {
    let handshake: TimerHandle | undefined;
    connection.on('error', (error: unknown) => {
      // ioredis would go on, in database 0.
      if (isDatabaseRefusal(error)) destroy(connection, messageOf(error));
      this.failed(error);
    });
    connection.on('connect', () => {
      // The client's own limit is over once there is a socket; one that is half-open would hold everything up.
      handshake = this.after(this.options.connectTimeoutMs, () =>
        destroy(connection, `Redis has not let this client in within ${this.options.connectTimeoutMs} ms`),
      );
    });
    let isReady = false;
    connection.on('ready', () => {
      this.clear(handshake);
      isReady = true;
      this.lookAt(connection, key).catch((error: unknown) => this.failed(error));
    });
    connection.on('close', () => {
      this.clear(handshake);
      if (isReady && !this.stopping && !this.isCluster) this.options.events.lost(this.role, addressOf(connection));
      isReady = false;
    });
    if (!this.isCluster) this.reviveAtEnd(connection);
  }

  /** Some errors make the client give up for good, such as a host name that cannot be resolved in time. */
  private reviveAtEnd(client: RedisClient): void {
    client.on('end', () => {
      if (this.stopping) return;
      this.after(REVIVE_MS, () => {
        if (!this.stopping && client.status === 'end') client.connect().catch((error: unknown) => this.failed(error));
      });
    });
  }

  private async lookAt(connection: Redis, key: string): Promise<void> {
    const identity = await readServerIdentity(connection);
    if (this.stopping) return;
    const change = identityChange(this.identities.get(key), identity);
    this.identities.set(key, identity);
    const wrong = this.wrongKind(identity);
    if (wrong !== undefined) this.waiting?.fail(wrong);
    this.options.events.ready(this.role, identity);
    if (change !== undefined) this.options.events.changed(this.role, change);
    if (!this.isCluster) this.waiting?.done();
  }

  private wrongKind({ mode, address }: ServerIdentity): Error | undefined {
    if (mode === 'sentinel') return fault(`${address} is a Sentinel and keeps no data; name it in redis.sentinels.`);
    if (mode !== 'cluster' || this.isCluster) return undefined;
    return fault(`Redis at ${address} is a node of a Redis Cluster; name some of its nodes in redis.cluster.`);
  }

  private failed(reason: unknown): void {
    if (this.stopping) return;
    const given = reason instanceof Error ? reason : new Error(String(reason));
    const error = this.sentinels === undefined ? given : this.sentinels.explained(given);
    if (error === undefined) return;
    const lasting = error instanceof AtomicQueuesError ? error : lastingFault(error, this.options.server);
    // "Connection is closed" says less than what closed it.
    if (this.lastError === undefined || !error.message.startsWith('Connection is closed'))
      this.lastError = lasting ?? error;
    if (lasting !== undefined) this.waiting?.fail(lasting);
    this.options.events.failed(this.role, lasting ?? error);
  }

  private notInTime(timeoutMs: number): StoreUnavailableError {
    const { lastError } = this;
    const why = passingFault(lastError, usesTls(this.client));
    return new StoreUnavailableError(
      `${this.options.server} could not be reached within ${timeoutMs} ms: ${why}`,
      'no',
      true,
      lastError === undefined ? undefined : { cause: lastError },
    );
  }

  private after(delayMs: number, run: () => void): TimerHandle {
    const handle = this.runtime.timers.set(() => {
      this.timers.delete(handle);
      run();
    }, delayMs);
    this.timers.add(handle);
    return handle;
  }

  private clear(handle: TimerHandle | undefined): void {
    if (handle === undefined) return;
    this.timers.delete(handle);
    this.runtime.timers.clear(handle);
  }
}
