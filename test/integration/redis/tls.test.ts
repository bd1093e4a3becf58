/**
 * Nodes whose connections are encrypted: the whole way of a message, and what is said when the two sides do not agree. A
 * server that was built without TLS is left out.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { type AtomicQueuesConfig, resolveConfig } from '../../../src/runtime/config.js';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import { RedisConnections } from '../../../src/wal/redis/connections.js';
import { certificate, RedisServer, type ServerOptions, serverHasTls, until } from '../../redis/harness.mjs';

const ca = certificate('ca.crt');
const client = { cert: certificate('client.crt'), key: certificate('client.key') };
const host = '127.0.0.1';

type Servers = 'open' | 'mutual' | 'elsewhere';
const made = new Map<Servers, RedisServer>();
const nodes: AtomicQueuesNode[] = [];
let prefixes = 0;

const server = (name: Servers): RedisServer => made.get(name)!;
const tlsPort = (name: Servers): number => server(name).tlsPort!;

function makeNode(redis: AtomicQueuesConfig['redis'], keyPrefix: string, serverId: string): AtomicQueuesNode {
  const node = createNode({ config: { redis, keyPrefix, cluster: { serverId } } });
  node.handle('account', 'add', () => serverId);
  nodes.push(node);
  return node;
}

/** What connecting fails with, and how long that took. */
async function refusal(redis: AtomicQueuesConfig['redis'], startTimeoutMs = 5_000): Promise<Error & { code?: string }> {
  const resolved = resolveConfig({ redis }).redis!;
  const connections = new RedisConnections({ redis: resolved, runtime: systemRuntime, startTimeoutMs });
  const startedAt = performance.now();
  const failure: unknown = await connections.start().catch((error: unknown) => error);
  await connections.stop();
  expect(performance.now() - startedAt).toBeLessThan(startTimeoutMs + 1_000);
  expect(failure).toBeInstanceOf(Error);
  return failure as Error;
}

describe.skipIf(!serverHasTls())('TLS, if the server at hand was built with it', () => {
  beforeAll(async () => {
    const settings: Record<Servers, ServerOptions['tls']> = {
      open: {},
      mutual: { authClients: 'yes' },
      elsewhere: { certificate: 'elsewhere' },
    };
    await Promise.all(
      Object.entries(settings).map(async ([name, tls]) => {
        made.set(name as Servers, await RedisServer.start({ appendonly: 'no', ...(tls !== undefined && { tls }) }));
      }),
    );
  });
  afterAll(() => Promise.all([...made.values()].map((each) => each.dispose())));
  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.stop())));

  it.each<readonly [string, () => AtomicQueuesConfig['redis']]>([
    ['redis.tls', () => ({ host, port: tlsPort('open'), tls: { ca } })],
    ['a URL with rediss://', () => ({ url: `rediss://localhost:${tlsPort('open')}/1`, tls: { ca } })],
    ['a certificate of their own', () => ({ host, port: tlsPort('mutual'), tls: { ca, ...client } })],
    ["the server's other name", () => ({ host, port: tlsPort('elsewhere'), tls: { ca, servername: 'redis.example' } })],
  ])('carries all that two nodes do, with %s', async (_, redis) => {
    prefixes += 1;
    const [one, two] = ['one', 'two'].map((name) => makeNode(redis(), `tls${prefixes}`, name)) as [
      AtomicQueuesNode,
      AtomicQueuesNode,
    ];
    const bothOwn = [one, two].map((each) => each.events.once('shardOpened'));
    await Promise.all([one.start(), two.start()]);
    await Promise.all(bothOwn);
    const work = Array.from({ length: 60 }, (_, n) =>
      (n % 2 === 0 ? one : two).queueBus.enqueueAndWait('account', 'add', `a${n}`, {}),
    );
    expect(new Set(await Promise.all(work))).toEqual(new Set(['one', 'two']));
  });

  it('connects anew after a break, with the same settings', async () => {
    const redis = resolveConfig({ redis: { host, port: tlsPort('mutual'), tls: { ca, ...client } } }).redis!;
    const connections = new RedisConnections({ redis, runtime: systemRuntime, roles: ['commit'] });
    await connections.start();
    const ready = connections.events.once('ready');
    connections.reset('commit', 'test');
    await ready;
    expect(await connections.client('commit').set('a', '1')).toBe('OK');
    await connections.stop();
  });

  it.each<readonly [string, () => AtomicQueuesConfig['redis'], readonly string[]]>([
    [
      'a certificate of an authority that nobody here trusts',
      () => `rediss://127.0.0.1:${tlsPort('open')}`,
      ['not trusted here', 'redis.tls.ca'],
    ],
    [
      'a certificate of another authority than the one that was given',
      () => ({ host, port: tlsPort('open'), tls: { ca: certificate('other-ca.crt') } }),
      ['not trusted here', 'redis.tls.ca'],
    ],
    [
      'a certificate for another name',
      () => ({ host: 'localhost', port: tlsPort('elsewhere'), tls: { ca } }),
      ['certificate for other names', 'redis.tls.servername', 'redis.example'],
    ],
    [
      'no certificate where the server wants one',
      () => ({ host, port: tlsPort('mutual'), tls: { ca } }),
      ['wants a certificate of this client', 'redis.tls.cert and redis.tls.key', 'certificate required'],
    ],
    [
      'no certificate where the server wants one, with TLS 1.2',
      () => ({ host, port: tlsPort('mutual'), tls: { ca, maxVersion: 'TLSv1.2' } }),
      ['wants a certificate of this client', 'redis.tls.cert and redis.tls.key'],
    ],
    [
      'a key that is not that of the certificate',
      () => ({ host, port: tlsPort('mutual'), tls: { ca, cert: certificate('other-ca.crt'), key: client.key } }),
      ['cannot be read', 'redis.tls.cert', 'key values mismatch'],
    ],
    [
      'no version that both have',
      () => ({ host, port: tlsPort('open'), tls: { ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } }),
      ['redis.tls'],
    ],
    [
      'an untrusted certificate of a Cluster',
      () => ({ cluster: [{ host, port: tlsPort('open') }], tls: true }),
      ['The Redis Cluster at', 'not trusted here', 'redis.tls.ca'],
    ],
  ])('is refused at once, with the option to change: %s', async (_, redis, words) => {
    const failure = await refusal(redis());
    expect(failure.code).toBe('CONFIG_INVALID');
    for (const each of words) expect(failure.message).toContain(each);
    // OpenSSL says where in its own source it was.
    expect(failure.message).not.toMatch(/\n|deps\/openssl/);
  });

  it.each<readonly [string, () => AtomicQueuesConfig['redis'], RegExp]>([
    ['no TLS at a port that has it', () => ({ host, port: tlsPort('open') }), /wants TLS.*set redis\.tls or.*rediss:/],
    [
      'no TLS at a port of a Cluster that has it',
      () => ({ cluster: [{ host, port: tlsPort('open') }] }),
      /wants TLS.*set redis\.tls/,
    ],
    ['TLS at a port without', () => ({ host, port: server('open').port, tls: { ca } }), /TLS.*redis\.tls.*rediss:/],
    [
      'TLS at a port of a Cluster without',
      () => ({ cluster: [{ host, port: server('open').port }], tls: { ca }, connectTimeout: 300 }),
      /TLS.*redis\.tls/,
    ],
  ])('is given up in time, with what to look at: %s', async (_, redis, words) => {
    const failure = await refusal(redis(), 1_500);
    expect(failure.message).toMatch(words);
    expect(failure.message).toContain('127.0.0.1:');
  });

  it('leaves no error behind that ends the process when connections fail while others shake hands', async () => {
    // vitest fails a run with an error that nobody heard of.
    for (let round = 0; round < 10; round += 1) await refusal(`rediss://127.0.0.1:${tlsPort('open')}`);
    await until('the server to have no clients', async () => (await server('open').connections()).length === 0);
  });
});
