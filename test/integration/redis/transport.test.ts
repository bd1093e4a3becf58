import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisTransport } from '../../../src/cluster/transport/redis/redis-transport.js';
import type { TransportMessage } from '../../../src/cluster/transport/transport.js';
import { systemTimers } from '../../../src/runtime/timers.js';
import { Clients, type Place } from '../../redis/clients.js';
import { RedisCluster, RedisServer, serverMajor, TcpProxy, until } from '../../redis/harness.mjs';

describe('the transport on Redis', () => {
  const clients = new Clients();
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start({ appendonly: 'no' });
  });

  afterAll(async () => {
    clients.close();
    await server.dispose();
  });

  async function node(keyPrefix: string, incarnation: string, subscribeAt: Place = server) {
    const got: TransportMessage[] = [];
    const transport = new RedisTransport({
      client: await clients.single(server),
      subscriber: await clients.single(subscribeAt),
      timers: systemTimers,
      keyPrefix,
    });
    await transport.start(incarnation, (message) => got.push(message));
    return { got, transport };
  }

  it('drops and counts what is no message, and hears what comes after it', async () => {
    const { got, transport } = await node('junk', 'a-1');
    const junk = [
      '',
      'hello',
      '{',
      'null',
      '7',
      '"wake"',
      '{}',
      '[{"type":"wake"}]',
      '[{"type":"wake","shard":-1},{"type":"wake","shard":1.5},{"type":"wake","shard":"1"}]',
      '{"type":"verdict","id":"m","verdict":{"state":"enqueued"}}',
      '{"type":"verdict","id":"m","verdict":{"state":"failed","error":"no"}}',
      '{"type":"ask","id":"m"}',
      '{"type":"operate","id":"o","replyTo":"b","shard":1,"operation":{"type":"purge","entityType":"a","entityId":7}}',
      '{"type":"toString"}',
      '{"type":"__proto__"}',
    ];
    for (const text of junk) await server.command('PUBLISH', 'junk:node:a-1', text);
    for (const text of ['x', '-1', '1e3', ' 1', '9999999999999999']) await server.command('PUBLISH', 'junk:wake', text);
    await server.command('PUBLISH', 'junk:nodes', '[{"type":"changed","extra":1},{"type":"nonsense"}]');
    await server.command('PUBLISH', 'junk:node:a-1', '{"type":"not-here","id":"last"}');
    await until('the last message', () => got.length >= 2);
    expect(got).toEqual([{ type: 'changed' }, { type: 'not-here', id: 'last' }]);
    expect(transport.dropped.malformed).toBe(junk.length + 2 + 5 + 1);
    await transport.stop();
  });

  it('sends what one turn has for one node as one publication, and each wake hint once', async () => {
    const { got, transport } = await node('batch', 'a-1');
    const before = await publications();
    for (let n = 0; n < 100; n += 1) {
      transport.send('a-1', { type: 'not-here', id: `q-${n}` });
      transport.send('*', { type: 'wake', shard: n % 2 });
    }
    await until('all messages', () => got.length >= 102);
    expect(got).toHaveLength(102);
    expect((await publications()) - before).toBe(3);
    await transport.stop();
  });

  async function publications(): Promise<number> {
    const stats = await server.info('commandstats');
    return Number(/calls=(\d+)/.exec(stats['cmdstat_publish'] ?? '')?.[1] ?? 0);
  }

  it('hears again by itself after its subscribing connection was cut', async () => {
    const proxy = await TcpProxy.start(server.port);
    try {
      const { got, transport } = await node('cut', 'a-1', { host: '127.0.0.1', port: proxy.port });
      const sender = await node('cut', 'b-1');
      proxy.cut();
      await until('a message after the cut', () => {
        sender.transport.send('a-1', { type: 'changed' });
        return got.length > 0;
      });
      sender.transport.send('*', { type: 'wake', shard: 5 });
      await until('the wake hint', () => got.some(({ type }) => type === 'wake'));
      await transport.stop();
      await sender.transport.stop();
    } finally {
      await proxy.dispose();
    }
  });

  it('loses what it sends without a connection, counts it, and never throws', async () => {
    const client = await clients.single(server);
    const transport = new RedisTransport({
      client,
      subscriber: await clients.single(server),
      timers: systemTimers,
      keyPrefix: 'gone',
    });
    await transport.start('a-1', () => {});
    client.disconnect();
    transport.send('b-1', { type: 'changed' });
    transport.send('*', { type: 'wake', shard: 1 });
    await until('both are counted', () => transport.dropped.unsent === 2);
    await transport.stop();
  });

  it('fails to start when it cannot subscribe, and leaves no listener behind', async () => {
    const subscriber = await clients.single(server);
    const listeners = subscriber.listenerCount('message');
    subscriber.disconnect();
    await until('it is closed', () => subscriber.status === 'end');
    const transport = new RedisTransport({
      client: await clients.single(server),
      subscriber,
      timers: systemTimers,
      keyPrefix: 'deaf',
    });
    await expect(transport.start('a-1', () => {})).rejects.toMatchObject({ name: 'StoreUnavailableError' });
    expect(subscriber.listenerCount('message')).toBe(listeners);
    await transport.stop();
  });

  it('stops in time although the server does not answer', async () => {
    const own = await RedisServer.start({ appendonly: 'no' });
    try {
      const transport = new RedisTransport({
        client: await clients.single(own),
        subscriber: await clients.single(own),
        timers: systemTimers,
      });
      await transport.start('a-1', () => {});
      own.pause();
      transport.send('b-1', { type: 'changed' });
      await transport.stop();
      own.resume();
    } finally {
      await own.dispose();
    }
  });
});

// Redis has sharded channels from version 7.
describe.each(serverMajor() >= 7 ? [{ sharded: false }, { sharded: true }] : [{ sharded: false }])(
  'the transport on a Redis Cluster (sharded: $sharded)',
  ({ sharded }) => {
    const clients = new Clients();
    let cluster: RedisCluster;

    beforeAll(async () => {
      cluster = await RedisCluster.start({ appendonly: 'no' });
    }, 60_000);

    afterAll(async () => {
      clients.close();
      await cluster.dispose();
    });

    async function node(incarnation: string) {
      const got: TransportMessage[] = [];
      const transport = new RedisTransport({
        client: await clients.cluster(cluster.nodes),
        subscriber: await clients.cluster(cluster.nodes, { sharded }),
        timers: systemTimers,
        sharded,
      });
      await transport.start(incarnation, (message) => got.push(message));
      return { got, transport };
    }

    it('hears again by itself after the slot of its channel has moved, and after a server was restarted', async () => {
      const { got, transport } = await node('a-1');
      const sender = await node('b-1');
      const heard = async (what: string): Promise<void> => {
        got.length = 0;
        await until(`a message after ${what}`, () => {
          sender.transport.send('a-1', { type: 'changed' });
          return got.length > 0;
        });
        got.length = 0;
        await until(`a message to all after ${what}`, () => {
          sender.transport.send('*', { type: 'released', shard: 1 });
          return got.some(({ type }) => type === 'released');
        });
      };
      await heard('the start');
      const slot = await cluster.slotOf('aq:node:a-1');
      const from = (await cluster.ownerOf(slot))!;
      const to = cluster.servers.find((server) => server !== from)!;
      await cluster.reshard(slot, slot, from, to);
      await heard('the move');
      await to.restart();
      await cluster.ready();
      await heard('the restart');
      await transport.stop();
      await sender.transport.stop();
    });
  },
);
