/**
 * The ceiling and the floor: bare ioredis, one small variadic script that does to Redis what a commit must at least do.
 * A shard is three hashes: messages, marks of what has started, and its meta record with epoch and commit number. A call
 * checks the epoch, raises the commit number, stores new messages, marks the ones before them, and deletes the ones before
 * those together with their marks.
 */
import type { Redis } from 'ioredis';
import { Latencies } from '../latencies.js';
import { payloadOf } from '../messages.js';
import type { Figures } from '../run.js';
import { connect, OWN_NAME, type RedisServer } from './redis-server.js';
import { entityOf } from './system.js';

const SHARDS = 16;
const BATCH = 256;
const PAYLOADS = 4_096;

/** KEYS: messages, marks, meta. ARGV: epoch, stored, marked, deleted, then (seq, text) pairs, seqs, seqs. */
const COMMIT = `
local epoch = redis.call('HGET', KEYS[3], 'epoch')
if epoch ~= ARGV[1] then return redis.error_reply('STALE') end
redis.call('HINCRBY', KEYS[3], 'commit', 1)
local stored, marked, deleted = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = 5
if deleted > 0 then
  local first = at + 2 * stored + marked
  redis.call('HDEL', KEYS[1], unpack(ARGV, first, first + deleted - 1))
  redis.call('HDEL', KEYS[2], unpack(ARGV, first, first + deleted - 1))
end
if stored > 0 then redis.call('HSET', KEYS[1], unpack(ARGV, at, at + 2 * stored - 1)) end
if marked > 0 then
  local marks, first = {}, at + 2 * stored
  for i = 0, marked - 1 do
    marks[2 * i + 1] = ARGV[first + i]
    marks[2 * i + 2] = 1
  end
  redis.call('HSET', KEYS[2], unpack(marks))
end
return stored`;

class BareShard {
  readonly #keys: readonly string[];
  #seq = 0;

  constructor(
    private readonly redis: Redis,
    private readonly sha: string,
    number: number,
    private readonly payloads: readonly string[],
  ) {
    this.#keys = ['line', 'run', 'meta'].map((name) => `{bench:${number}}:${name}`);
  }

  async open(): Promise<void> {
    await this.redis.hset(this.#keys[2] as string, 'epoch', '1');
  }

  /** Stores `size` messages, marks those stored before, deletes those marked before. */
  async commit(size: number): Promise<void> {
    const first = this.#seq;
    this.#seq += size;
    const marked = first >= size ? size : 0;
    const deleted = first >= 2 * size ? size : 0;
    const args: string[] = ['1', String(size), String(marked), String(deleted)];
    for (let seq = first; seq < first + size; seq += 1) {
      args.push(String(seq), this.payloads[seq % PAYLOADS] as string);
    }
    for (let seq = first - size; seq < first - size + marked; seq += 1) args.push(String(seq));
    for (let seq = first - 2 * size; seq < first - 2 * size + deleted; seq += 1) args.push(String(seq));
    await this.redis.evalsha(this.sha, 3, ...this.#keys, ...args);
  }
}

async function openShards(server: RedisServer, count: number): Promise<{ shards: BareShard[]; close: () => void }> {
  const redis = connect({ host: server.host, port: server.port, connectionName: `${OWN_NAME}bare` });
  const sha = String(await redis.script('LOAD', COMMIT));
  const payloads = Array.from({ length: PAYLOADS }, (_, n) => payloadOf(entityOf(n, 1_000), n));
  const shards = Array.from({ length: count }, (_, number) => new BareShard(redis, sha, number, payloads));
  for (const shard of shards) await shard.open();
  return { shards, close: () => redis.disconnect() };
}

/** All shards at once, each with one full batch on its way. */
export async function scriptLoop(server: RedisServer, durationMs: number): Promise<Figures> {
  const { shards, close } = await openShards(server, SHARDS);
  let batches = 0;
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const until = startedAt + durationMs;
  await Promise.all(
    shards.map(async (shard) => {
      while (performance.now() < until) {
        await shard.commit(BATCH);
        batches += 1;
      }
    }),
  );
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  close();
  const messages = batches * BATCH;
  return {
    messagesPerSecond: (messages / elapsedMs) * 1_000,
    cpuMicrosPerMessage: (user + system) / messages,
    commandsPerMessage: 1 / BATCH,
  };
}

/** One commit of one message after another, nothing else at work: p50 and p99 of the round trip. */
export async function bareCommitRtt(server: RedisServer, durationMs: number): Promise<Figures> {
  const { shards, close } = await openShards(server, 1);
  const shard = shards[0] as BareShard;
  for (let warm = 0; warm < 200; warm += 1) await shard.commit(1);
  const latencies = new Latencies();
  const startedAt = performance.now();
  for (let now = startedAt; now - startedAt < durationMs; ) {
    await shard.commit(1);
    const repliedAt = performance.now();
    latencies.record(repliedAt - now);
    now = repliedAt;
  }
  close();
  return {
    messagesPerSecond: (latencies.count / (performance.now() - startedAt)) * 1_000,
    p50Ms: latencies.percentileMs(50),
    p99Ms: latencies.percentileMs(99),
  };
}
