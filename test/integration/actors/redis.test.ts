/** Actors of nodes that share a real Redis: the state goes with the shard, whichever way its owner leaves. */
import { type AtomicQueuesNode, createNode, registerActor } from 'atomic-queues/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RedisServer } from '../../redis/harness.mjs';
import { accountActor, Balance, Deposit, Ledger } from './account-actor.js';

describe('Actors on one Redis', () => {
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

  function makeNode(serverId: string, options: Parameters<typeof accountActor>[0] = {}): AtomicQueuesNode {
    const node = createNode({
      config: { redis: { host: '127.0.0.1', port: server.port }, keyPrefix: `t${prefixes}`, cluster: { serverId } },
    });
    registerActor(node, accountActor(options), new Ledger());
    nodes.push(node);
    return node;
  }

  const ids = Array.from({ length: 40 }, (_, index) => `a${index}`);
  const toAll = (node: AtomicQueuesNode, make: (id: string) => object): Promise<unknown[]> =>
    Promise.all(ids.map((id) => node.queueBus.enqueueAndWait(make(id), { timeoutMs: 20_000 })));

  for (const effects of ['any', 'state'] as const) {
    it(`keep their states when shards move from node to node, with effects: '${effects}' (I3)`, async () => {
      prefixes += 1;
      const woken: string[] = [];
      const one = makeNode('one', { effects });
      await one.start();
      expect(await toAll(one, (id) => new Deposit(id, 1))).toEqual(ids.map(() => 1));
      const two = makeNode('two', { effects });
      two.events.on('actorWoken', ({ entityId }) => woken.push(entityId));
      await two.start();
      await two.whenIdle();
      expect(await toAll(two, (id) => new Deposit(id, 1))).toEqual(ids.map(() => 2));
      expect(await toAll(one, (id) => new Balance(id))).toEqual(ids.map(() => 2));
      await one.stop();
      expect(await toAll(two, (id) => new Deposit(id, 1))).toEqual(ids.map(() => 3));
      expect(new Set(woken)).toEqual(new Set(ids));
    });
  }

  it('take what a failed handler did back, and go on from there', async () => {
    prefixes += 1;
    const node = makeNode('one');
    await node.start();
    await node.queueBus.enqueueAndWait(new Deposit('a', 5));
    await expect(node.queueBus.enqueueAndWait(new Deposit('a', -1))).rejects.toThrow('cannot deposit');
    await node.stop();
    const next = makeNode('two');
    await next.start();
    expect(await next.queueBus.enqueueAndWait('account', 'describe', 'a', {}, { timeoutMs: 20_000 })).toEqual({
      balance: 5,
      entries: 1,
      seen: 1,
    });
  });
});
