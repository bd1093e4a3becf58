/** `durability: {replicas}` on a Redis Cluster: what counts are the replicas of the primary that has the shard's slot (M10). */
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { resolveConfig } from '../../../src/runtime/config.js';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { RedisConnections } from '../../../src/wal/redis/connections.js';
import { evidenceOfCommit, noEvidence } from '../../../src/wal/redis/evidence.js';
import { shardKeys } from '../../../src/wal/redis/keys.js';
import { lateClient } from '../../../src/wal/redis/late-client.js';
import { RedisWal, type RedisWalOptions } from '../../../src/wal/redis/redis-wal.js';
import { Replication } from '../../../src/wal/redis/replication.js';
import type { Transition } from '../../../src/wal/transition.js';
import { Clients } from '../../redis/clients.js';
import { RedisCluster, type RedisServer, until } from '../../redis/harness.mjs';
import { freshPrefix } from '../../redis/redis-wals.js';

const UNPROVEN = { name: 'StoreUnavailableError', applied: 'unknown', recoverable: true };
function append(id: string, dispatch = false): Transition {
  return { type: 'append', message: contractMessage(id, 'a', { messageId: id }), ...(dispatch && { dispatch }) };
}

const clients = new Clients();
let servers: RedisCluster;

beforeAll(async () => {
  servers = await RedisCluster.start({ appendonly: 'no', replicas: 1 });
}, 60_000);

afterEach(() => {
  for (const server of servers.all) server.resume();
  clients.close();
});

afterAll(async () => {
  clients.close();
  await servers.dispose();
});

async function startedWal(keyPrefix: string, more: Partial<RedisWalOptions> = {}): Promise<RedisWal> {
  const wal = new RedisWal({
    client: await clients.cluster(servers.nodes),
    waiter: await clients.cluster(servers.nodes),
    durability: { replicas: 1 },
    replicationTimeoutMs: 300,
    keyPrefix,
    ...more,
  });
  await wal.start();
  return wal;
}

/** The slot of a shard, its primary and the replica of that. */
async function placeOf(keyPrefix: string, shard: number) {
  const slot = await servers.slotOf(shardKeys(keyPrefix, shard).meta);
  const primary = (await servers.ownerOf(slot)) as RedisServer;
  const replica = (await servers.replicaOf(primary)) as RedisServer;
  return { slot, primary, replica };
}

/** A shard whose slot is on another primary than that of the first shard, and of what belongs to the whole store. */
async function shardElsewhere(keyPrefix: string): Promise<number> {
  const { primary } = await placeOf(keyPrefix, 0);
  for (let shard = 1; ; shard += 1) if ((await placeOf(keyPrefix, shard)).primary !== primary) return shard;
}

describe('a replicated store on a Redis Cluster', () => {
  it('resolves a commit, an offer, a verdict and a release only when a replica of the slot has them (M10)', async () => {
    const keyPrefix = freshPrefix();
    const wal = await startedWal(keyPrefix);
    expect(wal.description.durability).toMatch(/^replicated\(1\)/);
    const { epoch } = await wal.open(0, 'me');
    const first = { shard: 0, epoch, incarnation: 'me', number: 1, transitions: [append('m1', true)] };
    await wal.commit(first);
    const { replica } = await placeOf(keyPrefix, 0);
    replica.pause();
    const second = { ...first, number: 2, transitions: [{ type: 'complete', seq: 1, reply: '1' }] as const };
    await expect(wal.commit(second)).rejects.toMatchObject(UNPROVEN);
    await expect(wal.commit(second)).rejects.toMatchObject(UNPROVEN);
    await expect(wal.status(0, 'm1')).rejects.toMatchObject(UNPROVEN);
    const reader = await startedWal(keyPrefix);
    await expect(reader.status(0, 'm1')).rejects.toMatchObject(UNPROVEN);
    const offers = contractOffers('s', 1, { type: 'append', message: contractMessage('o1') });
    await expect(wal.offer(0, offers)).rejects.toMatchObject(UNPROVEN);
    replica.resume();
    expect((await wal.commit(second)).outcomes).toEqual([{ type: 'applied' }]);
    expect(await reader.status(0, 'm1')).toMatchObject({ state: 'completed' });
    await wal.offer(0, offers);
    const { taken } = await wal.commit({ ...first, number: 3, transitions: [] });
    expect(taken.length).toBe(1);
    expect(await wal.counts(0)).toMatchObject({ accepted: 2, completed: 1 });
    replica.pause();
    await expect(wal.release(0, epoch, 'me')).rejects.toMatchObject(UNPROVEN);
    replica.resume();
    await wal.release(0, epoch, 'me');
  });

  it('goes on with the shards of the other primaries while a replica is away (I9, M10)', async () => {
    const keyPrefix = freshPrefix();
    const other = await shardElsewhere(keyPrefix);
    const wal = await startedWal(keyPrefix);
    const opened = await Promise.all([0, other].map((shard) => wal.open(shard, 'me')));
    const commit = (index: number, shard: number, id: string): Promise<unknown> => {
      const { epoch } = opened[index]!;
      return wal.commit({ shard, epoch, incarnation: 'me', number: 1, transitions: [append(id)] });
    };
    const { replica } = await placeOf(keyPrefix, 0);
    replica.pause();
    await expect(commit(0, 0, 'm1')).rejects.toMatchObject(UNPROVEN);
    await commit(1, other, 'm2');
    replica.resume();
    await commit(0, 0, 'm1');
  });

  it('opens nothing while replicas are away: no try counts as an opening that nobody survived (M10, M13)', async () => {
    const keyPrefix = freshPrefix();
    const wal = await startedWal(keyPrefix);
    const openings = async (): Promise<unknown> => (await wal.signs([5]))[0]?.openings ?? 0;
    const { replica } = await placeOf(keyPrefix, 5);
    replica.pause();
    for (let tries = 0; tries < 4; tries += 1) await expect(wal.open(5, 'me')).rejects.toMatchObject(UNPROVEN);
    expect(await openings()).toBe(0);
    replica.resume();
    await wal.open(5, 'me');
    expect(await openings()).toBe(1);
  });

  it('never tells as done what a promoted replica does not have (I1, M10)', async () => {
    const keyPrefix = freshPrefix();
    const wal = await startedWal(keyPrefix);
    const { epoch } = await wal.open(0, 'me');
    const first = { shard: 0, epoch, incarnation: 'me', number: 1 };
    await wal.commit({ ...first, transitions: [append('m1', true)] });
    const { replica } = await placeOf(keyPrefix, 0);
    await servers.cutLink(replica);
    const second = { ...first, number: 2, transitions: [{ type: 'complete', seq: 1, reply: '1' }] as const };
    await expect(wal.commit(second)).rejects.toMatchObject(UNPROVEN);
    await expect(wal.status(0, 'm1')).rejects.toMatchObject(UNPROVEN);
    const offers = contractOffers('s', 1, { type: 'append', message: contractMessage('o1') });
    await expect(wal.offer(0, offers)).rejects.toMatchObject(UNPROVEN);
    await servers.takeOver(replica);
    // The completion is lost, and its owner hears so instead of an answer.
    await expect(wal.commit(second)).rejects.toMatchObject({ name: 'CommitNumberError' });
    expect(await wal.status(0, 'm1')).toMatchObject({ state: 'dispatched' });
    const again = await wal.open(0, 'me');
    expect(again).toMatchObject({ inFlight: [{ seq: 1, state: 'dispatched' }], counts: { accepted: 1, completed: 0 } });
    expect(again.epoch).toBeGreaterThan(epoch);
    await wal.offer(0, offers);
    const { taken } = await wal.commit({ ...first, epoch: again.epoch, transitions: [] });
    expect(taken).toMatchObject([{ offer: { session: 's', number: 1 } }]);
  });

  it('takes no replica of a promoted server for a proof of what only the former one had (M9, M10)', async () => {
    const keyPrefix = freshPrefix();
    const hasty = await startedWal(keyPrefix, { durability: 'async' });
    const keys = shardKeys(keyPrefix, 0);
    const claim = { epoch: (await hasty.open(0, 'me')).epoch, incarnation: 'me' };
    const replication = new Replication({
      client: await clients.cluster(servers.nodes),
      replicas: 1,
      timeoutMs: 2_000,
    });
    await hasty.commit({ shard: 0, ...claim, number: 1, transitions: [append('m1')] });
    await replication.proven(evidenceOfCommit(keys, claim, 1, '1'));
    const { replica } = await placeOf(keyPrefix, 0);
    await servers.cutLink(replica);
    // Applied, answered, and then another server takes the slot, before anyone asked the replicas.
    await hasty.commit({ shard: 0, ...claim, number: 2, transitions: [append('m2')] });
    await servers.takeOver(replica);
    const lost = evidenceOfCommit(keys, claim, 2, '2');
    await until('the new primary to be asked', async () => {
      const error = await replication.proven(lost).catch((reason: Error) => reason);
      expect(error).toMatchObject(UNPROVEN);
      return /does not have what was written/.test(String(error));
    });
    await replication.proven(evidenceOfCommit(keys, claim, 1, '1'));
  });

  it('follows a slot that moves, and one that has moved (M4, M10)', async () => {
    const keyPrefix = freshPrefix();
    const wal = await startedWal(keyPrefix, { replicationTimeoutMs: 2_000 });
    const { epoch } = await wal.open(0, 'me');
    let number = 0;
    const commit = async (id: string): Promise<void> => {
      number += 1;
      await wal.commit({ shard: 0, epoch, incarnation: 'me', number, transitions: [append(id)] });
      await wal.offer(0, contractOffers(`s-${id}`, 1, { type: 'append', message: contractMessage(`o-${id}`) }));
    };
    await commit('before');
    const { slot, primary } = await placeOf(keyPrefix, 0);
    const to = (await servers.primaries()).find((server) => server !== primary)!;
    await servers.beginMove(slot, primary, to);
    await commit('beginning');
    await servers.moveKeys(slot, primary, to);
    // The slot is still that of the first one, and all keys are at the second one.
    await commit('between');
    const replica = (await servers.replicaOf(to))!;
    const replication = new Replication({
      client: await clients.cluster(servers.nodes),
      replicas: 1,
      timeoutMs: 200,
    });
    replica.pause();
    await expect(replication.proven(noEvidence(shardKeys(keyPrefix, 0)))).rejects.toMatchObject(UNPROVEN);
    replica.resume();
    await servers.finishMove(slot, to);
    await commit('after');
    replica.pause();
    await expect(replication.proven(noEvidence(shardKeys(keyPrefix, 0)))).rejects.toMatchObject(UNPROVEN);
    replica.resume();
    expect(await wal.counts(0)).toMatchObject({ accepted: 7, pending: 7 });
  });

  it('goes on after the connection to a primary was lost during a proof (M10)', async () => {
    const keyPrefix = freshPrefix();
    const { redis } = resolveConfig({ redis: { cluster: servers.nodes }, store: { durability: 'replicated(1)' } });
    const connections = new RedisConnections({ redis: redis!, runtime: systemRuntime, name: keyPrefix });
    await connections.start();
    onTestFinished(() => connections.stop());
    const wal = await startedWal(keyPrefix, { waiter: lateClient(connections, 'wait'), replicationTimeoutMs: 4_000 });
    const { epoch } = await wal.open(0, 'me');
    const { primary, replica } = await placeOf(keyPrefix, 0);
    replica.pause();
    const request = { shard: 0, epoch, incarnation: 'me', number: 1, transitions: [append('m1')] };
    const failure = wal.commit(request).catch((error: unknown) => error);
    const waiting = await until('the proof to wait', async () =>
      (await primary.connections(`${keyPrefix}:wait`)).find(({ cmd }) => cmd === 'wait'),
    );
    await primary.command('CLIENT', 'KILL', 'ID', waiting['id']!);
    expect(await failure).toMatchObject(UNPROVEN);
    replica.resume();
    await until('the commit to be proven', () =>
      wal.commit(request).then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject(UNPROVEN);
          return undefined;
        },
      ),
    );
    expect(await wal.counts(0)).toMatchObject({ accepted: 1 });
  });

  it('proves what was accepted also when the memory is full (M3, M10)', async () => {
    const keyPrefix = freshPrefix();
    const wal = await startedWal(keyPrefix, { replicationTimeoutMs: 2_000 });
    const { epoch } = await wal.open(0, 'me');
    const first = { shard: 0, epoch, incarnation: 'me', number: 1 };
    await wal.commit({ ...first, transitions: [append('m1', true)] });
    const { primary } = await placeOf(keyPrefix, 0);
    await primary.command('CONFIG', 'SET', 'maxmemory', '1');
    try {
      await wal.commit({ ...first, number: 2, transitions: [{ type: 'complete', seq: 1, reply: '1' }] });
      expect(await wal.status(0, 'm1')).toMatchObject({ state: 'completed' });
      await wal.release(0, epoch, 'me');
    } finally {
      await primary.command('CONFIG', 'SET', 'maxmemory', '0');
    }
  });
});
