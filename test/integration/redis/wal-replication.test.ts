/** `durability: {replicas}`: nothing is resolved before replicas have it (M10). */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import { Replication } from '../../../src/wal/redis/replication.js';
import { Clients } from '../../redis/clients.js';
import { RedisServer, until } from '../../redis/harness.mjs';

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
    const unproven = { name: 'StoreUnavailableError', applied: 'unknown', recoverable: true };
    const second = { ...first, number: 2, transitions: [{ type: 'complete', seq: 1, reply: '1' }] as const };
    await expect(wal.commit(second)).rejects.toMatchObject(unproven);
    await expect(wal.commit(second)).rejects.toMatchObject(unproven);
    await expect(wal.status(0, 'm1')).rejects.toMatchObject(unproven);
    const offers = contractOffers('s', 1, { type: 'append', message: contractMessage('o1') });
    await expect(wal.offer(0, offers)).rejects.toMatchObject(unproven);
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

  it('may be tried again when the primary becomes a replica during the proof (M10)', async () => {
    const [own, other] = await Promise.all([RedisServer.start({ appendonly: 'no' }), RedisServer.start()]);
    onTestFinished(async () => void (await Promise.all([own.dispose(), other.dispose()])));
    const client = await clients.single(own);
    const waiter = await clients.single(own);
    const replication = new Replication({ client: waiter, replicas: 1, timeoutMs: 5_000 });
    const failure = replication.proven().catch((error: unknown) => error);
    await until('the proof to wait', async () => (await client.info('clients')).includes('blocked_clients:1'));
    await own.command('REPLICAOF', other.host, other.port);
    const unproven = { name: 'StoreUnavailableError', applied: 'unknown', recoverable: true };
    expect(await failure).toMatchObject(unproven);
    await expect(replication.proven()).rejects.toMatchObject(unproven);
  });

  it('needs a connection of its own for waiting', async () => {
    const client = await clients.single(primary);
    expect(() => new RedisWal({ client, durability: { replicas: 1 } })).toThrow(/waiter/);
  });
});
