/**
 * The connections to real servers: every way to name one, what is said when it cannot work, that nothing is ever sent
 * twice, that a dead connection is noticed in time, and that another server is noticed at all.
 */
import { Cluster, Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { type AtomicQueuesConfig, resolveConfig } from '../../../src/runtime/config.js';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import {
  RedisConnections,
  type RedisConnectionsEvents,
  type RedisConnectionsOptions,
} from '../../../src/wal/redis/connections.js';
import {
  RedisCluster,
  RedisServer,
  SentinelSet,
  type ServerOptions,
  serverMajor,
  TcpProxy,
  until,
} from '../../redis/harness.mjs';

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

function toEnd<T extends { dispose(): unknown }>(made: T): T {
  endings.push(() => made.dispose());
  return made;
}

const server = async (options?: ServerOptions): Promise<RedisServer> => toEnd(await RedisServer.start(options));
const proxyTo = async ({ port }: { readonly port: number }): Promise<TcpProxy> => toEnd(await TcpProxy.start(port));

function connectionsTo(
  redis: AtomicQueuesConfig['redis'],
  options: Partial<RedisConnectionsOptions> & { readonly replicas?: number } = {},
): RedisConnections {
  const { replicas = 0, ...others } = options;
  const durability = replicas === 0 ? 'async' : (`replicated(${replicas})` as const);
  const resolved = resolveConfig({ redis, store: { durability } }).redis!;
  const connections = new RedisConnections({ redis: resolved, runtime: systemRuntime, ...others });
  endings.push(() => connections.stop());
  return connections;
}

/** What something fails with; the test fails if it does not. */
function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    (value) => {
      throw new Error(`It did not fail, and gave ${JSON.stringify(value)}`);
    },
    (error: unknown) => error as Error,
  );
}

/** How the client library says that a connection was lost with the command under way. */
const LOST = /max retries per request|Connection is closed/;

/** The next event of this name of a role. */
function next<K extends keyof RedisConnectionsEvents>(
  connections: RedisConnections,
  name: K,
  role = 'commit',
): Promise<RedisConnectionsEvents[K]> {
  return connections.events.once(name, (event) => event.role === role);
}

const address = ({ port }: { readonly port: number }): { host: string; port: number } => ({ host: '127.0.0.1', port });

describe('a single server', () => {
  it('is reached by one connection per role, and nothing is left after stop', async () => {
    const redis = await server();
    const connections = connectionsTo(address(redis), { replicas: 1, name: 'app' });
    await connections.start();
    await connections.start();
    const names = (await redis.connections('app:')).map(({ name }) => name);
    expect(new Set(names)).toEqual(new Set(['app:commit', 'app:control', 'app:subscriber', 'app:wait']));
    expect(names).toHaveLength(4);
    expect(await connections.client('commit').set('a', '1')).toBe('OK');
    expect(await connections.client('control').get('a')).toBe('1');
    expect(connections.identity('commit')).toMatchObject({
      address: `127.0.0.1:${redis.port}`,
      readable: true,
      role: 'primary',
      mode: 'standalone',
      runId: (await redis.info('server'))['run_id'],
    });
    for (const role of ['commit', 'control', 'subscriber', 'wait'] as const) await connections.ping(role, 2_000);
    await connections.stop();
    await connections.stop();
    await until('the server to have no clients', async () => (await redis.connections()).length === 0);
    expect(() => connections.client('commit')).toThrow('start() makes it');
    await connections.start();
    expect(await connections.client('commit').get('a')).toBe('1');
  });

  it('stops while it starts', async () => {
    const redis = await server();
    const connections = connectionsTo(address(redis));
    const failure = failureOf(connections.start());
    await connections.stop();
    expect((await failure).message).toContain('stopped while it started');
    await until('the server to have no clients', async () => (await redis.connections()).length === 0);
  });

  it('is reached with a password, a database and a URL', async () => {
    const redis = await server({ password: 'p@ss word' });
    const connections = connectionsTo(`${redis.url}/3`);
    await connections.start();
    await connections.client('commit').set('a', '1');
    expect((await redis.info('keyspace'))['db3']).toContain('keys=1');
    // Also after a reconnect.
    const ready = next(connections, 'ready');
    connections.reset('commit', 'test');
    await ready;
    expect(await connections.client('commit').get('a')).toBe('1');
  });

  it.each<readonly [string, object, string]>([
    ['a wrong password', { password: 'no' }, 'refuses the user name or password (redis.username, redis.password)'],
    ['no password', {}, 'wants a password, and none is set (redis.password)'],
    ['a database that is not there', { password: 'yes', db: 99 }, 'does not have the database (redis.db)'],
    ['a Cluster that is none', { password: 'yes', cluster: true }, 'is not a Redis Cluster (redis.cluster)'],
    ['a wrong password of a Cluster', { password: 'no', cluster: true }, 'refuses the user name or password'],
  ])('refuses %s at once, naming the option and no secret', async (_, options, words) => {
    const redis = await server({ password: 'yes' });
    const { cluster, ...others } = options as { cluster?: boolean };
    const place = cluster === true ? { cluster: [address(redis)] } : address(redis);
    const connections = connectionsTo({ ...place, ...others });
    const failure = await connections.start().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'CONFIG_INVALID' });
    expect((failure as Error).message).toContain(words);
    expect((failure as Error).message).toContain(`127.0.0.1:${redis.port}`);
    expect((failure as Error).message).not.toMatch(/\b(yes|no)\b:/);
    await until('the server to have no clients', async () => (await redis.connections()).length === 0);
  });

  it('says what the last attempt failed with when nothing answers', async () => {
    const redis = await server();
    await redis.stop();
    const connections = connectionsTo(address(redis), { startTimeoutMs: 300 });
    await expect(connections.start()).rejects.toMatchObject({
      name: 'StoreUnavailableError',
      recoverable: true,
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
  });

  it('waits for a server that comes up late', async () => {
    const redis = await server();
    await redis.stop();
    const connections = connectionsTo(address(redis));
    const started = connections.start();
    await redis.start();
    await started;
  });

  it('works for a user who may not ask who the server is', async () => {
    const redis = await server();
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>x', '~*', '&*', '+@all', '-info', '-client');
    const connections = connectionsTo({ ...address(redis), username: 'app', password: 'x' });
    await connections.start();
    expect(connections.identity('commit')).toMatchObject({ readable: false, runId: undefined });
    expect(await connections.client('commit').set('a', '1')).toBe('OK');
  });

  it('refuses a node of a Cluster, and a Sentinel, that are taken for a single server', async () => {
    const node = await server({ cluster: true });
    await expect(connectionsTo(address(node)).start()).rejects.toThrow('is a node of a Redis Cluster');
  });
});

describe('a ready client', () => {
  it('is duplicated, and stays open and unused', async () => {
    const redis = await server({ password: 'x' });
    const own = new Redis({ ...address(redis), password: 'x', db: 2, stringNumbers: true, connectionName: 'own' });
    endings.push(() => own.disconnect());
    const connections = connectionsTo(own);
    await connections.start();
    await connections.client('commit').set('a', '1');
    expect((await redis.info('keyspace'))['db2']).toContain('keys=1');
    expect(connections.client('commit')).not.toBe(own);
    expect(await connections.client('commit').incr('n')).toBe(1);
    await connections.stop();
    expect(await own.get('a')).toBe('1');
    expect(await redis.connections()).toHaveLength(1);
  });

  it('is refused with a prefix of its own', async () => {
    const own = new Redis({ lazyConnect: true, keyPrefix: 'x:' });
    await expect(connectionsTo(own).start()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('is refused if it is none', async () => {
    const start = connectionsTo({ duplicate: () => 7 }).start();
    await expect(start).rejects.toThrow('not one of ioredis');
  });
});

describe('a connection that breaks', () => {
  it('never sends a command again: one whose answer was cut has run once and is rejected (M1)', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const connections = connectionsTo(address(proxy));
    await connections.start();
    const ready = next(connections, 'ready');
    const lost = next(connections, 'lost');
    const cut = proxy.cutNextAnswer();
    const commands = [connections.client('commit').incr('n'), connections.client('commit').incr('n')];
    const outcomes = await Promise.allSettled(commands);
    await Promise.all([cut, lost, ready]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    // What comes after the reconnect runs after anything that could have been sent again.
    expect(await connections.client('commit').get('n')).toBe('2');
  });

  it('keeps nothing for later: a command without a connection is rejected and never sent', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const connections = connectionsTo(address(proxy));
    await connections.start();
    const lost = next(connections, 'lost');
    await proxy.refuse();
    proxy.cut();
    await lost;
    await expect(connections.client('commit').incr('n')).rejects.toThrow('enableOfflineQueue');
    const ready = next(connections, 'ready');
    await proxy.accept();
    await ready;
    expect(await connections.client('commit').get('n')).toBeNull();
  });

  it('ends in an error within its limit when it is half-open, and is replaced', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const connections = connectionsTo({ ...address(proxy), commandTimeout: 300 }, { roles: ['commit', 'control'] });
    await connections.start();
    const startedAt = performance.now();
    proxy.freeze();
    await expect(connections.client('commit').incr('n')).rejects.toThrow(LOST);
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(250);
    expect(tookMs).toBeLessThan(1_500);
    const ready = next(connections, 'ready');
    proxy.thaw();
    await ready;
    expect(await connections.client('commit').incr('m')).toBe(1);
  });

  it('is found by a PING with a shorter limit, also when it is idle, and all under way on it fails', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const connections = connectionsTo(address(proxy));
    await connections.start();
    proxy.freeze();
    const startedAt = performance.now();
    const command = failureOf(connections.client('commit').incr('n'));
    const pings = (['commit', 'subscriber'] as const).map((role) => failureOf(connections.ping(role, 200)));
    for (const ping of pings) expect(await ping).toMatchObject({ name: 'StoreUnavailableError', recoverable: true });
    expect((await command).message).toMatch(LOST);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    const ready = [next(connections, 'ready'), next(connections, 'ready', 'subscriber')];
    proxy.thaw();
    await Promise.all(ready);
    await connections.ping('commit', 2_000);
  });

  it('does not hold up reconnecting when the new one is half-open from the start', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const connections = connectionsTo({ ...address(proxy), connectTimeout: 200 }, { roles: ['commit'] });
    await connections.start();
    const held = toEnd(await TcpProxy.start(redis.port));
    held.freeze();
    proxy.retarget(held.port);
    const lost = next(connections, 'lost');
    proxy.cut();
    await lost;
    await until('a second attempt, after the first was given up', () => proxy.connections === 0);
    const ready = next(connections, 'ready');
    proxy.retarget(redis.port);
    await ready;
    expect(await connections.client('commit').incr('n')).toBe(1);
  });

  it('subscribes again by itself', async () => {
    const redis = await server();
    const connections = connectionsTo(address(redis));
    await connections.start();
    const subscriber = connections.client('subscriber');
    await subscriber.subscribe('news');
    const ready = next(connections, 'ready', 'subscriber');
    connections.reset('subscriber', 'test');
    await ready;
    const heard = new Promise((resolve) => subscriber.once('message', (...message: unknown[]) => resolve(message)));
    await until('the subscription', async () => Number(await connections.client('control').publish('news', 'x')) > 0);
    expect(await heard).toEqual(['news', 'x']);
  });

  it('stops at once while it is half-open', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const connections = connectionsTo(address(proxy));
    await connections.start();
    proxy.freeze();
    const command = failureOf(connections.client('commit').incr('n'));
    const startedAt = performance.now();
    await connections.stop();
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect((await command).message).toMatch(LOST);
  });
});

describe('another server', () => {
  it('is noticed after a restart (M9)', async () => {
    const redis = await server();
    const connections = connectionsTo(address(redis));
    await connections.start();
    await connections.client('commit').set('a', '1');
    const before = connections.identity('commit');
    const changed = next(connections, 'changed');
    await redis.restart();
    expect(await changed).toMatchObject({ before, promoted: false });
    expect(connections.identity('commit')?.runId).not.toBe(before?.runId);
    expect(await connections.client('commit').get('a')).toBe('1');
  });

  it('is noticed after a promotion behind the same address, and every role goes there (M9)', async () => {
    const [primary, replica] = [await server(), await server()];
    await replica.replicate(primary);
    const proxy = await proxyTo(primary);
    const connections = connectionsTo(address(proxy));
    await connections.start();
    // Only one of the connections is cut: the others would stay with the old server, which is still alive.
    const changed = (['commit', 'control', 'subscriber'] as const).map((role) => next(connections, 'changed', role));
    await replica.promote();
    proxy.retarget(replica.port);
    connections.reset('control', 'test');
    for (const change of await Promise.all(changed)) {
      expect(change.promoted).toBe(true);
      expect(change.now.runId).toBe((await replica.info('server'))['run_id']);
    }
  });

  it('is noticed by a look when the same process was promoted, which breaks no connection (M9)', async () => {
    const [primary, replica] = [await server(), await server()];
    await replica.replicate(primary);
    const connections = connectionsTo(address(replica), { roles: ['commit'] });
    await connections.start();
    expect(connections.identity('commit')?.role).toBe('replica');
    await replica.promote();
    const changed = next(connections, 'changed');
    await connections.look('commit');
    expect(await changed).toMatchObject({ promoted: true, now: { role: 'primary' } });
  });

  it('is sought when the one at hand has become a replica, without sending the write again', async () => {
    const [primary, replica] = [await server(), await server()];
    const connections = connectionsTo(address(primary), { roles: ['commit'] });
    await connections.start();
    await primary.replicate(replica);
    const ready = next(connections, 'ready');
    await expect(connections.client('commit').incr('n')).rejects.toThrow('READONLY');
    expect((await ready).identity.role).toBe('replica');
  });
});

describe('Sentinels', () => {
  it('lead to the primary, and to the new one after a fail-over', async () => {
    const set = toEnd(await SentinelSet.start({ server: { password: 'x' } }));
    const connections = connectionsTo({ sentinels: set.nodes, name: set.name, password: 'x' });
    await connections.start();
    expect(connections.identity('commit')?.address).toBe(`127.0.0.1:${set.primary.port}`);
    const changed = (['commit', 'control', 'subscriber'] as const).map((role) => next(connections, 'changed', role));
    await set.primary.kill();
    await set.failedOver();
    for (const change of await Promise.all(changed)) {
      expect(change).toMatchObject({ promoted: true, now: { address: `127.0.0.1:${set.replica.port}` } });
    }
    expect(await connections.client('commit').incr('n')).toBe(1);
    await connections.stop();

    const wrong = connectionsTo({ sentinels: set.nodes, name: 'nobody', password: 'x' }, { startTimeoutMs: 500 });
    await expect(wrong.start()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/know no primary that is called "nobody" \(redis\.name\)/) as string,
    });
    const taken = connectionsTo({ host: '127.0.0.1', port: set.nodes[0]!.port });
    await expect(taken.start()).rejects.toThrow('is a Sentinel and keeps no data');
  });
});

describe('a Cluster', () => {
  it('is reached at every primary, by each role, and left without a trace', async () => {
    const cluster = toEnd(await RedisCluster.start());
    const connections = connectionsTo({ cluster: cluster.nodes.slice(0, 1) }, { name: 'app' });
    await connections.start();
    expect(connections.isCluster).toBe(true);
    for (const role of ['commit', 'control'] as const) {
      for (const { port } of cluster.servers) {
        expect(connections.identity(role, `127.0.0.1:${port}`)).toMatchObject({ mode: 'cluster', role: 'primary' });
      }
    }
    // Their first commands find connections: nothing is refused because one is only being made.
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => connections.client('commit').set(`{aq:${index}}:a`, index)),
    );
    for (const role of ['commit', 'control', 'subscriber'] as const) await connections.ping(role, 2_000);
    for (const each of cluster.servers) {
      expect((await each.connections('app:commit')).length).toBe(1);
      expect((await each.connections('app:control')).length).toBe(1);
    }
    expect(connections.hasShardedChannels).toBe(serverMajor() >= 7);
    const subscriber = connections.client('subscriber');
    const control = connections.client('control');
    const message = connections.hasShardedChannels ? 'smessage' : 'message';
    const heard = new Promise((resolve) => subscriber.once(message, (...said: unknown[]) => resolve(said.slice(0, 2))));
    if (connections.hasShardedChannels) {
      await subscriber.ssubscribe('{aq:1}:wake');
      await control.spublish('{aq:1}:wake', '1');
    } else {
      await subscriber.subscribe('{aq:1}:wake');
      await control.publish('{aq:1}:wake', '1');
    }
    expect(await heard).toEqual(['{aq:1}:wake', '1']);
    await connections.stop();
    for (const each of cluster.servers) {
      await until('the node to have no clients', async () =>
        (await each.connections()).every(({ flags }) => flags !== 'N'),
      );
    }
  });

  it('follows slots that move, and never sends a command again to another node (M1)', async () => {
    const cluster = toEnd(await RedisCluster.start());
    const own = new Cluster(cluster.nodes, { lazyConnect: true });
    const connections = connectionsTo(own, { roles: ['commit'] });
    await connections.start();
    const client = connections.client('commit');
    const slot = await cluster.slotOf('{aq:1}');
    const from = (await cluster.ownerOf(slot))!;
    const to = cluster.servers.find((each) => each !== from)!;
    await client.incr('{aq:1}:n');
    await cluster.beginMove(slot, from, to);
    await client.incr('{aq:1}:n');
    await cluster.moveKeys(slot, from, to);
    await client.incr('{aq:1}:n');
    await cluster.finishMove(slot, to);
    await client.incr('{aq:1}:n');
    expect(await to.command('GET', '{aq:1}:n')).toBe('4');

    to.pause();
    const failure = failureOf(client.incr('{aq:1}:n'));
    connections.reset('commit', 'test');
    expect((await failure).message).toMatch(LOST);
    to.resume();
    await until('the Cluster to be usable again', async () => Number(await client.get('{aq:1}:n')) >= 4);
    // Done once, or not at all; nothing was sent a second time.
    expect(Number(await client.get('{aq:1}:n'))).toBeLessThanOrEqual(5);
    expect(own.status).toBe('wait');
  });

  it('notices a node that was restarted', async () => {
    const cluster = toEnd(await RedisCluster.start());
    const connections = connectionsTo({ cluster: cluster.nodes }, { roles: ['commit'] });
    await connections.start();
    const [first] = cluster.servers;
    const changed = next(connections, 'changed');
    await first!.restart();
    await cluster.ready();
    const keys = Array.from({ length: 50 }, (_, index) => `{aq:${index}}:a`);
    await until('the restarted node to be used', async () => {
      await Promise.allSettled(keys.map((key) => connections.client('commit').get(key)));
      return connections.connections('commit').filter(({ status }) => status === 'ready').length === 3;
    });
    expect((await changed).now.address).toBe(`127.0.0.1:${first!.port}`);
  });
});
