/** The options `redis` and `cluster`: every way to name a server, the timings, and what does not fit together. */
import { Cluster, Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { type AtomicQueuesConfig, resolveConfig } from '../../../src/runtime/config.js';
import { isAtomicQueuesError } from '../../../src/runtime/error.js';

function problemsOf(config: unknown): readonly string[] {
  try {
    resolveConfig(config as AtomicQueuesConfig);
  } catch (error) {
    if (isAtomicQueuesError(error, 'CONFIG_INVALID')) return error.details?.['problems'] as readonly string[];
    throw error;
  }
  return [];
}

const usual = {
  replicas: 0,
  connectTimeoutMs: 2_000,
  commandTimeoutMs: 5_000,
  username: undefined,
  password: undefined,
  db: 0,
  family: 0,
  tls: undefined,
};

describe('the option redis', () => {
  it.each<readonly [AtomicQueuesConfig['redis'], object]>([
    [{}, { kind: 'single', host: 'localhost', port: 6_379, path: undefined }],
    [
      { host: 'r', port: 7 },
      { kind: 'single', host: 'r', port: 7, path: undefined },
    ],
    [{ path: '/run/redis.sock' }, { kind: 'single', host: 'localhost', port: 6_379, path: '/run/redis.sock' }],
    ['redis://r', { kind: 'single', host: 'r', port: 6_379, path: undefined }],
    [
      'rediss://ann:p%40ss@[::1]:7/3?family=6',
      {
        ...{ kind: 'single', host: '::1', port: 7, path: undefined },
        ...{ username: 'ann', password: 'p@ss', db: 3, family: 6, tls: {} },
      },
    ],
    [
      { url: 'redis://r:7', password: 'x', db: 2, tls: true, commandTimeout: 900 },
      { kind: 'single', host: 'r', port: 7, path: undefined, password: 'x', db: 2, tls: {}, commandTimeoutMs: 900 },
    ],
    [
      { sentinels: [{ host: 'a' }, { host: 'b', port: 2 }], name: 'm', sentinelPassword: 's', password: 'x' },
      {
        kind: 'sentinel',
        sentinels: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 2 },
        ],
        ...{ name: 'm', sentinelUsername: undefined, sentinelPassword: 's', sentinelTls: undefined, natMap: undefined },
        password: 'x',
      },
    ],
    [
      { cluster: [{ host: 'a' }], connectTimeout: 50 },
      { kind: 'cluster', nodes: [{ host: 'a', port: 6_379 }], natMap: undefined, connectTimeoutMs: 50 },
    ],
  ])('takes %j', (redis, settled) => {
    expect(resolveConfig({ redis }).redis).toEqual({ ...usual, ...settled });
  });

  it('hands a ready client on as it is, not frozen and not looked into', () => {
    const client = new Redis({ lazyConnect: true });
    const config = resolveConfig({ redis: client });
    expect(config.redis).toMatchObject({ kind: 'client', replicas: 0 });
    expect(config.redis?.kind === 'client' && config.redis.client).toBe(client);
    expect(Object.isFrozen(client)).toBe(false);
    expect(Object.isFrozen(client.options)).toBe(false);
    expect(Object.isFrozen(config.redis)).toBe(true);
    client.disconnect();
  });

  it('freezes its own part and leaves what is handed on to TLS as it is', () => {
    const tls = { ca: Buffer.from('x') };
    const natMap = { 'a:1': { host: 'b', port: 2 } };
    const { redis } = resolveConfig({ redis: { cluster: [{ host: 'a' }], tls, natMap } });
    expect(redis).toMatchObject({ tls, natMap });
    expect(Object.isFrozen(redis)).toBe(true);
    expect(redis?.kind === 'cluster' && Object.isFrozen(redis.nodes[0])).toBe(true);
    expect(Object.isFrozen(tls) || Object.isFrozen(natMap)).toBe(false);
  });

  it('takes undefined as not given, but not for what says where the messages are', () => {
    expect(resolveConfig({ redis: undefined }).redis).toBeUndefined();
    expect(problemsOf({ redis: { host: 'r', password: undefined, tls: undefined, sentinels: undefined } })).toEqual([]);
    expect(problemsOf({ redis: { url: undefined } }).join()).toContain('redis.url is undefined; is an environment');
    expect(problemsOf({ redis: { host: undefined, port: 1 } }).join()).toContain('redis.host is undefined');
  });

  it.each<readonly [unknown, string]>([
    [5, 'redis is neither a URL nor an object'],
    [[], 'redis is neither a URL nor an object'],
    ['', 'redis is not a URL'],
    ['localhost:6379', 'redis has another protocol; expected redis://'],
    ['http://localhost', 'redis has another protocol'],
    ['redis://', 'redis is not complete'],
    ['redis://h/one', 'redis is not complete'],
    ['redis://h?retries=3', 'redis has the parameter "retries"'],
    [{ host: 'a b' }, 'redis.host is "a b"; expected the name or address of a host.'],
    [{ port: '6379' }, 'redis.port is "6379"; expected a whole number of the port from 1 to 65535.'],
    [{ family: 5 }, 'redis.family is 5; expected 0, 4 or 6.'],
    [{ tls: 'yes' }, 'redis.tls is "yes"; expected true, false or options of tls.connect.'],
    [{ sentinels: [], name: 'm' }, 'redis.sentinels is an array; expected a list of at least one address.'],
    [{ cluster: [{ prot: 1, host: 'a' }] }, 'redis.cluster[0].prot is not an option; the options here are host, port.'],
    [{ cluster: [{}] }, 'redis.cluster[0].host is undefined; expected'],
    [{ pasword: 'x' }, 'did you mean redis.password?'],
    [{ keyPrefix: 'x' }, 'keyPrefix at the root begins every name in the store'],
    [{ maxRetriesPerRequest: 3 }, 'redis.maxRetriesPerRequest is set by the library'],
    [{ commandTimeout: 5 }, 'redis.commandTimeout is 5; expected a whole number of milliseconds from 100'],
  ])('refuses %j and says what it expects', (redis, words) => {
    expect(problemsOf({ redis }).join('\n')).toContain(words);
  });

  it.each<readonly [object, readonly string[]]>([
    [{ redis: { url: 'redis://h', host: 'i' } }, ['redis.url and redis.host']],
    [{ redis: { cluster: [{ host: 'a' }], port: 1 } }, ['redis.cluster and redis.port']],
    [{ redis: { sentinels: [{ host: 'a' }], name: 'm', path: '/s' } }, ['redis.sentinels and redis.path']],
    [{ redis: { sentinels: [{ host: 'a' }] } }, ['redis.sentinels is given without redis.name']],
    [{ redis: { name: 'm' } }, ['redis.name is given without redis.sentinels']],
    [{ redis: { natMap: {} } }, ['redis.natMap is given without']],
    [{ redis: { cluster: [{ host: 'a' }], db: 2 } }, ['redis.db is 2', 'redis.cluster']],
    [{ redis: { url: 'redis://h/1', db: 2 } }, ['redis.db and redis.url']],
    [{ redis: { url: 'redis://:a@h', password: 'b' } }, ['redis.password and redis.url']],
    [{ redis: { url: 'rediss://h', tls: false } }, ['redis.tls is false', 'rediss://']],
    [{ redis: {}, store: { path: 'x.db' } }, ['store.path is "x.db"', 'redis is given']],
    [{ redis: {}, store: { driver: {} } }, ['store.driver', 'redis is given']],
    [{ redis: {}, store: { durability: 'fsync' } }, ['store.durability is "fsync"', 'redis is given']],
    [{ store: { durability: 'async' } }, ['store.durability is "async"', 'redis is not given']],
    [{ store: { durability: 'replicated(2)' } }, ['store.durability is "replicated(2)"', 'redis is not given']],
    [{ redis: {}, wal: { enabled: false } }, ['wal.enabled is false', 'redis is given']],
  ])('refuses the contradiction in %j, naming both', (config, words) => {
    const problems = problemsOf(config);
    expect(problems).toHaveLength(1);
    for (const word of words) expect(problems[0]).toContain(word);
  });

  it('takes replicas of a Redis Cluster for a proof, also when its client is handed in (M10)', () => {
    const client = new Cluster([{ host: 'h' }], { lazyConnect: true });
    for (const redis of [client, { cluster: [{ host: 'h' }] }]) {
      expect(resolveConfig({ redis, store: { durability: 'replicated(1)' } }).redis?.replicas).toBe(1);
    }
  });

  it('settles how durable a write on Redis is', () => {
    expect(resolveConfig({ redis: {} }).redis?.replicas).toBe(0);
    expect(resolveConfig({ redis: {}, store: { durability: 'async' } }).redis?.replicas).toBe(0);
    expect(resolveConfig({ redis: 'redis://h', store: { durability: 'replicated(2)' } }).redis?.replicas).toBe(2);
    expect(problemsOf({ redis: {}, store: { durability: 'replicated(0)' } })).toHaveLength(1);
  });

  it('shows no secrets', () => {
    for (const redis of [
      'redis//:hunter2@h',
      'http://:hunter2@h',
      { url: 'redis://:hunter2@h:port' },
      { url: 'redis://:hunter2@h', password: 'hunter22' },
      { password: ['hunter2'] },
      { password: 'hunter2', port: 'x' },
      { sentinels: [{ host: 'a' }], sentinelPassword: 'hunter2' },
      { pasword: 'hunter2' },
    ]) {
      const problems = problemsOf({ redis });
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join()).not.toContain('hunter2');
    }
    expect(problemsOf({ redis: { password: 19_283_746 } }).join()).not.toContain('19283746');
  });
});

describe('the option cluster', () => {
  it('has the documented defaults, and is there exactly with redis', () => {
    expect(resolveConfig({}).cluster).toBeUndefined();
    expect(resolveConfig({ redis: {} }).cluster).toEqual({
      serverId: undefined,
      serviceGroup: 'default',
      heartbeatMs: 400,
      nodeTTLMs: 1_500,
      leaseMs: 2_000,
      reconcileIntervalMs: 2_000,
      leaderTTLMs: 2_000,
      leaderRenewalMs: 400,
      leaderDebounceMs: 800,
      redisHealthCheckMs: 500,
      redisHealthFailureThreshold: 3,
      shards: 16,
      busyPoll: true,
      shardsGiven: false,
      withoutEffect: [],
    });
    expect(resolveConfig({ redis: {}, cluster: { leaderTTLMs: 3_000 } }).cluster?.withoutEffect).toEqual([
      'leaderTTLMs',
    ]);
    expect(Object.isFrozen(resolveConfig({ redis: {} }).cluster)).toBe(true);
  });

  it('takes the same options under grpc, where they were first', () => {
    const config = resolveConfig({
      redis: {},
      cluster: { serverId: 'billing-1', shards: 8, heartbeatMs: 300, leaderDebounceMs: undefined },
      grpc: { enabled: false, serviceGroup: 'billing', heartbeatMs: 300, leaderDebounceMs: 0 },
    });
    expect(config.cluster).toMatchObject({
      ...{ serverId: 'billing-1', serviceGroup: 'billing', heartbeatMs: 300, leaderDebounceMs: 0 },
      ...{ shards: 8, shardsGiven: true, nodeTTLMs: 1_500 },
    });
    expect(config).not.toHaveProperty('grpc');
  });

  it.each<readonly [object, readonly string[]]>([
    [
      { redis: {}, cluster: { heartbeatMs: 300 }, grpc: { heartbeatMs: 400 } },
      ['cluster.heartbeatMs (300)', 'grpc.heartbeatMs (400)'],
    ],
    [
      { redis: {}, cluster: { serviceGroup: 'a' }, grpc: { serviceGroup: 'b' } },
      ['cluster.serviceGroup ("a")', 'grpc.serviceGroup ("b")'],
    ],
    [{ redis: {}, cluster: { nodeTTLMs: 400 } }, ['cluster.nodeTTLMs (400 ms)', 'cluster.heartbeatMs (400 ms)']],
    [{ redis: {}, cluster: { leaseMs: 1_599 } }, ['cluster.leaseMs (1599 ms)', 'heartbeatMs (400 ms)', '1600 ms']],
    [
      { redis: {}, cluster: { heartbeatMs: 1_300, nodeTTLMs: 5_000, leaseMs: 2_550 } },
      ['cluster.leaseMs (2550 ms)', 'cluster.heartbeatMs (1300 ms)', '2600 ms'],
    ],
    [
      { redis: {}, grpc: { leaderRenewalMs: 2_000 } },
      ['cluster.leaderRenewalMs (2000 ms)', 'cluster.leaderTTLMs (2000 ms)'],
    ],
    [{ cluster: { serverId: 'a', heartbeatMs: 1 }, redis: undefined }, ['cluster.heartbeatMs is 1']],
    [{ cluster: { serverId: 'a' } }, ['cluster.serverId is given without redis']],
    [
      { cluster: { shards: 4 }, grpc: { serviceGroup: 'b' } },
      ['cluster.shards, grpc.serviceGroup are given without redis'],
    ],
  ])('refuses the contradiction in %j, naming both options with their values', (config, words) => {
    const problems = problemsOf(config);
    expect(problems).toHaveLength(1);
    for (const word of words) expect(problems[0]).toContain(word);
  });

  it.each([
    [{ cluster: { leaseMS: 3_000 } }, 'did you mean cluster.leaseMs?'],
    [{ grpc: { leaseMs: 3_000 } }, 'grpc.leaseMs is not an option; it is an option of cluster.'],
    [{ cluster: { listenAddress: 'x' } }, 'cluster.listenAddress is not an option'],
    [{ cluster: { serverId: 'a b' } }, 'cluster.serverId is "a b"; expected 1 to 128 visible characters'],
    [{ cluster: { shards: 0 } }, 'cluster.shards is 0; expected a whole number of shards from 1 to 4096.'],
    [{ cluster: 'x' }, 'cluster is "x"; expected an object with options.'],
  ])('refuses %j and says what it expects', (config, words) => {
    expect(problemsOf({ redis: {}, ...config }).join('\n')).toContain(words);
  });

  it('takes what says nothing', () => {
    expect(problemsOf({ cluster: {}, grpc: { enabled: false } })).toEqual([]);
    expect(problemsOf({ cluster: { serverId: undefined } })).toEqual([]);
    expect(problemsOf({ redis: {}, cluster: { leaseMs: 1_600 } })).toEqual([]);
  });
});
