/** What operators do to lines, on each store: from the bus, and from the command line with and without an application. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type AtomicQueuesConfig, type AtomicQueuesNode, createNode } from '../../../src/core.js';
import { RedisServer } from '../../redis/harness.mjs';
import { freshPrefix } from '../../redis/redis-wals.js';
import { atomicQueues, folder } from '../cli/command-line.js';

let server: RedisServer;

beforeAll(async () => {
  server = await RedisServer.start({ appendonly: 'no' });
});

afterAll(() => server.dispose());

interface Store {
  readonly config: AtomicQueuesConfig;
  /** How the command line finds it. */
  readonly args: readonly string[];
}

const stores: readonly (readonly [name: string, make: () => Store])[] = [
  [
    'a file',
    () => {
      const path = join(folder(), 'store.db');
      return { config: { store: { path } }, args: ['--path', path] };
    },
  ],
  [
    'Redis',
    () => {
      const keyPrefix = freshPrefix();
      return {
        config: { redis: server.url, keyPrefix, cluster: { shards: 4 } },
        args: ['--redis', server.url, '--prefix', keyPrefix],
      };
    },
  ],
];

interface Application {
  readonly node: AtomicQueuesNode;
  readonly done: readonly string[];
}

/** Numbers below zero fail until they are healed. */
function world({ config, args }: Store) {
  const done: string[] = [];
  let healed = false;
  const start = async (): Promise<Application> => {
    const node = createNode({ config: { ...config, entities: { account: { onFailure: 'block' } } } });
    for (const type of ['account', 'order']) {
      node.handle(type, '*', (message, { entityId }) => {
        const { n } = message as { n: number };
        if (n < 0 && !healed) throw new RangeError(`no ${n}`);
        done.push(`${entityId} ${n}`);
      });
    }
    await node.start();
    onTestFinished(async () => void (await node.stop()));
    return { node, done };
  };
  const cli = async (...command: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await atomicQueues([...command, ...args, '--json']);
    if (code !== 0) return { code, stderr };
    return JSON.parse(stdout);
  };
  const text = (...command: string[]) => atomicQueues([...command, ...args]);
  return { start, done, cli, text, heal: () => void (healed = true) };
}

const send = async ({ queueBus }: AtomicQueuesNode, entityId: string, n: number, type = 'account'): Promise<string> =>
  (await queueBus.enqueue(type, 'Step', entityId, { n })).id;

describe.each(stores)('on %s', (_name, make) => {
  it('pauses of entities and types are listed and hold after a restart, until they are resumed', async () => {
    const { start, done } = world(make());
    const first = await start();
    const bus = first.node.queueBus;
    await bus.pause('account', 'a');
    await bus.forEntity('order').pause();
    const paused = [{ entityType: 'account', entityId: 'a' }, { entityType: 'order' }];
    await expect(bus.paused()).resolves.toEqual(paused);
    expect((await bus.introspect()).part('paused')).toEqual(paused);
    await send(first.node, 'a', 1);
    for (let n = 2; n < 6; n += 1) await send(first.node, `o${n}`, n, 'order');
    await send(first.node, 'b', 6);
    await expect.poll(() => done).toEqual(['b 6']);
    await first.node.stop();

    const { node } = await start();
    await expect(node.queueBus.paused()).resolves.toHaveLength(2);
    await send(node, 'b', 7);
    await expect.poll(() => done).toEqual(['b 6', 'b 7']);
    await node.queueBus.resume('order');
    await expect.poll(() => done.length).toBe(6);
    await node.queueBus.resume('account', 'a');
    await expect.poll(() => done.at(-1)).toBe('a 1');
    await expect(node.queueBus.paused()).resolves.toEqual([]);
  });

  it('a purge withdraws what has not started, of one entity or of a type, and nothing else', async () => {
    const { start, done } = world(make());
    const { node } = await start();
    await node.queueBus.pause('account');
    for (let n = 0; n < 20; n += 1) await send(node, `e${n % 5}`, n);
    await node.queueBus.enqueue('account', 'Step', 'e1', { n: 99 }, { delayMs: 3_600_000 });
    await expect(node.queueBus.purge('account', 'e1')).resolves.toBe(5);
    await node.stop();
    const { node: again } = await start();
    await expect(again.queueBus.purge('account')).resolves.toBe(16);
    await again.queueBus.resume('account');
    await send(again, 'e1', 100);
    await expect.poll(() => done).toEqual(['e1 100']);
  });

  it('blocked messages are listed and counted, and are tried again in place or skipped (M17)', async () => {
    const { start, done, heal } = world(make());
    const first = await start();
    const ids: Record<string, string> = {};
    for (const entityId of ['a', 'b', 'c']) ids[entityId] = await send(first.node, entityId, -1);
    for (const entityId of ['a', 'b', 'c']) await send(first.node, entityId, 2);
    await send(first.node, 'free', 3);
    await expect.poll(() => first.node.queueBus.blockedCount()).toBe(3);
    await expect.poll(() => done).toEqual(['free 3']);
    await first.node.stop();

    const { node } = await start();
    const bus = node.queueBus;
    const { messages } = await bus.blocked();
    expect(messages.map(({ id }) => id).toSorted()).toEqual(Object.values(ids).toSorted());
    expect(messages[0]).toMatchObject({
      entityType: 'account',
      name: 'Step',
      attempts: 1,
      error: { name: 'RangeError', message: 'no -1' },
      blockedAt: expect.any(Number),
    });
    const seen: string[] = [];
    let cursor: number | undefined;
    do {
      const page = await bus.blocked({ limit: 2, ...(cursor !== undefined && { cursor }) });
      seen.push(...page.messages.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(messages.map(({ id }) => id));
    await expect(bus.forEntity('account', 'b').blockedCount()).resolves.toBe(1);
    await expect(bus.blockedCount({ entityType: 'order' })).resolves.toBe(0);
    const introspection = await bus.introspect();
    expect(introspection.part('blocked')).toMatchObject({ count: 3, messages });
    expect(introspection.part('paused')).toEqual([]);
    expect(String(introspection)).toContain(`account "b": Step ${ids['b']}, RangeError: no -1`);
    await expect(bus.status(ids['a'] as string)).resolves.toMatchObject({ state: 'blocked' });
    await expect(bus.cancel(ids['a'] as string)).resolves.toBe(false);

    heal();
    await expect(bus.retryBlocked(ids['a'] as string)).resolves.toBe(true);
    await expect.poll(() => done).toEqual(['free 3', 'a -1', 'a 2']);
    await expect(bus.retryBlocked(ids['a'] as string)).resolves.toBe(false);
    await expect(bus.skipBlocked(ids['b'] as string)).resolves.toBe(true);
    await expect.poll(() => done.at(-1)).toBe('b 2');
    await expect(bus.skipBlocked(ids['b'] as string)).resolves.toBe(false);
    await expect(node.deadLetters.get(ids['b'] as string)).resolves.toMatchObject({ reason: 'failed', attempts: 1 });
    await expect(bus.blockedCount()).resolves.toBe(1);
  });

  it('the command line does the same beside an application', async () => {
    const { start, done, cli, heal } = world(make());
    const { node } = await start();
    await expect(cli('pause', '--type', 'account', '--id', 'p')).resolves.toEqual({
      entityType: 'account',
      entityId: 'p',
      paused: true,
    });
    await expect(node.queueBus.paused()).resolves.toEqual([{ entityType: 'account', entityId: 'p' }]);
    await expect(cli('paused')).resolves.toEqual({ paused: [{ entityType: 'account', entityId: 'p' }] });
    for (let n = 0; n < 3; n += 1) await send(node, 'p', n);
    await expect(cli('purge', '--type', 'account', '--id', 'p', '--yes')).resolves.toMatchObject({ count: 3 });
    const kept = await send(node, 'p', 4);
    await cli('resume', '--type', 'account', '--id', 'p');
    await expect.poll(() => done).toEqual(['p 4']);
    await expect(cli('blocked', 'retry', '--id', kept)).resolves.toMatchObject({ code: 1 });

    const ids = [await send(node, 'a', -1), await send(node, 'b', -1), await send(node, 'c', -1)];
    await expect.poll(() => node.queueBus.blockedCount()).toBe(3);
    const { blocked } = (await cli('blocked', 'list', '--entity-id', 'a')) as { blocked: { id: string }[] };
    expect(blocked).toMatchObject([
      { id: ids[0], error: { message: 'no -1' }, blockedAt: expect.stringMatching(/Z$/) },
    ]);
    heal();
    await expect(cli('blocked', 'retry', '--id', ids[0] as string)).resolves.toEqual({ count: 1, ids: [ids[0]] });
    await expect.poll(() => done).toEqual(['p 4', 'a -1']);
    await expect(cli('blocked', 'skip', '--entity-type', 'account')).resolves.toMatchObject({ count: 2 });
    await expect.poll(() => node.deadLetters.count()).toBe(2);
    await expect(node.queueBus.blockedCount()).resolves.toBe(0);
    await send(node, 'b', 5);
    await expect.poll(() => done.at(-1)).toBe('b 5');
  });

  it('the command line does the same without an application, and the next start finds it so', async () => {
    const { start, done, cli, text, heal } = world(make());
    const { node } = await start();
    await node.queueBus.pause('order');
    for (let n = 0; n < 4; n += 1) await send(node, `o${n}`, n, 'order');
    const blocked = [await send(node, 'a', -1), await send(node, 'b', -1)];
    for (const entityId of ['a', 'b']) await send(node, entityId, 2);
    await expect.poll(() => node.queueBus.blockedCount()).toBe(2);
    await node.stop();

    await expect(cli('purge', '--type', 'order', '--yes')).resolves.toMatchObject({ count: 4 });
    await cli('resume', '--type', 'order');
    await cli('pause', '--type', 'account', '--id', 'b');
    expect((await text('paused')).stdout).toMatch(/account\s+│ b /);
    expect((await text('blocked', 'list')).stdout).toContain('RangeError: no -1');
    expect((await text('blocked', 'skip', '--id', blocked[1] as string)).stdout).toBe(
      `The blocked message ${blocked[1]} is a dead letter now.\n`,
    );
    expect((await text('blocked', 'retry', '--all')).stdout).toBe(
      `The blocked message ${blocked[0]} has another attempt.\n`,
    );
    heal();
    const { node: again } = await start();
    await expect.poll(() => done).toEqual(['a -1', 'a 2']);
    await again.queueBus.resume('account', 'b');
    await expect.poll(() => done.at(-1)).toBe('b 2');
    await expect(again.deadLetters.count()).resolves.toBe(1);
  });

  it('introspect tells what is paused, blocked and sent again, from the bus and the command line', async () => {
    const { start, cli, text } = world(make());
    const { node } = await start();
    const bus = node.queueBus;
    await bus.pause('order');
    const id = await send(node, 'a', -1);
    await expect.poll(() => bus.blockedCount()).toBe(1);
    for (const entityId of ['a', 'b', 'c'])
      await bus.forEntity('account', entityId).remind('again', 'Step', { n: 1 }, { everyMs: 3_600_000 });
    const reminders = [{ entityType: 'account', count: 3 }];
    await expect.poll(async () => (await bus.introspect()).part('reminders')).toEqual(reminders);
    const whileRunning = await cli('introspect');
    expect(whileRunning).toMatchObject({
      entities: { account: { takesAnyName: true } },
      paused: [{ entityType: 'order' }],
      blocked: { count: 1, messages: [{ id, blockedAt: expect.stringMatching(/Z$/) }] },
      reminders,
    });
    await node.stop();
    const { stdout } = await text('introspect');
    expect(stdout).toContain(`
paused
  order

blocked
  account "a": Step ${id}, RangeError: no -1

reminders
  account: 3
`);
  });

  it('a purge leaves reminders alone, from the bus and the command line', async () => {
    const { start, done, cli } = world(make());
    const { node } = await start();
    const bus = node.queueBus;
    await bus.pause('account');
    await bus.forEntity('account', 'a').remind('again', 'Step', { n: 1 }, { everyMs: 3_600_000 });
    const purges = [
      () => bus.purge('account', 'a'),
      () => bus.purge('account'),
      async () => ((await cli('purge', '--type', 'account', '--yes')) as { count: number }).count,
    ];
    for (const purge of purges) {
      await bus.enqueue('account', 'Step', 'a', { n: 2 }, { delayMs: 3_600_000 });
      await send(node, 'a', 3);
      await expect(purge()).resolves.toBe(2);
      await expect(bus.forEntity('account', 'a').reminders()).resolves.toMatchObject([{ name: 'again' }]);
    }
    await node.stop();
    await expect(cli('purge', '--type', 'account', '--id', 'a', '--yes')).resolves.toMatchObject({ count: 0 });
    await expect(cli('reminders', 'list')).resolves.toMatchObject({ reminders: [{ name: 'again' }] });
    expect(done).toEqual([]);
  });

  it('refuses what cannot be meant', async () => {
    const { start, text, cli } = world(make());
    const { node } = await start();
    await expect(node.queueBus.blocked({ entityType: undefined })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await expect(node.queueBus.blocked({ limit: 0 })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await expect(node.queueBus.retryBlocked('')).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await expect(node.queueBus.skipBlocked('unheard-of')).resolves.toBe(false);
    // An id that is empty, because a variable is not set, must not come to mean the whole type.
    expect(await text('pause', '--type', 'account', '--id', '')).toMatchObject({ code: 2 });
    expect(await text('pause')).toMatchObject({ code: 2 });
    expect(await text('blocked', 'skip')).toMatchObject({ code: 2, stderr: expect.stringContaining('--all') });
    expect(await text('purge', '--type', 'account')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Add --yes'),
    });
    await expect(cli('paused')).resolves.toEqual({ paused: [] });
  });
});

describe('on Redis', () => {
  it('the command line knows the entity types, and names the nearest', async () => {
    const [, make] = stores[1] as (typeof stores)[number];
    const { start, text } = world(make());
    await start();
    expect(await text('pause', '--type', 'acount')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Did you mean "account"?'),
    });
  });

  it('a node that owns nothing can ask for all of it', async () => {
    const [, make] = stores[1] as (typeof stores)[number];
    const store = make();
    const { start, done, heal } = world(store);
    const { node: owner } = await start();
    const ids = [await send(owner, 'a', -1), await send(owner, 'b', -1)];
    await send(owner, 'b', 2);
    const sender = createNode({ config: store.config });
    await sender.start();
    onTestFinished(async () => void (await sender.stop()));
    const bus = sender.queueBus;
    await expect.poll(() => bus.blockedCount()).toBe(2);
    await bus.pause('order');
    await expect(owner.queueBus.paused()).resolves.toEqual([{ entityType: 'order' }]);
    heal();
    await expect(bus.retryBlocked(ids[0] as string)).resolves.toBe(true);
    await expect(bus.skipBlocked(ids[1] as string)).resolves.toBe(true);
    await expect.poll(() => done.toSorted()).toEqual(['a -1', 'b 2']);
    await expect(bus.blocked()).resolves.toEqual({ messages: [] });
  });
});
