import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NodeRecord } from '../../../src/cluster/cluster-store.js';
import { RedisClusterStore } from '../../../src/cluster/transport/redis/redis-cluster-store.js';
import { Clients } from '../../redis/clients.js';
import { RedisServer, TcpProxy } from '../../redis/harness.mjs';

const record = (serverId: string, beat = 1): NodeRecord => ({
  serverId,
  incarnation: `${serverId}-1`,
  group: 'bank',
  beat,
  state: 'up',
  load: 0,
  shards: {},
  types: ['account'],
  version: '1.0.0',
  format: 1,
});

describe('the cluster store on Redis', () => {
  const clients = new Clients();
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start({ appendonly: 'no' });
  });

  afterAll(async () => {
    clients.close();
    await server.dispose();
  });

  async function storeOf(keyPrefix: string): Promise<RedisClusterStore> {
    const store = new RedisClusterStore({ client: await clients.single(server), keyPrefix });
    await store.start();
    return store;
  }

  it('skips and counts entries that are no records, and lets a node write over one under its name', async () => {
    const store = await storeOf('garbage');
    await store.bind('bank', { account: ['Withdraw'] });
    await store.beat(record('a'));
    const junk = [
      'not json',
      '[]',
      '{}',
      '{"serverId":"x"}',
      '',
      '{"a":',
      JSON.stringify({ ...record('b'), beat: '1' }),
    ];
    for (const [index, text] of junk.entries()) await server.command('HSET', '{garbage}:nodes', `x${index}`, text);
    await server.command('HSET', '{garbage}:nodes', 'b', '{"serverId":"b","incarnation":7}');
    await server.command('HSET', '{garbage}:assignments', 'bank', 'oops', 'shop', '{"term":1}');
    await server.command(
      'HSET',
      '{garbage}:groups',
      '',
      'changed',
      'g:odd',
      'x',
      't:lost',
      'nobody',
      'n:stray',
      '',
      'z',
      '',
    );
    const view = await store.view();
    expect(view.nodes.map(({ serverId }) => serverId)).toEqual(['a']);
    expect(view.bindings).toEqual([{ group: 'bank', index: 0, types: { account: ['Withdraw'] } }]);
    expect(view.assignments).toEqual({});
    expect(store.skipped).toBe(junk.length + 1 + 2 + 3);
    expect((await store.beat(record('b'))).rejected).toBe(false);
    expect(await store.assign('bank', { term: 1, version: 1, master: 'a', nodes: [] })).toBe(true);
    expect((await store.view()).assignments).toHaveProperty('bank');
  });

  it('goes on when the server forgets its scripts', async () => {
    const store = await storeOf('flushed');
    for (let beat = 1; beat <= 5; beat += 1) {
      await server.command('SCRIPT', 'FLUSH');
      expect((await store.beat(record('a', beat))).nodes).toEqual([record('a', beat)]);
    }
  });

  it('reads bindings again only when they changed, and always when another node changed them', async () => {
    const [a, b] = [await storeOf('known'), await storeOf('known')];
    await a.bind('bank', { account: ['Withdraw'] });
    const first = (await a.beat(record('a'))).bindings;
    expect((await a.beat(record('a', 2))).bindings).toBe(first);
    await b.bind('bank', { account: ['Withdraw'] });
    expect((await a.beat(record('a', 3))).bindings).toBe(first);
    await b.bind('bank', { account: ['Close'] });
    expect((await a.beat(record('a', 4))).bindings).toEqual([
      { group: 'bank', index: 0, types: { account: ['Close', 'Withdraw'] } },
    ]);
    await server.command('DEL', '{known}:groups');
    expect((await a.beat(record('a', 5))).bindings).toEqual([]);
  });

  it('keeps every key present when nobody and nothing is there (M4)', async () => {
    const store = await storeOf('present');
    await store.beat(record('a'));
    await store.leave('a', 'a-1');
    for (const key of ['nodes', 'groups', 'assignments']) {
      expect(await server.command('EXISTS', `{present}:${key}`)).toBe(1);
    }
  });

  it('takes part in nothing outside its prefix', async () => {
    const [one, other] = [await storeOf('one'), await storeOf('one-more')];
    await one.beat(record('a'));
    expect((await other.view()).nodes).toEqual([]);
  });

  it("refuses to start over another program's data, for good", async () => {
    await server.command('SET', '{taken}:nodes', 'something');
    await expect(storeOf('taken')).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: false });
  });

  it('says that an answer was lost when the connection is cut, and works again by itself', async () => {
    const proxy = await TcpProxy.start(server.port);
    try {
      const client = await clients.single({ host: '127.0.0.1', port: proxy.port });
      const store = new RedisClusterStore({ client, keyPrefix: 'cut' });
      await store.start();
      await store.beat(record('a'));
      const ready = new Promise<void>((resolve) => {
        client.once('ready', () => resolve());
      });
      const lost = proxy.cutNextAnswer();
      await expect(store.beat(record('a', 2))).rejects.toMatchObject({ applied: 'unknown', recoverable: true });
      await lost;
      await ready;
      expect((await store.view()).nodes).toEqual([record('a', 2)]);
      expect((await store.beat(record('a', 3))).rejected).toBe(false);
      client.disconnect();
    } finally {
      await proxy.dispose();
    }
  });
});
