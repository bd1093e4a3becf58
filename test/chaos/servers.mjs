/**
 * The Redis of a round: a single server, a primary with a replica, or a Cluster, with replicas if it is to prove by them, and what can happen to it. Nodes reach a
 * single server and a primary through a proxy of their own each, whose connections can be broken.
 */
import { RedisCluster, RedisServer, TcpProxy } from '../redis/harness.mjs';
import { until } from '../redis/resp.mjs';

export async function startServers(kind, { appendfsync = 'everysec', durability = 'async' } = {}) {
  const options = { appendonly: appendfsync };
  if (kind === 'cluster')
    return new ClusterServers(await RedisCluster.start({ ...options, replicas: durability === 'async' ? 0 : 1 }));
  const primary = await RedisServer.start(options);
  if (kind === 'single') return new SingleServer(primary);
  return startReplicated(primary, options);
}

async function startReplicated(primary, options) {
  const replica = await RedisServer.start(options);
  const link = await TcpProxy.start(primary.port);
  await replica.replicate(primary, { port: link.port });
  return new ReplicatedServers(primary, replica, link);
}

class SingleServer {
  kind = 'single';
  proxies = new Map();

  constructor(primary) {
    this.primary = primary;
  }

  get all() {
    return [this.primary];
  }

  /** The option `redis` for a node. */
  async addressFor(name, { direct = false } = {}) {
    if (direct) return { host: '127.0.0.1', port: this.primary.port };
    let proxy = this.proxies.get(name);
    if (proxy === undefined) {
      proxy = await TcpProxy.start(this.primary.port);
      this.proxies.set(name, proxy);
    }
    return { host: '127.0.0.1', port: proxy.port };
  }

  observer() {
    return { host: '127.0.0.1', port: this.primary.port };
  }

  /** Every connection works again. */
  async heal() {
    for (const proxy of this.proxies.values()) {
      proxy.delay(0);
      proxy.dropAnswers(false);
      proxy.thaw();
      await proxy.accept();
    }
  }

  /** Down for `downMs`. Resolves with the time at which it answered again. */
  async restart({ kill, downMs = 0 }) {
    await (kill ? this.primary.kill() : this.primary.stop());
    await new Promise((resolve) => setTimeout(resolve, downMs));
    await this.primary.start();
    await untilWritable(this.primary);
    return Date.now();
  }

  async dispose() {
    for (const proxy of this.proxies.values()) await proxy.dispose();
    for (const server of this.all) await server.dispose();
  }
}

class ReplicatedServers extends SingleServer {
  kind = 'replica';

  constructor(primary, replica, link) {
    super(primary);
    this.replica = replica;
    this.link = link;
  }

  get all() {
    return [this.primary, this.replica];
  }

  async restart(options) {
    const at = await super.restart(options);
    await this.inSync();
    return at;
  }

  async inSync() {
    await until(
      'the replica to be in sync',
      async () => (await this.replica.info('replication')).master_link_status === 'up',
      { timeoutMs: 30_000 },
    );
  }

  /**
   * Cuts the link, lets the primary go on alone for `aloneMs`, and makes the replica the primary. The old primary becomes
   * its replica. Resolves with the times of the cut and of the promotion.
   */
  async promote({ aloneMs }) {
    const { primary, replica, link } = this;
    const cutAt = Date.now();
    await link.refuse();
    link.cut();
    await new Promise((resolve) => setTimeout(resolve, aloneMs));
    // Nobody may go on with the old one: that is what a Sentinel's fail-over does to clients, too.
    for (const proxy of this.proxies.values()) {
      proxy.retarget(replica.port);
      proxy.cut();
    }
    await replica.promote();
    const promotedAt = Date.now();
    this.primary = replica;
    this.replica = primary;
    link.retarget(replica.port);
    await link.accept();
    await primary.command('REPLICAOF', '127.0.0.1', link.port);
    return { cutAt, promotedAt };
  }

  async heal() {
    await super.heal();
    await this.link.accept();
    await this.inSync();
  }

  async dispose() {
    await super.dispose();
    await this.link.dispose();
  }
}

class ClusterServers {
  kind = 'cluster';
  proxies = new Map();
  #promotions = 0;

  constructor(cluster) {
    this.cluster = cluster;
  }

  get all() {
    return this.cluster.all;
  }

  async addressFor() {
    return { cluster: this.cluster.nodes };
  }

  observer() {
    return { cluster: this.cluster.nodes };
  }

  async heal() {
    await this.cluster.ready();
    await this.inSync();
  }

  async inSync() {
    for (const replica of await this.cluster.presentReplicas()) await this.cluster.mendLink(replica);
  }

  /** As that of a single server, for one primary after the other. */
  async promote({ aloneMs }) {
    await this.inSync();
    const replicas = await this.cluster.presentReplicas();
    const replica = replicas[this.#promotions % replicas.length];
    this.#promotions += 1;
    const cutAt = Date.now();
    await this.cluster.cutLink(replica);
    await new Promise((resolve) => setTimeout(resolve, aloneMs));
    await this.cluster.takeOver(replica);
    return { cutAt, promotedAt: Date.now() };
  }

  /** One of its servers, by number. */
  async restart({ kill, downMs = 0, which = 0 }) {
    const server = this.all[which % this.all.length];
    await (kill ? server.kill() : server.stop());
    await new Promise((resolve) => setTimeout(resolve, downMs));
    await server.start();
    await this.cluster.ready();
    await this.inSync();
    return Date.now();
  }

  /** Moves the slot of a key to the next server, with `pauseMs` in the middle of it. */
  async moveKey(key, pauseMs) {
    const slot = await this.cluster.slotOf(key);
    const from = await this.cluster.ownerOf(slot);
    const primaries = await this.cluster.primaries();
    const to = primaries[(primaries.indexOf(from) + 1) % primaries.length];
    await this.cluster.beginMove(slot, from, to);
    await this.cluster.moveKeys(slot, from, to, 40);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    await this.cluster.moveKeys(slot, from, to);
    await this.cluster.finishMove(slot, to);
  }

  async dispose() {
    await this.cluster.dispose();
  }
}

async function untilWritable(server) {
  await until('the server to take writes', async () => (await server.command('SET', 'chaos:probe', '1')) === 'OK', {
    timeoutMs: 30_000,
    everyMs: 5,
  });
  await server.command('DEL', 'chaos:probe');
}
