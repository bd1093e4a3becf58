/** A deploy that brings entity types which the nodes before it do not know. */
import { afterEach, describe, expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { RedisServer } from '../../redis/harness.mjs';

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

describe('an entity type that is new to the cluster', () => {
  it('is taken in by owners that do not know it, and runs where its handlers are (I1, I7)', async () => {
    const server = await RedisServer.start();
    endings.push(() => server.dispose());
    const makeNode = (serverId: string): AtomicQueuesNode => {
      const node = createNode({ config: { redis: { host: '127.0.0.1', port: server.port }, cluster: { serverId } } });
      node.handle('account', 'add', () => 'added');
      endings.push(() => node.stop());
      return node;
    };
    const former = makeNode('former');
    await former.start();
    const next = makeNode('next');
    next.handle('order', 'place', () => 'placed');
    // It is open and owns nothing yet: what it sends goes through the former one's shards.
    await next.open();
    const ids = Array.from({ length: 16 }, (_, n) => `o${n}`);
    const placed = Promise.all(
      ids.map((id) => next.queueBus.enqueueAndWait('order', 'place', id, {}, { timeoutMs: 15_000 })),
    );
    expect(await former.queueBus.enqueueAndWait('account', 'add', 'a', {})).toBe('added');
    await next.start();
    await former.stop();
    expect(await placed).toEqual(ids.map(() => 'placed'));
    for (let shard = 0; shard < 16; shard += 1) {
      expect(await server.command('LRANGE', `{aq:${shard}}:quarantine`, 1, -1)).toEqual([]);
    }
  });
});
