/** `atomic-queues reshard` on a real server: everything arrives, in its order, however often the move is interrupted. */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import { reshard } from '../../../src/wal/redis/reshard.js';
import type { ReshardOptions } from '../../../src/wal/redis/reshard-options.js';
import { outboxSession, type StoredMessage } from '../../../src/wal/transition.js';
import { Clients } from '../../redis/clients.js';
import { RedisCluster, RedisServer } from '../../redis/harness.mjs';
import { freshPrefix } from '../../redis/redis-wals.js';
import { atomicQueues } from '../cli/command-line.js';
import { nodeRecord, TestStore } from './redis-store.js';

const GROUPS = ['bank', 'shop'] as const;
const TYPES = ['account', 'order'] as const;
const ENTITIES = Array.from({ length: 12 }, (_, n) => `e${n}${n === 5 ? '\n\ud800' : ''}`);

/** A store with something of everything, in two groups. */
async function fullStore(client: ConstructorParameters<typeof TestStore>[0], slices: number): Promise<TestStore> {
  const store = await TestStore.start(client, freshPrefix(), slices);
  for (const [group, name] of GROUPS.entries()) {
    const entityType = TYPES[group]!;
    await store.cluster.bind(name, { [entityType]: ['Step'] });
    for (const [index, entityId] of ENTITIES.entries()) {
      // From here on lines hold both formats.
      if (index === 6) store.wal.useLineFormat(2);
      const step = (id: string) => ({ id: `${name}-${entityId}-${id}`, entityType, entityId, payload: { id } });
      const shard = store.shardOf(group, entityType, entityId);
      await store.fail(group, step('dead'));
      await store.fail(group, { ...step('dead-key'), messageId: `key-${index}` });
      const first = await store.append(group, {
        ...step('done'),
        more: { dispatch: true },
        messageId: `done-${index}`,
      });
      await store.commit(shard, { type: 'complete', seq: first.seq, reply: `"r${index}"`, state: `{"n":${index}}` });
      const retried = await store.append(group, { ...step('1'), more: { dispatch: true } });
      await store.commit(shard, {
        type: 'retry',
        seq: retried.seq,
        delayMs: 3_600_000,
        error: { name: 'Error', message: 'later' },
      });
      await store.append(group, { ...step('2'), messageId: `waits-${index}` });
      await store.append(group, step('3'));
      await store.append(group, { ...step('delayed'), more: { delayMs: 3_600_000 } });
      await store.append(group, {
        ...step('reminder'),
        recurrence: '{"everyMs":60000}',
        more: { delayMs: 3_600_000 + index },
      });
      const blocks = await store.append(group, {
        ...step('blocks'),
        entityId: `b${index}`,
        more: { dispatch: true },
      });
      const error = { name: 'Error', message: 'stop' };
      await store.commit(blocks.shard, { type: 'block', seq: blocks.seq, error });
      const timed = await store.append(group, { ...step('timed'), entityId: `t${index}`, more: { dispatch: true } });
      await store.commit(timed.shard, { type: 'complete', seq: timed.seq, state: '{"t":1}', stateTtlMs: 3_600_000 });
    }
    await store.commit(store.shardOf(group, entityType, 'e1'), { type: 'pause', entityType, entityId: 'e1' });
    for (let slice = 0; slice < slices; slice++) {
      await store.commit(group * slices + slice, { type: 'pause', entityType: `${entityType}-all` });
    }
    const from = store.shardOf(group, entityType, 'e0');
    await store.wal.allowTypes(from, [entityType]);
    await store.client.rpush(`{${store.keyPrefix}:${from}}:inbox`, 'not json');
    await store.commit(from);
    // Offers that nobody has taken in yet.
    const message = {
      id: `${name}-offered`,
      kind: 'command',
      entityType,
      entityId: 'e0',
      name: 'Step',
      payload: '{}',
    } as const;
    await store.wal.offer(from, [{ session: 's', number: 1, transition: { type: 'append', message } }]);
  }
  return store;
}

/** What is in the store, whatever its shards are. */
async function contentOf(store: TestStore) {
  const { wal, slices } = store;
  const lines: Record<string, Partial<StoredMessage>[]> = {};
  const rest: Record<string, unknown[]> = {
    delayed: [],
    letters: [],
    states: [],
    quarantine: [],
    statuses: [],
    reminders: [],
    blocked: [],
  };
  const sums: Record<string, number> = {};
  for (let shard = 0; shard < GROUPS.length * slices; shard++) {
    for (const [name, count] of Object.entries(await wal.counts(shard))) sums[name] = (sums[name] ?? 0) + count;
    const heads = await wal.scan(shard, 0, 10_000);
    for (const message of await wal.load(
      shard,
      heads.map(({ seq }) => seq),
    )) {
      const { seq: _, entityType, entityId, ...told } = message;
      const group = TYPES.indexOf(entityType as (typeof TYPES)[number]);
      expect(shard).toBe(store.shardOf(group, entityType, entityId));
      (lines[`${entityType} ${entityId}`] ??= []).push(told);
      expect(await wal.status(shard, message.id)).toMatchObject({ id: message.id, state: message.state });
    }
    for (const id of (await wal.due(shard, Number.MAX_SAFE_INTEGER, 10_000)).ids) {
      rest['delayed']!.push(id, await wal.status(shard, id));
    }
    const letters = await wal.deadLetters(shard, { limit: 10_000 });
    expect(letters.map(({ diedAt }) => diedAt)).toEqual(letters.map(({ diedAt }) => diedAt).toSorted((a, b) => a - b));
    for (const { number: _, ...letter } of letters) {
      expect(await wal.deadLetter(shard, letter.id)).toMatchObject({ id: letter.id });
      rest['letters']!.push(letter);
    }
    rest['quarantine']!.push(...(await wal.quarantine(shard, 100)).map(({ text }) => text));
    for (const { message } of await wal.reminders(shard, { limit: 1_000 })) rest['reminders']!.push(message);
    for (const { seq: _, ...blocked } of await wal.blocked(shard, 0, 1_000)) rest['blocked']!.push(blocked);
    expect(await wal.outbox(shard, 100)).toEqual([]);
  }
  for (const [group, entityType] of TYPES.entries()) {
    for (const entityId of ENTITIES) {
      const shard = store.shardOf(group, entityType, entityId);
      const timed = { entityType, entityId: `t${entityId.slice(1, 3).trim()}` };
      rest['states']!.push(await wal.actorStates(shard, [{ entityType, entityId }]));
      rest['states']!.push(await wal.actorStates(store.shardOf(group, entityType, timed.entityId), [timed]));
      rest['statuses']!.push(await wal.status(shard, `${GROUPS[group]}-${entityId}-done`));
    }
  }
  const sorted = Object.entries(rest).map(([name, all]) => [name, all.map((each) => JSON.stringify(each)).sort()]);
  return { lines, sums, rest: Object.fromEntries(sorted) as Record<string, string[]> };
}

class Killed extends Error {}

describe('reshard', () => {
  const clients = new Clients();
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start({ appendonly: 'no' });
  });

  afterAll(async () => {
    clients.close();
    await server.dispose();
  });

  /** The offers in the inboxes come into line first, and so into what is compared. */
  async function settled(store: TestStore) {
    for (const shard of [...store.owners.keys()]) await store.commit(shard);
    return contentOf(store);
  }

  function options(store: TestStore, slices: number, more: Partial<ReshardOptions> = {}): ReshardOptions {
    const { client, keyPrefix } = store;
    return {
      client,
      keyPrefix,
      slices,
      groups: GROUPS.length,
      runtime: systemRuntime,
      openWal: async () => {
        const wal = new RedisWal({ client, keyPrefix, slices: store.slices, warn: () => {} });
        await wal.start();
        return wal;
      },
      watchNodes: () => Promise.resolve([]),
      ...more,
    };
  }

  async function reopened({ client, keyPrefix }: TestStore, slices: number): Promise<TestStore> {
    return TestStore.start(client, keyPrefix, slices);
  }

  /** What the moved store holds is what it held; then it goes on as any store. */
  async function expectMoved(store: TestStore, slices: number, before: Awaited<ReturnType<typeof contentOf>>) {
    const after = await contentOf(store);
    expect(after.lines).toEqual(before.lines);
    expect(after.sums).toEqual(before.sums);
    expect(after.rest).toEqual(before.rest);
    expect(store.slices).toBe(slices);
    for (const [group, entityType] of TYPES.entries()) {
      const shard = store.shardOf(group, entityType, 'e1');
      const opened = await store.wal.open(shard, 'next', { node: 'next' });
      store.owners.set(shard, { epoch: opened.epoch, incarnation: 'next', number: 0 });
      expect(opened.clean).toBe(true);
      expect(opened.paused).toContainEqual({ entityType, entityId: 'e1' });
      expect(opened.paused).toContainEqual({ entityType: `${entityType}-all` });
      // An idempotency key still knows its message, in line and ended.
      const again = { entityType, entityId: 'e1', id: 'again' };
      const waits = await store.append(group, { ...again, messageId: 'waits-1' });
      expect(waits.outcome).toMatchObject({ type: 'duplicate', id: `${GROUPS[group]}-e1-2` });
      const done = await store.append(group, { ...again, messageId: 'done-1' });
      expect(done.outcome).toMatchObject({ type: 'duplicate', verdict: { state: 'completed', reply: '"r1"' } });
      const known = await store.append(group, { ...again, id: `${GROUPS[group]}-e1-3` });
      expect(known.outcome).toMatchObject({ type: 'duplicate' });
      const replayed = await store.commit(shard, { type: 'replay', id: `${GROUPS[group]}-e1-dead`, newId: 'replayed' });
      expect(replayed.outcomes[0]).toMatchObject({ type: 'queued' });
      const cancelled = await store.commit(shard, { type: 'cancel', id: `${GROUPS[group]}-e1-delayed` });
      expect(cancelled.outcomes[0]).toMatchObject({ type: 'cancelled' });
    }
  }

  it.each([
    [3, 7],
    [4, 1],
    [2, 5],
    [5, 3],
  ])('moves everything from %i to %i shards, in its order (I4, I7)', async (from, to) => {
    const store = await fullStore(await clients.single(server), from);
    const before = await settled(store);
    const epochs = (await store.wal.signs([0])).map(({ epoch }) => epoch);
    await store.release();
    const report = await reshard(options(store, to));
    expect(report).toMatchObject({ from, to, groups: 2, resumed: false, dryRun: false, lateOffers: 0 });
    expect(report.pending).toBe(before.sums['pending']);
    expect(report.deadLetters).toBe(before.sums['deadLetters']);
    const moved = await reopened(store, to);
    expect((await moved.wal.signs([0]))[0]?.epoch).toBeGreaterThan(epochs[0]!);
    await expectMoved(moved, to, before);
    const keys = (await server.command('KEYS', `*{${store.keyPrefix}*`)) as string[];
    const shards = new Set(keys.map((key) => /^\{[^}]*:(\d+)\}/.exec(key)?.[1]).filter((shard) => shard !== undefined));
    expect([...shards].every((shard) => Number(shard) < to * GROUPS.length)).toBe(true);
    expect(keys.filter((key) => /:next:|:reshard|:tool/.test(key))).toEqual([]);
  });

  it('takes in what lies in the inboxes first', async () => {
    const store = await fullStore(await clients.single(server), 3);
    await store.release();
    await reshard(options(store, 4));
    const moved = await reopened(store, 4);
    for (const [group, entityType] of TYPES.entries()) {
      const shard = moved.shardOf(group, entityType, 'e0');
      const line = await moved.wal.scan(shard, 0, 1_000);
      const ids = (
        await moved.wal.load(
          shard,
          line.map(({ seq }) => seq),
        )
      ).filter(({ entityId }) => entityId === 'e0');
      expect(ids.at(-1)?.id).toBe(`${GROUPS[group]}-offered`);
    }
  });

  it('brings outgoing messages to where they go, once and in their order (M15)', async () => {
    const store = await TestStore.start(await clients.single(server), freshPrefix(), 3);
    await store.cluster.bind('bank', { account: ['Step'] });
    const outgoing = ['a', 'b', 'c', 'd', 'e', 'a', 'b'].map((entityId, index) => {
      const message = { id: `out-${index}`, kind: 'command', entityType: 'account', entityId } as const;
      return {
        targetShard: store.shardOf(0, 'account', entityId),
        append: { type: 'append', message: { ...message, name: 'Step', payload: '{}' } },
      } as const;
    });
    const sender = await store.append(0, { id: 'sender', entityId: 'f', more: { dispatch: true } });
    await store.commit(sender.shard, { type: 'complete', seq: sender.seq, outgoing });
    const [first] = await store.wal.outbox(sender.shard, 100);
    // One of them was relayed before the last owner crashed, and that was not noted any more.
    const { number, epoch, targetShard, append } = first!;
    const session = outboxSession(sender.shard, epoch);
    await store.wal.offer(targetShard, [{ session, number, transition: append }]);
    await store.release();
    await reshard(options(store, 2, { groups: 1 }));
    const moved = await reopened(store, 2);
    const ids = new Map<string, string[]>();
    for (const shard of [0, 1]) {
      expect(await moved.wal.outbox(shard, 100)).toEqual([]);
      const line = await moved.wal.scan(shard, 0, 1_000);
      for (const { entityId, id } of await moved.wal.load(
        shard,
        line.map(({ seq }) => seq),
      ))
        ids.set(entityId, [...(ids.get(entityId) ?? []), id]);
    }
    expect(Object.fromEntries(ids)).toEqual({
      a: ['out-0', 'out-5'],
      b: ['out-1', 'out-6'],
      c: ['out-2'],
      d: ['out-3'],
      e: ['out-4'],
    });
  });

  it('keeps what was running marked as started when its owner crashed (I2)', async () => {
    const store = await TestStore.start(await clients.single(server), freshPrefix(), 2);
    await store.cluster.bind('bank', { account: ['Step'] });
    await store.append(0, { id: 'runs', entityId: 'a', more: { dispatch: true } });
    await store.append(0, { id: 'waits', entityId: 'a' });
    await reshard(options(store, 3, { groups: 1 }));
    const moved = await reopened(store, 3);
    const shard = moved.shardOf(0, 'account', 'a');
    const [sign] = await moved.wal.signs([shard]);
    const opened = await moved.wal.open(shard, 'next', { node: 'next', silent: sign });
    expect(opened.clean).toBe(false);
    expect(opened.inFlight).toMatchObject([{ entityId: 'a', attempt: 1, state: 'dispatched' }]);
  });

  it('can be killed before any step and run again', async () => {
    const steps: string[] = [];
    const first = await fullStore(await clients.single(server), 3);
    await first.release();
    await reshard(options(first, 2, { step: (name) => void steps.push(name) }));
    expect(steps.length).toBeGreaterThan(15);
    const wrong: unknown[] = [];
    for (const [index, killedAt] of steps.entries()) {
      const store = await fullStore(await clients.single(server), 3);
      const before = await settled(store);
      await store.release();
      let at = 0;
      const step = (): void => {
        if (at++ === index) throw new Killed();
      };
      await expect(reshard(options(store, 2, { step }))).rejects.toThrow(Killed);
      const again = await reshard(options(store, 2));
      const after = await contentOf(await reopened(store, 2));
      if (again.to !== 2 || !isDeepStrictEqual(after, before)) wrong.push({ killedAt, before, after });
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  it('keeps nodes from starting and other commands from reading while it is not at its end', async () => {
    const store = await fullStore(await clients.single(server), 2);
    await store.release();
    const step = (name: string): void => {
      if (name === 'switch 1') throw new Killed();
    };
    await expect(reshard(options(store, 3, { step }))).rejects.toThrow(Killed);
    await expect(reopened(store, 2)).rejects.toThrow(/being resharded/);
    await expect(reopened(store, 3)).rejects.toThrow(/being resharded/);
    const args = ['--redis', server.url, '--prefix', store.keyPrefix];
    const counts = await atomicQueues(['counts', ...args]);
    expect(counts).toMatchObject({ code: 2, stdout: '' });
    expect(counts.stderr).toContain('reshard --shards 3');
    const other = await atomicQueues(['reshard', '--shards', '5', '--watch', '50', ...args]);
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('--shards 3');
    const done = await atomicQueues(['reshard', '--shards', '3', '--watch', '50', '--json', ...args]);
    expect(JSON.parse(done.stdout)).toMatchObject({ resumed: true, from: 2, to: 3 });
    expect((await atomicQueues(['counts', ...args])).code).toBe(0);
  });

  it('refuses while a node lives, and while a shard has an owner that lives', async () => {
    const store = await fullStore(await clients.single(server), 2);
    const args = ['reshard', '--shards', '4', '--watch', '300', '--redis', server.url, '--prefix', store.keyPrefix];
    let beat = 1;
    const beating = setInterval(() => void store.cluster.beat(nodeRecord('node-7', ++beat)), 20);
    onTestFinished(() => clearInterval(beating));
    const alive = await atomicQueues(args);
    expect(alive.code).toBe(1);
    expect(alive.stderr).toContain('node-7');
    clearInterval(beating);
    const owner = store.owners.get(1)!;
    const renewing = setInterval(() => void store.wal.renew(1, owner.epoch, owner.incarnation), 20);
    onTestFinished(() => clearInterval(renewing));
    const owned = await atomicQueues(args);
    clearInterval(renewing);
    expect(owned.code).toBe(1);
    expect(owned.stderr).toContain('node-1');
    // Nothing was changed: the owners go on.
    await store.commit(1);
    const after = await atomicQueues(args);
    expect({ code: after.code, stderr: after.stderr }).toEqual({ code: 0, stderr: '' });
    expect(after.stdout).toMatch(
      /Moved \d+ pending messages, 48 dead letters and \d+ kept verdicts of 2 service groups/,
    );
  });

  it('opens the old layout again when a node came before the store was closed', async () => {
    const store = await fullStore(await clients.single(server), 2);
    const before = await settled(store);
    await store.release();
    let watched = 0;
    const watchNodes = (): Promise<string[]> => Promise.resolve(watched++ === 0 ? [] : ['late-node']);
    await expect(reshard(options(store, 3, { watchNodes }))).rejects.toThrow(/late-node/);
    const same = await reopened(store, 2);
    expect(await contentOf(same)).toEqual(before);
  });

  it('puts what is offered meanwhile into the quarantine, and counts it', async () => {
    const store = await fullStore(await clients.single(server), 3);
    await store.release();
    const step = async (name: string): Promise<void> => {
      if (name !== 'copied') return;
      for (const shard of [0, 5]) await store.client.rpush(`{${store.keyPrefix}:${shard}}:inbox`, `"late ${shard}"`);
    };
    const report = await reshard(options(store, 2, { step }));
    expect(report.lateOffers).toBe(2);
    const moved = await reopened(store, 2);
    const found = await Promise.all([0, 1, 2, 3].map((shard) => moved.wal.quarantine(shard, 100)));
    const late = found.flat().filter(({ reason }) => reason.includes('resharded'));
    expect(late.map(({ text }) => text).sort()).toEqual(['"late 0"', '"late 5"']);
    expect(late.every(({ at }) => Math.abs(at - systemRuntime.clock.now()) < 60_000)).toBe(true);
  });

  it('can be given up before its copy is whole, and no longer after that', async () => {
    const store = await fullStore(await clients.single(server), 2);
    const before = await settled(store);
    await store.release();
    const args = ['reshard', '--abandon', '--redis', server.url, '--prefix', store.keyPrefix];
    expect(await atomicQueues(args)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('No reshard') as string,
    });
    const killAt = (at: string) => (name: string) => {
      if (name === at) throw new Killed();
    };
    await expect(reshard(options(store, 3, { step: killAt('finish 4') }))).rejects.toThrow(Killed);
    expect(await atomicQueues(args)).toMatchObject({
      code: 0,
      stdout: 'Given up; the store has 2 shards per service group, as before.\n',
    });
    expect(await contentOf(await reopened(store, 2))).toEqual(before);
    await expect(reshard(options(store, 3, { step: killAt('switch 0') }))).rejects.toThrow(Killed);
    expect(await atomicQueues(args)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--shards 3') as string,
    });
    await reshard(options(store, 3));
    expect(await contentOf(await reopened(store, 3))).toEqual(before);
  });

  it('leaves the old layout in use when the memory of the server is full', async () => {
    const store = await fullStore(await clients.single(server), 2);
    const before = await settled(store);
    await store.release();
    const step = async (name: string): Promise<void> => {
      if (name === 'copy 1') await server.command('CONFIG', 'SET', 'maxmemory', '1mb');
    };
    onTestFinished(async () => void (await server.command('CONFIG', 'SET', 'maxmemory', '0')));
    await expect(reshard(options(store, 3, { step }))).rejects.toThrow(/OOM|EXECABORT/);
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    expect(await contentOf(await reopened(store, 2))).toEqual(before);
    await reshard(options(store, 3));
    expect(await contentOf(await reopened(store, 3))).toEqual(before);
  });

  it('only tells what it would move with --dry-run, and does nothing when the number is the same', async () => {
    const store = await fullStore(await clients.single(server), 2);
    const before = await settled(store);
    const args = ['--redis', server.url, '--prefix', store.keyPrefix, '--watch', '50'];
    const dry = await atomicQueues(['reshard', '--shards', '9', '--dry-run', ...args]);
    expect(dry.stdout).toContain('Would move');
    const same = await atomicQueues(['reshard', '--shards', '2', ...args]);
    expect(same.stdout).toContain('has 2 shards per service group already');
    expect(await settled(store)).toEqual(before);
  });
});

describe('reshard on a Redis Cluster', () => {
  it('moves everything between slots', async () => {
    const cluster = await RedisCluster.start({ appendonly: 'no' });
    const clients = new Clients();
    onTestFinished(async () => {
      clients.close();
      await cluster.dispose();
    });
    const store = await fullStore(await clients.cluster(cluster.nodes), 3);
    for (const shard of [...store.owners.keys()]) await store.commit(shard);
    const before = await contentOf(store);
    await store.release();
    const nodes = cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
    const args = ['--cluster', nodes, '--prefix', store.keyPrefix];
    const { code, stdout, stderr } = await atomicQueues([
      'reshard',
      '--shards',
      '4',
      '--watch',
      '50',
      '--json',
      ...args,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ to: 4, pending: before.sums['pending'] });
    expect(await contentOf(await TestStore.start(store.client, store.keyPrefix, 4))).toEqual(before);
    expect(await atomicQueues(['dlq', 'purge', '--yes', ...args])).toMatchObject({
      code: 0,
      stdout: 'Purged 48 dead letters.\n',
    });
  }, 60_000);
});
