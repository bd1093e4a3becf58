/** `atomic-queues … --redis` on a real server, beside owners of shards in this process and without them. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Clients } from '../../redis/clients.js';
import { RedisServer } from '../../redis/harness.mjs';
import { freshPrefix } from '../../redis/redis-wals.js';
import { atomicQueues } from '../cli/command-line.js';
import { nodeRecord, TestStore } from './redis-store.js';

const SLICES = 4;

describe('the command line on Redis', () => {
  const clients = new Clients();
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start({ appendonly: 'no' });
  });

  afterAll(async () => {
    clients.close();
    await server.dispose();
  });

  async function storeWith(letters: number) {
    const prefix = freshPrefix();
    const store = await TestStore.start(await clients.single(server), prefix, SLICES);
    await store.cluster.bind('bank', { account: ['Step'] });
    await store.cluster.bind('shop', { order: ['Step'] });
    for (let n = 0; n < letters; n++) {
      const group = n % 3 === 2 ? 1 : 0;
      const entityType = group === 1 ? 'order' : 'account';
      await store.fail(group, { id: `m${n}`, entityType, entityId: `e${n % 10}`, payload: { n } });
    }
    const run = (...args: string[]) => atomicQueues([...args, '--redis', server.url, '--prefix', prefix]);
    const json = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { code, stdout, stderr } = await run(...args, '--json');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    return { store, prefix, run, json };
  }

  /** Takes in what is offered to the store's shards, as nodes do, until the test ends. */
  function running(store: TestStore): void {
    let isOver = false;
    const working = (async () => {
      while (!isOver) {
        for (const shard of [...store.owners.keys()]) await store.commit(shard);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    })();
    onTestFinished(async () => {
      isOver = true;
      await working;
    });
  }

  it('lists, shows and counts the dead letters of all shards of all groups', async () => {
    const { run, json } = await storeWith(30);
    const ids: string[] = [];
    let cursor: number | undefined;
    do {
      const page = await json(
        'dlq',
        'list',
        '--limit',
        '7',
        ...(cursor === undefined ? [] : ['--cursor', String(cursor)]),
      );
      ids.push(...(page['letters'] as { id: string }[]).map(({ id }) => id));
      cursor = page['cursor'] as number | undefined;
    } while (cursor !== undefined);
    expect(ids.toSorted()).toEqual(Array.from({ length: 30 }, (_, n) => `m${n}`).toSorted());
    const orders = await json('dlq', 'list', '--entity-type', 'order');
    expect((orders['letters'] as unknown[]).length).toBe(10);
    expect(await json('dlq', 'show', 'm17')).toMatchObject({ id: 'm17', payload: { n: 17 }, entityType: 'order' });
    expect(await json('counts')).toMatchObject({ accepted: 30, failed: 30, pending: 0, deadLetters: 30 });
    expect(await json('status', 'm4')).toMatchObject({ id: 'm4', state: 'failed' });
    expect((await run('status', 'nobody')).code).toBe(1);
    expect((await run('dlq', 'list')).stdout).toContain('RangeError: no');
  });

  it('replays and purges beside the owners, each letter where it is (M17)', async () => {
    const { store, json, run } = await storeWith(60);
    running(store);
    const some = await json('dlq', 'replay', '--id', 'm1', '--id', 'm2', '--id', 'm3');
    expect(some).toMatchObject({ count: 3 });
    const { newIds } = some as { newIds: string[] };
    for (const id of newIds) expect(await json('status', id)).toMatchObject({ id, state: 'enqueued' });
    expect(await run('dlq', 'replay', '--entity-type', 'order')).toMatchObject({
      code: 0,
      stdout: 'Replayed 19 dead letters.\n',
    });
    expect(await run('dlq', 'purge', '--yes')).toMatchObject({ code: 0, stdout: 'Purged 38 dead letters.\n' });
    expect(await json('counts')).toMatchObject({ accepted: 60 + 22, pending: 22, deadLetters: 0 });
  });

  it('takes the place of owners that have released their shards, and gives it back', async () => {
    const { store, json, run } = await storeWith(30);
    await store.release();
    expect(await json('dlq', 'purge', '--entity-type', 'account')).toMatchObject({ count: 20 });
    expect(await run('dlq', 'replay', '--all')).toMatchObject({ code: 0, stdout: 'Replayed 10 dead letters.\n' });
    for (const sign of await store.wal.signs([0, 1, 2, 3, 4, 5, 6, 7])) expect(sign.incarnation).toBeUndefined();
    const { clean } = await store.wal.open(store.shardOf(1, 'order', 'e2'), 'next', { node: 'next' });
    expect(clean).toBe(true);
  });

  it('gives up when an owner lives and takes nothing in, and says what is handed in', async () => {
    const { run } = await storeWith(1);
    const { code, stderr } = await run('dlq', 'replay', '--all', '--timeout', '300');
    expect(code).toBe(1);
    expect(stderr).toContain('1 wish is handed in');
  });

  it('moves each letter once when two commands run at the same time (I5)', async () => {
    const { store, json, run } = await storeWith(100);
    running(store);
    const results = await Promise.all([1, 2].map(() => run('dlq', 'replay', '--all', '--json')));
    const counts = results.map(({ stdout }) => (JSON.parse(stdout) as { count: number }).count);
    expect(counts.toSorted((a, b) => a - b)).toEqual([0, 100]);
    expect(results.map(({ stderr }) => stderr).join('')).toMatch(/^Waiting for another/);
    expect(await json('counts')).toMatchObject({ accepted: 200, pending: 100 });
  });

  it('shows every shard with its owner, epoch, load and quarantine', async () => {
    const { store, json, run } = await storeWith(0);
    const { shard } = await store.append(1, { id: 'x1', entityType: 'order', entityId: 'a' });
    await store.client.rpush(`{${store.keyPrefix}:${shard}}:inbox`, 'not json', '{"no":"message"}');
    await store.commit(shard);
    const { shards, slices } = (await json('status')) as { slices: number; shards: Record<string, unknown>[] };
    expect(slices).toBe(SLICES);
    expect(shards).toHaveLength(2 * SLICES);
    expect(shards[shard]).toMatchObject({
      shard,
      group: 'shop',
      slice: shard - SLICES,
      owner: { node: 'node-1', incarnation: 'node-1-life' },
      pending: 1,
      quarantined: 2,
    });
    expect(shards[shard === 7 ? 6 : 7]).not.toHaveProperty('owner');
    const { stdout } = await run('status');
    expect(stdout).toContain('nobody');
    expect(stdout).toContain('node-1');
    const { offers } = (await json('quarantine')) as { offers: Record<string, unknown>[] };
    expect(offers).toHaveLength(2);
    expect(offers).toContainEqual(expect.objectContaining({ shard, reason: 'not JSON', text: 'not json' }));
    expect((await run('quarantine')).stdout).toContain('not JSON');
  });

  it('shows the nodes, who of them is alive, the masters and the assignment', async () => {
    const { store, json, run } = await storeWith(0);
    await store.cluster.beat(nodeRecord('node-1', 1));
    await store.cluster.beat(nodeRecord('node-2', 1));
    await store.cluster.assign('bank', {
      term: 2,
      version: 5,
      master: 'node-1',
      nodes: ['node-1', 'node-2', 'node-1', ''],
    });
    let beat = 1;
    const beating = setInterval(() => void store.cluster.beat(nodeRecord('node-1', ++beat)), 20);
    onTestFinished(() => clearInterval(beating));
    const found = (await json('nodes', '--watch', '300')) as { nodes: Record<string, unknown>[]; groups: unknown[] };
    expect(found.nodes.map(({ serverId, alive }) => [serverId, alive])).toEqual([
      ['node-1', true],
      ['node-2', false],
    ]);
    expect(found.groups[0]).toMatchObject({
      group: 'bank',
      index: 0,
      assignment: { term: 2, version: 5, master: 'node-1' },
    });
    const { stdout } = await run('nodes', '--watch', '300');
    expect(stdout).toMatch(/node-1.*up, master.*yes/);
    expect(stdout).toContain('node-1: 0 2, node-2: 1, nobody: 3');
    expect(stdout).toContain('Lines are written in format 1.');
  });

  it('finds its store by the environment as well', async () => {
    const { prefix } = await storeWith(2);
    const env = { ATOMIC_QUEUES_REDIS: server.url, ATOMIC_QUEUES_PREFIX: prefix };
    const { code, stdout } = await atomicQueues(['counts', '--json'], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ deadLetters: 2 });
  });

  describe('says in one sentence, with exit code 2,', () => {
    it('that there is no store, and makes none', async () => {
      const { code, stderr } = await atomicQueues(['counts', '--redis', server.url, '--prefix', 'nobody']);
      expect(code).toBe(2);
      expect(stderr).toMatch(/There is no store "nobody" on Redis at 127\.0\.0\.1:\d+/);
      expect(await server.command('EXISTS', '{nobody}:meta')).toBe(0);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    });

    it('that what is there is something else', async () => {
      await server.command('SET', '{strange}:meta', 'mine');
      const { code, stderr } = await atomicQueues(['counts', '--redis', server.url, '--prefix', 'strange']);
      expect(code).toBe(2);
      expect(stderr).toContain('WRONGTYPE');
    });

    it('that the server cannot be reached', async () => {
      const { code, stderr } = await atomicQueues(['counts', '--redis', 'redis://127.0.0.1:1']);
      expect(code).toBe(2);
      expect(stderr).toMatch(/Redis at 127\.0\.0\.1:1 could not be reached .*ECONNREFUSED/);
    });

    it('that the password is wrong, without repeating it', async () => {
      const locked = await RedisServer.start({ appendonly: 'no', password: 'right' });
      onTestFinished(() => locked.dispose());
      const url = (password: string): string => `redis://${password}127.0.0.1:${locked.port}`;
      const wrong = await atomicQueues(['counts', '--redis', url(':secret-word@')]);
      expect(wrong.code).toBe(2);
      expect(wrong.stderr).toContain('password');
      expect(wrong.stderr).not.toContain('secret-word');
      const none = await atomicQueues(['counts', '--redis', url('')]);
      expect(none.code).toBe(2);
      expect(none.stderr).toContain('password');
    });

    it.each([
      [['counts', '--redis', 'http://localhost'], /redis:\/\//],
      [['counts', '--redis', 'redis://h', '--path', 'x.db'], /Name one store/],
      [['counts', '--prefix', 'x'], /--redis/],
      [['counts', '--cluster', 'a:b'], /host:port/],
      [['nodes', '--path', 'x.db'], /stores on Redis/],
      [['reshard', '--redis', 'redis://h'], /--shards/],
      [['reshard', '--redis', 'redis://h', '--shards', '0'], /from 1 to 4096/],
    ])('what is wrong with %j', async (args, words) => {
      const { code, stderr } = await atomicQueues(args);
      expect(code).toBe(2);
      expect(stderr).toMatch(words);
      expect(stderr).not.toMatch(/^\s+at /m);
    });
  });
});
