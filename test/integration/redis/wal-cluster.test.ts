/** A shard whose slot moves from one server of a Redis Cluster to another while its owner works. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { shardKeys } from '../../../src/wal/redis/keys.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import { Clients } from '../../redis/clients.js';
import { RedisCluster, until } from '../../redis/harness.mjs';

const clients = new Clients();
let servers: RedisCluster;

beforeAll(async () => {
  servers = await RedisCluster.start({ appendonly: 'no' });
});

afterAll(async () => {
  clients.close();
  await servers.dispose();
});

describe('a shard whose slot moves', () => {
  it('is written and read before, during and after the move, and applies nothing twice (M4)', async () => {
    const wal = new RedisWal({ client: await clients.cluster(servers.nodes) });
    await wal.start();
    const { epoch } = await wal.open(0, 'me');
    let number = 0;
    const commit = async (...transitions: readonly Transition[]): Promise<void> => {
      number += 1;
      const request = { shard: 0, epoch, incarnation: 'me', number, transitions };
      await until('the commit is answered', () =>
        wal.commit(request).catch((error: Error) => {
          if (error.name === 'StoreUnavailableError') return undefined;
          throw error;
        }),
      );
    };
    const round = async (name: string): Promise<void> => {
      const message = contractMessage(`m-${name}`, name);
      await wal.offer(
        0,
        contractOffers(`s-${name}`, 1, { type: 'append', message: contractMessage(`o-${name}`, name) }),
      );
      await commit({ type: 'append', message, dispatch: true });
      const line = await wal.scan(0, 0, 100);
      const mine = line.filter((head) => head.entityId === name);
      expect(mine.map(({ state }) => state)).toEqual(['enqueued', 'enqueued']);
      for (const { seq } of mine) await commit({ type: 'dispatch', seq }, { type: 'complete', seq });
      await wal.renew(0, epoch, 'me');
    };
    await round('before');
    const slot = await servers.slotOf(shardKeys('aq', 0).meta);
    const from = await servers.ownerOf(slot);
    const to = servers.servers.find((server) => server !== from);
    if (from === undefined || to === undefined) throw new Error('The slot has no owner.');
    await servers.beginMove(slot, from, to);
    // Every key that a script names is there, so that nothing has to wait for the end of the move.
    await round('beginning');
    const moving = (async () => {
      while ((await servers.moveKeys(slot, from, to, 20)) > 0);
      await servers.finishMove(slot, to);
    })();
    await commit({ type: 'append', message: contractMessage('m-between', 'between') });
    await moving;
    await commit({ type: 'cancel', id: 'm-between' });
    await round('after');
    expect(await wal.counts(0)).toMatchObject({ accepted: 7, completed: 6, cancelled: 1, pending: 0 });
    expect(await wal.signs([0, 1, 2, 3])).toMatchObject([{ epoch }, { epoch: 0 }, { epoch: 0 }, { epoch: 0 }]);
  });
});
