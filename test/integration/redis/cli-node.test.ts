/** The command line beside real nodes of a cluster. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/core.js';
import { AtomicQueuesHealth } from '../../../src/nestjs/health.js';
import { RedisServer } from '../../redis/harness.mjs';
import { freshPrefix } from '../../redis/redis-wals.js';
import { atomicQueues } from '../cli/command-line.js';

describe('the command line beside nodes', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start({ appendonly: 'no' });
  });

  afterAll(() => server.dispose());

  async function cluster(names: readonly string[]) {
    const prefix = freshPrefix();
    const completed: string[] = [];
    let healed = false;
    const nodes: AtomicQueuesNode[] = [];
    for (const serverId of names) {
      const node = createNode({
        config: { redis: server.url, keyPrefix: prefix, cluster: { serverId, serviceGroup: 'bank', shards: 4 } },
      });
      node.handle('account', '*', (message, { entityId }) => {
        const { n } = message as { n: number };
        if (!healed) throw new RangeError(`no ${n}`);
        completed.push(`${entityId} ${n}`);
      });
      await node.start();
      onTestFinished(async () => void (await node.stop()));
      nodes.push(node);
    }
    const run = (...args: string[]) => atomicQueues([...args, '--redis', server.url, '--prefix', prefix]);
    return { nodes, run, completed, heal: () => void (healed = true) };
  }

  it('replays, in order and once, what failed on them, and shows them', async () => {
    const { nodes, run, completed, heal } = await cluster(['node-a', 'node-b']);
    const [first] = nodes as [AtomicQueuesNode];
    for (let n = 0; n < 60; n++) await first.queueBus.enqueue('account', 'Step', `e${n % 6}`, { n });
    await expect.poll(() => first.deadLetters.count(), { timeout: 10_000 }).toBe(60);
    heal();
    expect(await run('dlq', 'replay', '--all')).toMatchObject({ code: 0, stdout: 'Replayed 60 dead letters.\n' });
    await expect.poll(() => completed.length, { timeout: 10_000 }).toBe(60);
    for (let entity = 0; entity < 6; entity++) {
      const own = completed.filter((each) => each.startsWith(`e${entity} `));
      expect(own).toEqual(Array.from({ length: 10 }, (_, round) => `e${entity} ${entity + 6 * round}`));
    }
    const found = JSON.parse((await run('nodes', '--json')).stdout) as {
      nodes: { serverId: string; alive: boolean }[];
    };
    expect(found.nodes.map(({ serverId, alive }) => [serverId, alive])).toEqual([
      ['node-a', true],
      ['node-b', true],
    ]);
    const { stdout } = await run('status', '--json');
    const { shards } = JSON.parse(stdout) as { shards: { owner?: { node: string } }[] };
    expect(shards).toHaveLength(4);
    expect(shards.every(({ owner }) => owner !== undefined)).toBe(true);
    const refused = await run('reshard', '--shards', '8', '--watch', '600');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/node-a, node-b/);
    const health = new AtomicQueuesHealth(first).check();
    expect(health).toMatchObject({
      status: 'up',
      details: { cluster: { serverId: 'node-a', serviceGroup: 'bank', master: 'node-a', isMaster: true } },
    });
    expect(health.details.cluster?.liveNodes.toSorted()).toEqual(['node-a', 'node-b']);
  }, 30_000);

  it('gives the stopped store another number of shards, with which the nodes start again', async () => {
    const { nodes, run } = await cluster(['node-a']);
    const [node] = nodes as [AtomicQueuesNode];
    for (let n = 0; n < 20; n++) await node.queueBus.enqueue('account', 'Step', `e${n % 6}`, { n });
    await expect.poll(() => node.deadLetters.count(), { timeout: 10_000 }).toBe(20);
    await node.stop();
    expect(await run('reshard', '--shards', '7', '--watch', '300')).toMatchObject({ code: 0, stderr: '' });
    const again = createNode({
      config: { redis: server.url, keyPrefix: node.config.keyPrefix, cluster: { shards: 7, serviceGroup: 'bank' } },
    });
    const ran: number[] = [];
    again.handle('account', '*', (message) => void ran.push((message as { n: number }).n));
    onTestFinished(async () => void (await again.stop()));
    await again.start();
    expect(again.wal.description.shardCount).toBe(7);
    expect(await again.deadLetters.replay({})).toBe(20);
    await again.whenIdle();
    expect(ran.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  }, 30_000);
});
