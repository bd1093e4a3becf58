/** `durability: {replicas}`: nothing is resolved before replicas have it (M10). */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { type Evidence, evidenceOfCommit, noEvidence } from '../../../src/wal/redis/evidence.js';
import { shardKeys } from '../../../src/wal/redis/keys.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import { Replication } from '../../../src/wal/redis/replication.js';
import type { Transition } from '../../../src/wal/transition.js';
import { Clients } from '../../redis/clients.js';
import { RedisServer, until } from '../../redis/harness.mjs';

const UNPROVEN = { name: 'StoreUnavailableError', applied: 'unknown', recoverable: true };

const clients = new Clients();
let primary: RedisServer;
let replica: RedisServer;

beforeAll(async () => {
  primary = await RedisServer.start({ appendonly: 'no' });
  replica = await RedisServer.start({ appendonly: 'no' });
  await replica.replicate(primary);
  const client = await clients.single(primary);
  await until('the replica acknowledges', async () => {
    await client.set('probe', '1');
    return (await client.wait(1, 100)) === 1;
  });
});

afterAll(async () => {
  clients.close();
  replica.resume();
  await replica.dispose();
  await primary.dispose();
});

describe('a replicated store', () => {
  it('resolves a commit, an offer and a verdict only when a replica has them (M10)', async () => {
    const client = await clients.single(primary);
    const waiter = await clients.single(primary);
    const wal = new RedisWal({ client, waiter, durability: { replicas: 1 }, replicationTimeoutMs: 200 });
    await wal.start();
    expect(wal.description.durability).toMatch(/^replicated\(1\)/);
    const { epoch } = await wal.open(0, 'me');
    const message = contractMessage('m1', 'a', { messageId: 'k' });
    const first = {
      ...{ shard: 0, epoch, incarnation: 'me', number: 1 },
      transitions: [{ type: 'append', message, dispatch: true }] as const,
    };
    await wal.commit(first);
    replica.pause();
    const second = { ...first, number: 2, transitions: [{ type: 'complete', seq: 1, reply: '1' }] as const };
    await expect(wal.commit(second)).rejects.toMatchObject(UNPROVEN);
    await expect(wal.commit(second)).rejects.toMatchObject(UNPROVEN);
    await expect(wal.status(0, 'm1')).rejects.toMatchObject(UNPROVEN);
    const offers = contractOffers('s', 1, { type: 'append', message: contractMessage('o1') });
    await expect(wal.offer(0, offers)).rejects.toMatchObject(UNPROVEN);
    replica.resume();
    expect((await wal.commit(second)).outcomes).toEqual([{ type: 'applied' }]);
    expect(await wal.status(0, 'm1')).toMatchObject({ state: 'completed' });
    await wal.offer(0, offers);
    const { taken } = await wal.commit({ ...first, number: 3, transitions: [] });
    expect(taken.length).toBe(1);
    expect(await wal.counts(0)).toMatchObject({ accepted: 2, completed: 1 });
  });

  it('opens nothing while replicas are away: no try counts as an opening that nobody survived (M10, M13)', async () => {
    const client = await clients.single(primary);
    const waiter = await clients.single(primary);
    const wal = new RedisWal({ client, waiter, durability: { replicas: 1 }, replicationTimeoutMs: 100 });
    await wal.start();
    const openings = async (): Promise<unknown> => (await wal.signs([5]))[0]?.openings ?? 0;
    replica.pause();
    for (let tries = 0; tries < 4; tries += 1) {
      await expect(wal.open(5, 'me')).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: true });
    }
    expect(await openings()).toBe(0);
    replica.resume();
    await wal.open(5, 'me');
    expect(await openings()).toBe(1);
  });

  it('takes no replica of a promoted server for a proof of what that server lacks (M9, M10)', async () => {
    const start = (): Promise<RedisServer> => RedisServer.start({ appendonly: 'no' });
    const [former, promoted, follower] = await Promise.all([start(), start(), start()]);
    onTestFinished(async () => void (await Promise.all([former, promoted, follower].map((each) => each.dispose()))));
    await promoted.replicate(former);
    const hasty = new RedisWal({ client: await clients.single(former) });
    await hasty.start();
    const claim = { epoch: (await hasty.open(0, 'me')).epoch, incarnation: 'me' };
    const commit = (number: number, ...transitions: readonly Transition[]): Promise<unknown> =>
      hasty.commit({ shard: 0, ...claim, number, transitions });
    const keys = shardKeys('aq', 0);
    const reader = await clients.single(former);
    const evidence = async (): Promise<Evidence> => {
      const [number, tag] = await reader.hmget(keys.meta, 'number', 'tag');
      return evidenceOfCommit(keys, claim, Number(number), tag ?? '');
    };
    await commit(1, { type: 'append', message: contractMessage('m1', 'a', { messageId: 'k' }), dispatch: true });
    await until('the replica to have it', async () => {
      await reader.set('probe', '1');
      return (await reader.wait(1, 100)) === 1;
    });
    const first = await evidence();
    await promoted.promote();
    await follower.replicate(promoted);
    await commit(2, { type: 'complete', seq: 1, reply: '1' });
    // The connection for proofs has found the promoted server, the one for all else has not.
    const waiter = await clients.single(promoted);
    const lacks = { ...UNPROVEN, message: expect.stringContaining('does not have what was written') as string };
    const replication = new Replication({ client: waiter, replicas: 1, timeoutMs: 2_000 });
    await replication.proven(first);
    await expect(replication.proven(await evidence())).rejects.toMatchObject(lacks);
    const wal = new RedisWal({ client: await clients.single(former), waiter, durability: { replicas: 1 } });
    await wal.start();
    await expect(wal.status(0, 'm1')).rejects.toMatchObject(lacks);
    const offers = contractOffers('s', 1, { type: 'append', message: contractMessage('o1') });
    await expect(wal.offer(0, offers)).rejects.toMatchObject(lacks);
    const request = { shard: 0, ...claim, number: 3, transitions: [] };
    await expect(wal.commit(request)).rejects.toMatchObject(lacks);
    await expect(wal.release(0, claim.epoch, 'me')).rejects.toMatchObject(lacks);
    await expect(wal.open(0, 'me')).rejects.toMatchObject(lacks);
  });

  it('may be tried again when the primary becomes a replica during the proof (M10)', async () => {
    const [own, other] = await Promise.all([RedisServer.start({ appendonly: 'no' }), RedisServer.start()]);
    onTestFinished(async () => void (await Promise.all([own.dispose(), other.dispose()])));
    const client = await clients.single(own);
    const waiter = await clients.single(own);
    const replication = new Replication({ client: waiter, replicas: 1, timeoutMs: 5_000 });
    const failure = replication.proven(noEvidence(shardKeys('aq', 0))).catch((error: unknown) => error);
    await until('the proof to wait', async () => (await client.info('clients')).includes('blocked_clients:1'));
    await own.command('REPLICAOF', other.host, other.port);
    expect(await failure).toMatchObject(UNPROVEN);
    await expect(replication.proven(noEvidence(shardKeys('aq', 0)))).rejects.toMatchObject(UNPROVEN);
  });

  it('needs a connection of its own for waiting', async () => {
    const client = await clients.single(primary);
    expect(() => new RedisWal({ client, durability: { replicas: 1 } })).toThrow(/waiter/);
  });
});
