/** Deploys between two formats of lines on a real Redis: nodes that know only the first, and nodes that know the second. */
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { openShared } from '../../../src/bus/open-shared.js';
import { resolveConfig } from '../../../src/runtime/config.js';
import { type Logger, silentLogger } from '../../../src/runtime/logger.js';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import { clusterKeys, shardKeys } from '../../../src/wal/redis/keys.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import { Clients } from '../../redis/clients.js';
import { RedisServer, until } from '../../redis/harness.mjs';
import { freshPrefix } from '../../redis/redis-wals.js';

const SLICES = 6;
const ENTITIES = Array.from({ length: 24 }, (_, n) => `e${n}`);
const TIMES = { heartbeatMs: 100, nodeTTLMs: 400, leaseMs: 1_500, leaderDebounceMs: 200 };

const clients = new Clients();
let server: RedisServer;
let client: Redis;
let keyPrefix: string;
let nodes: AtomicQueuesNode[];
/** What handlers ran, by entity, in the order in which they did. */
let ran: Map<string, number[]>;
let warnings: string[];

beforeAll(async () => {
  server = await RedisServer.start();
  client = await clients.single(server);
});

afterAll(async () => {
  clients.close();
  await server.dispose();
});

beforeEach(() => {
  keyPrefix = freshPrefix();
  [nodes, ran, warnings] = [[], new Map(), []];
});

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
});

interface Wishes {
  /** Newest format of lines that the node understands. */
  readonly format: 1 | 2;
  readonly handles?: boolean;
}

function makeNode(serverId: string, { format, handles = true }: Wishes): AtomicQueuesNode {
  const redis = { host: '127.0.0.1', port: server.port };
  const config = { redis, keyPrefix, cluster: { serverId, shards: SLICES, ...TIMES } };
  const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(`${serverId}: ${message}`) };
  const shared = openShared(resolveConfig(config), systemRuntime, logger, { lineFormatMax: format });
  if (shared === undefined) throw new Error('The configuration names a server.');
  const node = createNode({ config, shared, logger });
  if (handles)
    node.handle('account', 'add', async (message, { entityId }) => {
      const { n } = message as { n: number };
      await new Promise<void>((resolve) => setImmediate(resolve));
      const before = ran.get(entityId);
      if (before === undefined) ran.set(entityId, [n]);
      else before.push(n);
      return n;
    });
  nodes.push(node);
  return node;
}

const lineFormat = (): Promise<string | null> => client.hget(clusterKeys(keyPrefix).meta, 'lineFormat');
const shards = Array.from({ length: SLICES }, (_, shard) => shard);
const keysOf = () => shards.map((shard) => shardKeys(keyPrefix, shard));
const shardFormats = (): Promise<(string | null)[]> =>
  Promise.all(keysOf().map(({ meta }) => client.hget(meta, 'format')));

/** Texts of all heads in line, and how many bodies stand apart. */
async function linesOf(): Promise<{ readonly inHead: number; readonly apart: number }> {
  const buckets = keysOf().flatMap(({ heads }) => heads);
  const texts = (await Promise.all(buckets.map((key) => client.hvals(key)))).flat().filter((text) => text !== '');
  const inHead = texts.filter((text) => text.includes('\n')).length;
  return { inHead, apart: texts.length - inHead };
}

/** How the shards say that messages ended. */
async function ends() {
  const wal = new RedisWal({ client, keyPrefix });
  await wal.start();
  const all = await Promise.all(shards.map((shard) => wal.counts(shard)));
  await wal.stop();
  const sum = (field: 'accepted' | 'completed' | 'failed' | 'interrupted' | 'pending'): number =>
    all.reduce((total, counts) => total + counts[field], 0);
  return {
    accepted: sum('accepted'),
    completed: sum('completed'),
    failed: sum('failed'),
    interrupted: sum('interrupted'),
    pending: sum('pending'),
  };
}

/** Callers that wait for each of their messages before they send the next, through whoever is their node. */
class Load {
  sent = 0;
  readonly failures: unknown[] = [];
  readonly #sentTo = new Map<string, number>();
  readonly #loops: Promise<void>[];
  readonly #waiting = new Map<AtomicQueuesNode, number>();
  #through: AtomicQueuesNode;
  #isOver = false;

  constructor(through: AtomicQueuesNode) {
    this.#through = through;
    this.#loops = ENTITIES.map((entity) => this.#loop(entity));
  }

  /** The callers move to another node; resolves when nobody waits at the one before. */
  async moveTo(node: AtomicQueuesNode): Promise<void> {
    const before = this.#through;
    this.#through = node;
    await until('nobody waits at the old node', () => (this.#waiting.get(before) ?? 0) === 0);
  }

  /** So many more messages have been answered. */
  async goesOn(messages = 200): Promise<void> {
    const from = this.sent;
    await until('the load goes on', () => this.failures.length > 0 || this.sent >= from + messages, {
      timeoutMs: 20_000,
    });
    expect(this.failures).toEqual([]);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    expect(this.failures).toEqual([]);
    for (const entity of ENTITIES)
      expect(ran.get(entity)).toEqual(Array.from({ length: this.#sentTo.get(entity) ?? 0 }, (_, n) => n + 1));
  }

  async #loop(entity: string): Promise<void> {
    for (let n = 1; !this.#isOver && this.failures.length === 0; n++) {
      const node = this.#through;
      this.#waiting.set(node, (this.#waiting.get(node) ?? 0) + 1);
      this.#sentTo.set(entity, n);
      try {
        expect(await node.queueBus.enqueueAndWait('account', 'add', entity, { n })).toBe(n);
        this.sent += 1;
      } catch (error) {
        this.failures.push(error);
      } finally {
        this.#waiting.set(node, (this.#waiting.get(node) ?? 0) - 1);
      }
    }
  }
}

describe('a rolling deploy to nodes with a newer format of lines', () => {
  it('interrupts nothing, and raises the format when the last old node has left (I2, I4, I7)', {
    timeout: 90_000,
  }, async () => {
    const olds = ['node-1', 'node-2', 'node-3'].map((serverId) => makeNode(serverId, { format: 1 }));
    const oldSender = makeNode('sender-1', { format: 1, handles: false });
    await Promise.all(olds.map((node) => node.start()));
    await oldSender.open();
    const load = new Load(oldSender);
    // These wait through all of the deploy.
    const late = ['late-1', 'late-2', 'late-3'];
    for (const entity of late) await oldSender.queueBus.pause('account', entity);
    for (let n = 1; n <= 20; n++)
      for (const entity of late) await oldSender.queueBus.enqueue('account', 'add', entity, { n });
    await load.goesOn();

    for (const [index, old] of olds.entries()) {
      expect(await lineFormat()).toBeNull();
      await old.stop();
      await makeNode(`node-${index + 1}`, { format: 2 }).start();
      await load.goesOn();
    }
    // All who handle anything are new by now; one who only sends reads the store, too.
    const newSender = makeNode('sender-2', { format: 2, handles: false });
    await newSender.open();
    await load.moveTo(newSender);
    await load.goesOn(2_000);
    expect(await lineFormat()).toBeNull();
    expect(await shardFormats()).toEqual(Array(SLICES).fill('1'));
    expect(await linesOf()).toMatchObject({ inHead: 0 });

    await oldSender.stop();
    await until('the format is raised', async () => (await lineFormat()) === '2');
    await until('every shard writes it', async () => (await shardFormats()).every((format) => format === '2'));
    await load.goesOn();
    for (let n = 21; n <= 40; n++)
      for (const entity of late) await newSender.queueBus.enqueue('account', 'add', entity, { n });
    const waiting = await linesOf();
    expect(waiting.apart).toBeGreaterThanOrEqual(60);

    const comesBack = makeNode('node-9', { format: 1 });
    await expect(comesBack.start()).rejects.toMatchObject({
      code: 'STORE_DEGRADED',
      message: expect.stringMatching(/lines of this store are of format 2, .* up to 1: .*older ones cannot come back/),
    });
    await load.goesOn();
    await load.end();
    for (const entity of late) await newSender.queueBus.resume('account', entity);
    await until('the late ones have run', async () => (await ends()).pending === 0, { timeoutMs: 20_000 });
    for (const entity of late) expect(ran.get(entity)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
    const total = load.sent + late.length * 40;
    expect(await ends()).toEqual({ accepted: total, completed: total, failed: 0, interrupted: 0, pending: 0 });
    expect(await linesOf()).toEqual({ inHead: 0, apart: 0 });
  });

  it('leaves shards that it does not understand to others, also when the raise was lost with a server', {
    timeout: 60_000,
  }, async () => {
    const first = makeNode('node-5', { format: 2 });
    await first.start();
    await until('the format is raised', async () => (await lineFormat()) === '2');
    await until('every shard writes it', async () => {
      for (const entity of ENTITIES) await first.queueBus.enqueueAndWait('account', 'add', entity, { n: 0 });
      return (await shardFormats()).every((format) => format === '2');
    });
    await first.queueBus.pause('account');
    for (const entity of ENTITIES) await first.queueBus.enqueue('account', 'add', entity, { n: 1 });
    await first.stop();
    // What a replica does that is promoted before it has received the raise.
    await client.hdel(clusterKeys(keyPrefix).meta, 'lineFormat');

    const old = makeNode('node-1', { format: 1 });
    await old.start();
    await until('it says which shards it leaves', () => warnings.length >= SLICES);
    expect(warnings[0]).toMatch(/^node-1: Shard \d is left to other nodes\. .* are of format 2, .* up to 1/);
    const next = makeNode('node-5', { format: 2 });
    await next.start();
    await next.queueBus.resume('account');
    await until('all has run', () => ENTITIES.every((entity) => ran.get(entity)?.includes(1) === true));
    expect(old.engine.phase).toBe('running');
    expect(warnings.filter((warning) => warning.includes('left to other nodes'))).toHaveLength(SLICES);
    // Whoever brings the old node up to date ends it.
    await old.stop();
    await until('the format is raised again', async () => (await lineFormat()) === '2');
  });
});
