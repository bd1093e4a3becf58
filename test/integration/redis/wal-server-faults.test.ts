/** A server that is full, read-only, restarted or not what it should be. */
import { afterEach, describe, expect, it } from 'vitest';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { clusterKeys, shardKeys } from '../../../src/wal/redis/keys.js';
import { RedisWal, type RedisWalOptions } from '../../../src/wal/redis/redis-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import type { CommitAnswer } from '../../../src/wal/wal.js';
import { Clients } from '../../redis/clients.js';
import { RedisServer, until } from '../../redis/harness.mjs';

const clients = new Clients();
const servers: RedisServer[] = [];

async function started(options: Parameters<typeof RedisServer.start>[0] = {}): Promise<RedisServer> {
  const server = await RedisServer.start({ appendonly: 'no', ...options });
  servers.push(server);
  return server;
}

async function walOn(server: RedisServer, options: Partial<RedisWalOptions> = {}): Promise<RedisWal> {
  const wal = new RedisWal({ client: await clients.single(server), ...options });
  await wal.start();
  return wal;
}

/** Numbers the commits of an owner of shard 0. */
async function owner(wal: RedisWal): Promise<(...transitions: readonly Transition[]) => Promise<CommitAnswer>> {
  const { epoch } = await wal.open(0, 'me');
  let number = 0;
  return async (...transitions) => {
    const answer = await wal.commit({ shard: 0, epoch, incarnation: 'me', number: number + 1, transitions });
    number += 1;
    return answer;
  };
}

afterEach(async () => {
  clients.close();
  await Promise.all(servers.splice(0).map((server) => server.dispose()));
});

const error = { name: 'Error', message: 'broke' };

describe('a server whose memory is full', () => {
  it('refuses new messages, and still lets accepted ones complete and die (I7, I8)', async () => {
    const server = await started({ maxmemory: '32mb' });
    const wal = await walOn(server);
    const commit = await owner(wal);
    const append = (id: string): Transition => ({ type: 'append', message: contractMessage(id, id), dispatch: true });
    await commit(append('m1'), append('m2'), append('m3'));
    await wal.offer(0, contractOffers('s', 1, { type: 'append', message: contractMessage('o1') }));
    // Less than any server needs for itself.
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    const refusal = { name: 'StoreUnavailableError', applied: 'no', recoverable: true };
    await expect(commit(append('m4'))).rejects.toMatchObject(refusal);
    const offers = contractOffers('s', 2, { type: 'append', message: contractMessage('o2') });
    await expect(wal.offer(0, offers)).rejects.toMatchObject(refusal);
    const { taken } = await commit({ type: 'complete', seq: 1 }, { type: 'fail', seq: 2, error });
    expect(taken.length).toBe(1);
    await commit({ type: 'retry', seq: 3, delayMs: 0, error }, { type: 'dispatch', seq: 3 });
    await commit({ type: 'complete', seq: 3, reply: '1', keepVerdict: true });
    const [sign] = await wal.signs([0]);
    await wal.renew(0, sign?.epoch ?? 0, 'me');
    expect(await wal.counts(0)).toMatchObject({ accepted: 4, completed: 2, failed: 1, pending: 1, deadLetters: 1 });
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    expect((await commit(append('m4'))).outcomes).toMatchObject([{ type: 'appended' }]);
    await wal.offer(0, offers);
    expect((await commit()).taken.length).toBe(1);
  });

  it('does not start on a server that would delete the queues when its memory is full', async () => {
    const server = await started({ policy: 'allkeys-lru' });
    await expect(walOn(server)).rejects.toThrow(/maxmemory-policy is "allkeys-lru"/);
  });
});

describe('a server that was demoted, restarted or set back', () => {
  it('refuses for now on a replica, and goes on where it was when it is the primary again', async () => {
    const primary = await started();
    const server = await started();
    const wal = await walOn(server);
    const commit = await owner(wal);
    await commit({ type: 'append', message: contractMessage('m1') });
    // A primary that is gone gives the replica nothing in place of what it has.
    await primary.stop();
    await server.command('REPLICAOF', primary.host, primary.port);
    const refusal = { name: 'StoreUnavailableError', applied: 'no', recoverable: true };
    await expect(commit({ type: 'dispatch', seq: 1 })).rejects.toMatchObject(refusal);
    await expect(walOn(server)).rejects.toThrow(/read-only replica/);
    await server.promote();
    expect((await commit({ type: 'dispatch', seq: 1 })).outcomes).toMatchObject([{ type: 'dispatched' }]);
  });

  it('follows a restart that lost nothing, because the number of the commit follows (M9)', async () => {
    const server = await started({ appendonly: 'always' });
    const wal = await walOn(server);
    const commit = await owner(wal);
    await commit({ type: 'append', message: contractMessage('m1') });
    await server.restart({ kill: true });
    await until('the commit is answered', () => commit({ type: 'dispatch', seq: 1 }).catch(() => undefined));
    expect(await wal.counts(0)).toMatchObject({ accepted: 1, pending: 1 });
  });

  it('refuses an owner whose last commits the server has lost (M9)', async () => {
    const server = await started({ appendonly: 'always' });
    const wal = await walOn(server);
    const commit = await owner(wal);
    await commit({ type: 'append', message: contractMessage('m1') });
    await server.command('HSET', shardKeys('aq', 0).meta, 'number', '0');
    const [sign] = await wal.signs([0]);
    await expect(wal.renew(0, sign?.epoch ?? 0, 'me')).rejects.toMatchObject({ name: 'StaleEpochError' });
    await expect(commit({ type: 'dispatch', seq: 1 })).rejects.toMatchObject({ name: 'CommitNumberError' });
  });
});

describe('the time of a store', () => {
  it("is the server's, also after the clock of the node was far off (M14)", async () => {
    const server = await started();
    const local = {
      aheadMs: -86_400_000,
      now: () => Date.now() + local.aheadMs,
      monotonic: () => performance.now() + local.aheadMs,
    };
    const wal = await walOn(server, { localClock: local });
    const commit = await owner(wal);
    const isNow = (time: number): boolean => Math.abs(time - Date.now()) < 1_000;
    expect(isNow((await commit({ type: 'append', message: contractMessage('m1') })).now)).toBe(true);
    // As after a suspension that the monotonic clock did not count, or counted when others did not.
    local.aheadMs += 60_000;
    expect(isNow((await commit({ type: 'append', message: contractMessage('m2') })).now)).toBe(true);
    local.aheadMs -= 600_000;
    expect(isNow((await commit({ type: 'append', message: contractMessage('m3') })).now)).toBe(true);
    expect(isNow((await wal.open(0, 'other')).now ?? 0)).toBe(true);
  });
});

describe('a store that is not as it should be', () => {
  it('refuses another number of shards than it was made with, and names both', async () => {
    const server = await started();
    await walOn(server, { slices: 8 });
    await expect(walOn(server, { slices: 4 })).rejects.toThrow(/made with 8 shards.*configured with 4/);
  });

  it('refuses foreign data under its prefix', async () => {
    const server = await started();
    await server.command('SET', clusterKeys('aq').meta, 'mine');
    await expect(walOn(server)).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: false });
    await server.command('DEL', clusterKeys('aq').meta);
    await server.command('HSET', clusterKeys('aq').meta, 'color', 'red');
    await expect(walOn(server)).rejects.toThrow(/something else/);
    await server.command('DEL', clusterKeys('aq').meta);
    const { heads } = shardKeys('aq', 3);
    await server.command('SET', heads[5] ?? '', 'mine');
    const wal = await walOn(server);
    await expect(wal.open(3, 'me')).rejects.toThrow(/head:5 .*string/);
    expect(await wal.signs([3])).toMatchObject([{ epoch: 0 }]);
  });

  it('refuses a newer format', async () => {
    const server = await started();
    await walOn(server);
    await server.command('HSET', clusterKeys('aq').meta, 'format', '2');
    await expect(walOn(server)).rejects.toThrow(/format 2/);
  });

  it('stops loudly when the store disappears or becomes another one, and makes nothing in its place', async () => {
    const server = await started();
    const wal = await walOn(server);
    await wal.open(0, 'me');
    await server.command('HSET', clusterKeys('aq').meta, 'clusterId', 'another');
    await expect(wal.signs([0])).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: false });
    await server.command('DEL', clusterKeys('aq').meta);
    await expect(wal.open(1, 'me')).rejects.toThrow(/is gone/);
    await expect(walOn(server)).rejects.toThrow(/is gone, but shards/);
    await server.command('FLUSHALL');
    await expect(wal.open(0, 'me')).rejects.toThrow(/is gone/);
    expect(await server.command('DBSIZE')).toBe(0);
  });

  it('starts where INFO and CONFIG are not allowed, and says what it could not check', async () => {
    const server = await started();
    await server.command('ACL', 'SETUSER', 'default', '-info', '-config');
    const warnings: string[] = [];
    const client = await clients.single(server).catch(() => undefined);
    if (client === undefined) return;
    const wal = new RedisWal({ client, warn: (message) => warnings.push(message) });
    await wal.start();
    expect(warnings.join()).toMatch(/INFO/);
    const commit = await owner(wal);
    await commit({ type: 'append', message: contractMessage('m1') });
  });

  it('does not start for a user who may not do what is needed, and does not call it a passing fault', async () => {
    const server = await started();
    const client = await clients.single(server);
    const wal = new RedisWal({ client });
    await server.command('ACL', 'SETUSER', 'poor', 'on', '>x', '~*', '+ping', '+auth', '+info');
    await client.auth('poor', 'x');
    await expect(wal.start()).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: false });
  });
});
