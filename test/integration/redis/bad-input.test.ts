/** Nodes on servers, stores and clocks that are not as they should be: what they refuse, what they go on with, what they say. */
import { afterEach, describe, expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import type { AtomicQueuesError } from '../../../src/message/errors.js';
import type { ClusterConfig } from '../../../src/runtime/config-cluster.js';
import type { RedisOptions } from '../../../src/runtime/config-redis.js';
import type { Logger } from '../../../src/runtime/logger.js';
import { type Runtime, systemRuntime } from '../../../src/runtime/runtime.js';
import { RedisServer, type ServerOptions, TcpProxy, until } from '../../redis/harness.mjs';
import { RewritingProxy } from '../../redis/rewriting-proxy.js';

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

function toEnd<T extends { dispose(): unknown }>(made: T): T {
  endings.push(() => made.dispose());
  return made;
}

const start = async (options?: ServerOptions): Promise<RedisServer> => toEnd(await RedisServer.start(options));

interface NodeSettings {
  readonly redis?: RedisOptions;
  readonly cluster?: ClusterConfig;
  readonly keyPrefix?: string;
  readonly runtime?: Runtime;
  readonly warnings?: string[];
}

function nodeOn(
  port: number,
  { redis, cluster, keyPrefix = 'aq', runtime, warnings }: NodeSettings = {},
): AtomicQueuesNode {
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: (message) => void warnings?.push(message),
    error: (message) => void warnings?.push(message),
  };
  const node = createNode({
    config: { redis: { host: '127.0.0.1', port, ...redis }, keyPrefix, cluster: cluster ?? {} },
    logger,
    ...(runtime !== undefined && { runtime }),
  });
  node.handle('account', 'echo', (message) => message);
  endings.push(() => node.stop());
  return node;
}

async function refusalOf(node: AtomicQueuesNode): Promise<AtomicQueuesError> {
  return node.start().then(
    () => {
      throw new Error('The node has started.');
    },
    (error: unknown) => error as AtomicQueuesError,
  );
}

const echo = (node: AtomicQueuesNode, id: string, value: unknown, options = {}): Promise<unknown> =>
  node.queueBus.enqueueAndWait('account', 'echo', id, { value }, { timeoutMs: 15_000, ...options });

describe('the way to the server', () => {
  it('with a wrong password, none, or a wrong database fails the start and names the option', async () => {
    const server = await start({ password: 'right', databases: 4 });
    const wrong = await refusalOf(nodeOn(server.port, { redis: { password: 'wrong' } }));
    expect(wrong).toMatchObject({ code: 'CONFIG_INVALID', retryable: false });
    expect(wrong.message).toMatch(/refuses the user name or password \(redis\.username, redis\.password\)/);
    expect(wrong.message).not.toContain('wrong');
    const none = await refusalOf(nodeOn(server.port));
    expect(none.code).toBe('CONFIG_INVALID');
    expect(none.message).toMatch(/wants a password, and none is set \(redis\.password\)/);
    const database = await refusalOf(nodeOn(server.port, { redis: { password: 'right', db: 9 } }));
    expect(database.code).toBe('CONFIG_INVALID');
    expect(database.message).toMatch(/does not have the database \(redis\.db\)/);
    // Another database is another store.
    const [one, other] = [0, 3].map((db) =>
      nodeOn(server.port, { redis: { password: 'right', db }, cluster: { shards: 2 + db } }),
    );
    await one?.start();
    await other?.start();
    expect(await echo(other as AtomicQueuesNode, 'a', 1)).toEqual({ value: 1 });
  });

  it('to a read-only replica fails the start, and says where to go instead', async () => {
    const [primary, replica] = await Promise.all([start(), start()]);
    await replica.replicate(primary);
    const refused = await refusalOf(nodeOn(replica.port));
    expect(refused).toMatchObject({ code: 'STORE_DEGRADED', retryable: false });
    expect(refused.message).toMatch(/read-only replica.*Connect to the (master|primary)/);
  });

  it('to a server that is too old fails the start with both versions', async () => {
    const server = await start();
    const old = toEnd(
      await RewritingProxy.start(
        server.port,
        /(?<=redis_version:)\d+\.\d[.\d]*/g,
        (version) => `6.0.${'9'.repeat(version.length - 4)}`,
      ),
    );
    const refused = await refusalOf(nodeOn(old.port));
    expect(refused).toMatchObject({ code: 'STORE_DEGRADED', retryable: false });
    expect(refused.message).toMatch(/The server is Redis 6\.0\.\d+; version 6\.2 or newer is needed/);
  });

  it('to a server that may evict fails the start, and says what to set', async () => {
    const server = await start({ maxmemory: '64mb', policy: 'allkeys-lru' });
    const refused = await refusalOf(nodeOn(server.port));
    expect(refused).toMatchObject({ code: 'STORE_DEGRADED', retryable: false });
    expect(refused.message).toMatch(/maxmemory-policy is "allkeys-lru".*delete parts of the queues.*"noeviction"/);
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    const node = nodeOn(server.port);
    await node.start();
    expect(await echo(node, 'a', 1)).toEqual({ value: 1 });
  });
});

describe('a server whose memory is full', () => {
  it('takes nothing new, and completes and buries what runs and waits (I7, I8)', async () => {
    const server = await start({ maxmemory: '64mb' });
    const owner = nodeOn(server.port, { cluster: { shards: 1 } });
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    owner.handle('job', 'succeed', () => gate.then(() => 'done'));
    owner.handle('job', 'fail', () =>
      gate.then(() => {
        throw new Error('as planned');
      }),
    );
    await owner.start();
    const running = ['succeed', 'fail', 'succeed', 'fail'].map((name, index) =>
      owner.queueBus.enqueueAndWait('job', name, `j${index % 2}`, {}, { timeoutMs: 20_000 }).then(
        (reply) => reply,
        (error: AtomicQueuesError) => error.code,
      ),
    );
    await until('the handlers', () => owner.engine.running().length === 2);
    await server.command('CONFIG', 'SET', 'maxmemory', '1mb');
    const refused = await owner.queueBus
      .enqueue('job', 'succeed', 'j9', {})
      .catch((error: unknown) => error as AtomicQueuesError);
    expect(refused).toMatchObject({ code: 'STORE_DEGRADED', retryable: true });
    expect((refused as Error).message).toMatch(/OOM|memory/i);
    const sender = createNode({ config: { redis: { host: '127.0.0.1', port: server.port } } });
    endings.push(() => sender.stop());
    await expect(sender.start()).resolves.toBeDefined();
    await expect(sender.queueBus.enqueue('job', 'succeed', 'j9', {})).rejects.toMatchObject({ code: 'STORE_DEGRADED' });
    release();
    expect(await Promise.all(running)).toEqual(['done', 'HANDLER_FAILED', 'done', 'HANDLER_FAILED']);
    expect(await owner.deadLetters.count({})).toBe(2);
    // With room again, new messages are taken without anyone's help.
    await server.command('CONFIG', 'SET', 'maxmemory', '64mb');
    await until('room', async () => {
      await owner.queueBus.enqueue('job', 'succeed', 'j9', {});
      return true;
    });
    await owner.whenIdle();
  });

  it('lets nodes join, take over and work off what is there, or nobody could ever empty it', async () => {
    const server = await start({ maxmemory: '64mb' });
    const former = nodeOn(server.port, { cluster: { serverId: 'former', shards: 4 } });
    const next = nodeOn(server.port, { cluster: { serverId: 'next' } });
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    former.handle('job', 'do', () => gate);
    const done: string[] = [];
    next.handle('job', 'do', (_, { entityId }) => void done.push(entityId));
    await former.start();
    for (let n = 0; n < 60; n += 1) await former.queueBus.enqueue('job', 'do', `j${n % 6}`, {});
    await server.command('CONFIG', 'SET', 'maxmemory', '1mb');
    await next.start();
    const stopped = former.stop();
    release();
    await stopped;
    await until('an empty store', async () => {
      const counts = await Promise.all([0, 1, 2, 3].map((shard) => next.wal.counts(shard)));
      return counts.every(({ pending }) => pending === 0);
    });
    expect(done.length).toBeGreaterThan(0);
    expect(await next.deadLetters.count()).toBe(0);
  });
});

describe("another program's data under the prefix", () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['a text as the meta key', ['SET', '{aq}:meta', 'x'], /WRONGTYPE.*keyPrefix/s],
    [
      'another hash as the meta key',
      ['HSET', '{aq}:meta', 'color', 'red'],
      /\{aq\}:meta holds something else.*keyPrefix/,
    ],
    ['a text as the key of the nodes', ['SET', '{aq}:nodes', 'x'], /WRONGTYPE.*keyPrefix/s],
    [
      'a store of a later version',
      ['HSET', '{aq}:meta', 'format', '2', 'clusterId', 'c', 'slices', '16'],
      /has format 2, and this version reads format 1/,
    ],
    [
      'shards without their meta key',
      ['HSET', '{aq:0}:meta', 'epoch', '1'],
      /\{aq\}:meta is gone, but shards of a store are there/,
    ],
  ];
  it.each(cases)('is left alone, and the start fails: %s', async (_, command, expected) => {
    const server = await start();
    await server.command(...command);
    const refused = await refusalOf(nodeOn(server.port));
    expect(refused).toMatchObject({ code: 'STORE_DEGRADED', retryable: false });
    expect(refused.message).toMatch(expected);
    expect(() => nodeOn(server.port, { keyPrefix: '{aq}' })).toThrow(
      /keyPrefix is "\{aq\}".*without blanks and braces/,
    );
    // With another prefix there is nothing in the way.
    const node = nodeOn(server.port, { keyPrefix: 'other' });
    await node.start();
    expect(await echo(node, 'a', 1)).toEqual({ value: 1 });
  });

  it('in the keys of one shard keeps that shard closed, and says so, while the others work (I9)', async () => {
    const server = await start();
    await server.command('SET', '{aq:0}:head:0', 'mine');
    const warnings: string[] = [];
    const node = nodeOn(server.port, { cluster: { shards: 2 }, warnings });
    await node.start();
    // CRC-32 of "account\nalice" is even, that of "account\né" is odd.
    expect(await echo(node, '\u00e9', 1)).toEqual({ value: 1 });
    expect(await echo(node, 'alice', 1, { timeoutMs: 300 }).catch((error: AtomicQueuesError) => error.code)).toBe(
      'REPLY_TIMEOUT',
    );
    expect(warnings.join('\n')).toMatch(
      /Shard 0 could not be opened.*\{aq:0\}:head:0.*string of someone else.*keyPrefix/,
    );
    expect(await server.command('GET', '{aq:0}:head:0')).toBe('mine');
    await server.command('DEL', '{aq:0}:head:0');
    await node.whenIdle();
  });

  it('is also a second cluster with another number of shards, which is told both numbers', async () => {
    const server = await start();
    const first = nodeOn(server.port, { cluster: { serverId: 'a', shards: 8 } });
    await first.start();
    const refused = await refusalOf(nodeOn(server.port, { cluster: { serverId: 'b', shards: 12 } }));
    expect(refused).toMatchObject({ code: 'STORE_DEGRADED', retryable: false });
    expect(refused.message).toMatch(
      /prefix "aq" was made with 8 shards, and this node is configured with 12.*configure 8/,
    );
    // Whoever says nothing takes what is there.
    const second = nodeOn(server.port, { cluster: { serverId: 'c' } });
    await second.start();
    expect(second.wal.description.shardCount).toBe(8);
    expect(await echo(second, 'a', 1)).toEqual({ value: 1 });
  });
});

describe('a store that is removed, or replaced, while nodes run', () => {
  it.each([
    ['removed', ['FLUSHALL'], /is gone: the key \{aq\}:meta no longer exists/],
    ['replaced', ['HSET', '{aq}:meta', 'clusterId', 'another'], /is now another, and was/],
  ])('stops them loudly instead of beginning afresh: %s', async (_, command, expected) => {
    const server = await start();
    const nodes = ['one', 'two'].map((serverId) => nodeOn(server.port, { cluster: { serverId } }));
    await Promise.all(nodes.map((node) => node.start()));
    const stopped = nodes.map((node) => node.events.once('fatal'));
    await server.command(...command);
    for (const fatal of stopped) expect((await fatal).error.message).toMatch(expected);
    const late = await echo(nodes[0] as AtomicQueuesNode, 'a', 1).catch((error: unknown) => error);
    expect(late).toMatchObject({ code: 'STORE_DEGRADED', retryable: false });
    expect(await server.command('EXISTS', '{aq:0}:meta')).toBe(command[0] === 'FLUSHALL' ? 0 : 1);
  });
});

describe('clocks', () => {
  function shifted(byMs: () => number): Runtime {
    const { clock } = systemRuntime;
    return { ...systemRuntime, clock: { now: () => clock.now() + byMs(), monotonic: () => clock.monotonic() } };
  }

  it('that are off by an hour, or jump by one, change nothing: the server tells the time (M14)', async () => {
    const server = await start();
    const hour = 3_600_000;
    let jump = 0;
    const nodes = [hour, -hour].map((off, index) =>
      nodeOn(server.port, { runtime: shifted(() => off + jump), cluster: { serverId: `n${index}` } }),
    );
    await Promise.all(nodes.map((node) => node.start()));
    const [ahead, behind] = nodes as [AtomicQueuesNode, AtomicQueuesNode];
    const lost: unknown[] = [];
    for (const node of nodes) node.events.on('shardLost', (event) => lost.push(event));
    const work = async (round: string): Promise<void> => {
      await Promise.all(
        Array.from({ length: 40 }, async (_, n) => {
          const node = n % 2 === 0 ? ahead : behind;
          expect(await echo(node, `${round}${n}`, n, { expiresInMs: 20_000 })).toEqual({ value: n });
        }),
      );
    };
    await work('a');
    const before = performance.now();
    await Promise.all(
      ['b', 'c', 'd', 'e', 'f', 'g', 'h'].map((id, n) => echo(n % 2 === 0 ? ahead : behind, id, 1, { delayMs: 400 })),
    );
    const tookMs = performance.now() - before;
    expect(tookMs).toBeGreaterThan(390);
    expect(tookMs).toBeLessThan(5_000);
    for (const to of [hour, -2 * hour, 0]) {
      jump = to;
      await work(`j${to}`);
    }
    expect(lost).toEqual([]);
    expect(await ahead.deadLetters.count({})).toBe(0);
  });
});

describe('a serverId that is taken', () => {
  it('by a live node fails the start of the second one, and harms the first in nothing', async () => {
    const server = await start();
    const first = nodeOn(server.port, { cluster: { serverId: 'pod-1' } });
    await first.start();
    const refused = await refusalOf(nodeOn(server.port, { cluster: { serverId: 'pod-1' } }));
    expect(refused).toMatchObject({ code: 'CONFIG_INVALID', retryable: false });
    expect(refused.message).toMatch(/cluster\.serverId "pod-1" is the name of another live node/);
    expect(await echo(first, 'a', 1)).toEqual({ value: 1 });
  });

  it('by one that was lost is taken over; the former one stops when it comes back (I3)', async () => {
    const server = await start();
    const proxy = toEnd(await TcpProxy.start(server.port));
    const lost = nodeOn(proxy.port, { cluster: { serverId: 'pod-1' } });
    await lost.start();
    expect(await echo(lost, 'a', 1)).toEqual({ value: 1 });
    await proxy.refuse();
    proxy.cut();
    const fatal = lost.events.once('fatal');
    const next = nodeOn(server.port, { cluster: { serverId: 'pod-1' } });
    await next.start();
    expect(await echo(next, 'a', 2)).toEqual({ value: 2 });
    await proxy.accept();
    expect((await fatal).error.message).toMatch(
      /Another process has taken the serverId "pod-1" of this node.*This node stops/s,
    );
    const late = await lost.queueBus
      .enqueue('account', 'echo', 'a', {})
      .catch((error: unknown) => error as AtomicQueuesError);
    expect(late).toMatchObject({ code: 'STORE_DEGRADED', retryable: false });
    expect(await echo(next, 'a', 3)).toEqual({ value: 3 });
  });
});
