/** Nodes that share a real Redis: the configuration alone makes them safe and share the work. */
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { RedisServer } from '../../redis/harness.mjs';

describe('nodes on one Redis', () => {
  let server: RedisServer;
  const nodes: AtomicQueuesNode[] = [];
  let prefixes = 0;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(async () => {
    await server.dispose();
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  function makeNode(serverId: string, keyPrefix: string, handles = true): AtomicQueuesNode {
    const node = createNode({
      config: { redis: { host: '127.0.0.1', port: server.port }, keyPrefix, cluster: { serverId } },
    });
    if (handles) {
      node.handle('account', 'add', (message) => ({ by: serverId, message }));
      node.handle('account', 'get', () => ({ by: serverId }), { kind: 'query' });
    }
    nodes.push(node);
    return node;
  }

  const freshPrefix = (): string => {
    prefixes += 1;
    return `t${prefixes}`;
  };

  it('share the shards and answer callers on either of them (I3, I5)', async () => {
    const prefix = freshPrefix();
    const [one, two] = [makeNode('one', prefix), makeNode('two', prefix)];
    const bothOwn = [one, two].map((node) => node.events.once('shardOpened'));
    await Promise.all([one.start(), two.start()]);
    await Promise.all(bothOwn);
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        (index % 2 === 0 ? one : two).queueBus.enqueueAndWait<{ by: string }>('account', 'add', `a${index}`, { index }),
      ),
    );
    expect(new Set(replies.map(({ by }) => by))).toEqual(new Set(['one', 'two']));
    const asked = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        two.queueBus.enqueueAndWait<{ by: string }>('account', 'get', `a${index}`, {}),
      ),
    );
    expect(new Set(asked.map(({ by }) => by))).toEqual(new Set(['one', 'two']));
  });

  it('marks nothing after its event loop stood still for longer than a lease: what had not started runs later (M7)', async () => {
    const node = makeNode('one', freshPrefix(), false);
    let stall = 2_300;
    node.handle('account', 'slow', async (message) => {
      await readFile(import.meta.filename);
      const until = performance.now() + stall;
      stall = 0;
      while (performance.now() < until);
      return (message as { n: number }).n;
    });
    await node.start();
    const [, second, third] = await Promise.allSettled(
      [0, 1, 2].map((n) => node.queueBus.enqueueAndWait('account', 'slow', 'a', { n })),
    );
    // The first may have been given up, which is what its lease is for.
    expect([second, third]).toEqual([1, 2].map((value) => ({ status: 'fulfilled', value })));
  });

  it('tells a caller elsewhere one by one and in crowds, failures and replies that cannot travel included (I5)', async () => {
    const prefix = freshPrefix();
    const [worker, sender] = [makeNode('worker', prefix), makeNode('sender', prefix, false)];
    worker.handle('account', 'odd', () => 1n);
    worker.handle('account', 'bad', () => {
      throw new RangeError('no such coin');
    });
    await worker.start();
    await sender.open();
    const { queueBus } = sender;
    const ask = (name: string, n: number): Promise<unknown> => queueBus.enqueueAndWait('account', name, 'a', { n });
    for (let n = 0; n < 20; n += 1) expect(await ask('add', n)).toEqual({ by: 'worker', message: { n } });
    await expect(ask('odd', 0)).rejects.toThrow(/BigInt/);
    await expect(ask('bad', 0)).rejects.toThrow(/no such coin/);
    const crowd = await Promise.allSettled(
      Array.from({ length: 200 }, (_, n) => ask(['add', 'odd', 'bad'][n % 3] as string, n)),
    );
    crowd.forEach((settled, n) => {
      if (n % 3 === 0) expect(settled).toEqual({ status: 'fulfilled', value: { by: 'worker', message: { n } } });
      else
        expect(settled).toMatchObject({ reason: { message: expect.stringMatching(n % 3 === 1 ? /BigInt/ : /coin/) } });
    });
  });

  it('lets a node without handlers send and wait', async () => {
    const prefix = freshPrefix();
    const [worker, sender] = [makeNode('worker', prefix), makeNode('sender', prefix, false)];
    await worker.start();
    await sender.open();
    expect(await sender.queueBus.enqueueAndWait('account', 'add', 'a', { amount: 1 })).toEqual({
      by: 'worker',
      message: { amount: 1 },
    });
  });
});
