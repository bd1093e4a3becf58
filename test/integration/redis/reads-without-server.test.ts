/** Whoever asks the store for something while it cannot be read hears the code for that, and not how the store says it. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/core.js';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import { MemoryWal } from '../../../src/wal/memory/memory-wal.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';
import { RedisServer } from '../../redis/harness.mjs';
import { freshPrefix } from '../../redis/redis-wals.js';

const READS: readonly (readonly [name: string, call: (node: AtomicQueuesNode) => Promise<unknown>])[] = [
  ['status', ({ queueBus }) => queueBus.status('m1')],
  ['paused', ({ queueBus }) => queueBus.paused()],
  ['blocked', ({ queueBus }) => queueBus.blocked()],
  ['blockedCount', ({ queueBus }) => queueBus.blockedCount()],
  ['blockedCount with a filter', ({ queueBus }) => queueBus.blockedCount({ entityType: 'account' })],
  ['purge', ({ queueBus }) => queueBus.purge('account')],
  ['reminders.list', ({ queueBus }) => queueBus.reminders.list()],
  ['deadLetters.list', ({ deadLetters }) => deadLetters.list()],
  ['deadLetters.get', ({ deadLetters }) => deadLetters.get('m1')],
  ['deadLetters.count', ({ deadLetters }) => deadLetters.count()],
  ['deadLetters.replay of many', ({ deadLetters }) => deadLetters.replay({})],
  ['deadLetters.purge of many', ({ deadLetters }) => deadLetters.purge({})],
];

/** Those that on a cluster look for the shard of an id first. */
const LOOKS: typeof READS = [
  ['cancel', ({ queueBus }) => queueBus.cancel('m1')],
  ['retryBlocked', ({ queueBus }) => queueBus.retryBlocked('m1')],
  ['skipBlocked', ({ queueBus }) => queueBus.skipBlocked('m1')],
  ['deadLetters.replay of one', ({ deadLetters }) => deadLetters.replay('m1')],
  ['deadLetters.purge of one', ({ deadLetters }) => deadLetters.purge('m1')],
];

describe('on Redis, while the server is away', () => {
  let server: RedisServer;
  let node: AtomicQueuesNode;

  beforeAll(async () => {
    server = await RedisServer.start({ appendonly: 'no' });
    const config = { redis: server.url, keyPrefix: freshPrefix(), cluster: { shards: 2 } };
    node = createNode({ config });
    node.handle('account', 'Step', () => 1);
    await node.start();
    await node.queueBus.enqueueAndWait('account', 'Step', 'a1', {});
    await server.stop();
  });

  afterAll(async () => {
    await node.stop();
    await server.dispose();
  });

  it.each([...READS.filter(([name]) => name !== 'purge'), ...LOOKS])(
    '%s is refused with STORE_DEGRADED, to be tried again',
    async (_name, call) => {
      await expect(call(node)).rejects.toMatchObject({
        name: 'AtomicQueuesError',
        code: 'STORE_DEGRADED',
        retryable: true,
        message: expect.stringMatching(/^The store could not be read: /),
      });
    },
  );
});

/** What the calls above ask of a store. */
const STORE_READS = new Set(
  'status paused blocked counts scan reminders deadLetter deadLetters deadLetterIds deadLetterCount'.split(' '),
);

describe('on Redis, when the store is gone', () => {
  it('the node that has stopped for it reads nothing, and forgets no reminder, in what is there instead', async () => {
    const server = await RedisServer.start({ appendonly: 'no' });
    onTestFinished(() => server.dispose());
    const config = { redis: server.url, keyPrefix: freshPrefix(), cluster: { shards: 2 } };
    const node = createNode({ config });
    onTestFinished(async () => void (await node.stop()));
    node.handle('account', 'Step', () => 1);
    await node.start();
    await node.queueBus.enqueueAndWait('account', 'Step', 'a1', {});
    const fatal = new Promise((resolve) => node.events.on('fatal', resolve));
    await server.command('FLUSHALL');
    await fatal;
    const refused = { code: 'STORE_DEGRADED', retryable: false };
    for (const [, call] of [...READS, ...LOOKS]) await expect(call(node)).rejects.toMatchObject(refused);
    const forgotten = node.queueBus.forEntity('account', 'a1').forgetReminder('daily');
    await expect(forgotten).rejects.toMatchObject(refused);
  });
});

describe('on a store of this process', () => {
  async function nodeWith(failure: { error?: Error }): Promise<AtomicQueuesNode> {
    const memory = new MemoryWal({
      clock: systemRuntime.clock,
      retention: { entryTtlMs: 60_000, verdictsMax: 100 },
      clusterId: 'c1',
    });
    const wal = new Proxy(memory, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...args: readonly unknown[]) =>
          failure.error === undefined || !STORE_READS.has(String(name))
            ? member.apply(target, args)
            : Promise.reject(failure.error);
      },
    });
    const node = createNode({ wal });
    node.handle('account', 'Step', () => 1);
    await node.start();
    onTestFinished(async () => void (await node.stop()));
    return node;
  }

  it.each(READS)('%s is refused with STORE_DEGRADED and the cause', async (_name, call) => {
    const error = new StoreUnavailableError('the disk is gone', 'no', false);
    const failure: { error?: Error } = {};
    const node = await nodeWith(failure);
    failure.error = error;
    await expect(call(node)).rejects.toMatchObject({
      code: 'STORE_DEGRADED',
      retryable: false,
      cause: error,
      message: expect.stringContaining('the disk is gone'),
    });
  });

  it('a store that the stopping node has closed meanwhile is told as SHUTTING_DOWN', async () => {
    const failure: { error?: Error } = {};
    const node = await nodeWith(failure);
    const error = new StoreUnavailableError('the store is stopped', 'no', false);
    failure.error = error;
    const asked = node.queueBus.paused();
    const stopped = node.stop();
    await expect(asked).rejects.toMatchObject({ code: 'SHUTTING_DOWN', cause: error });
    await stopped;
  });

  it('a node that was stopped before it was opened forgets no reminder', async () => {
    const node = createNode({ wal: new MemoryWal({ clock: systemRuntime.clock }) });
    await node.stop();
    const forgotten = node.queueBus.forEntity('account', 'a1').forgetReminder('daily');
    await expect(forgotten).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  it('a stop that cannot release its shard says so, closes the store and ends every wait', async () => {
    const wal = new MemoryWal({ clock: systemRuntime.clock });
    let isClosed = false;
    wal.stop = async () => void (isClosed = true);
    const error = new StoreUnavailableError('no room left', 'no', true);
    wal.release = () => Promise.reject(error);
    const node = createNode({ wal });
    await node.start();
    await expect(node.stop()).rejects.toMatchObject({ code: 'STORE_DEGRADED', cause: error });
    expect(isClosed).toBe(true);
    await node.whenIdle();
  });
});
