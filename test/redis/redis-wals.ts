/** `RedisWal`s on a server of the tests: each store under a key prefix of its own. */
import type { Cluster, Redis } from 'ioredis';
import type { WalFactory } from '../../src/testing/wal-contract.js';
import type { SharedWalFactory } from '../../src/testing/wal-contract-shared.js';
import { clusterKeys } from '../../src/wal/redis/keys.js';
import { RedisWal, type RedisWalOptions } from '../../src/wal/redis/redis-wal.js';
import { type CommitAnswer, type CommitRequest, OFFERS_TAKEN_MAX } from '../../src/wal/wal.js';

let stores = 0;

/** What lines are written in: one of the formats, or the first until the second commit and the second from then on. */
export const LINES_UNDER_TEST = ['format 1', 'format 2', 'format 1, then 2'] as const;
export type LinesUnderTest = (typeof LINES_UNDER_TEST)[number];

/** A store whose nodes understand the second format when some commits are made. */
class RaisedWal extends RedisWal {
  #commits = 0;

  override async commit(request: CommitRequest): Promise<CommitAnswer> {
    const answer = await super.commit(request);
    this.#commits += 1;
    if (this.#commits === 2) this.useLineFormat(2);
    return answer;
  }
}

function makeWal(lines: LinesUnderTest, options: RedisWalOptions): RedisWal {
  if (lines === 'format 1, then 2') return new RaisedWal(options);
  return new RedisWal({ ...options, newLineFormat: lines === 'format 2' ? 2 : 1 });
}

/** A prefix that no other store of this process has. */
export function freshPrefix(): string {
  stores += 1;
  return `t${process.pid.toString(36)}-${stores.toString(36)}`;
}

/** For the contract suite: as strict and as small as the pure model is there. */
export function redisFactory(
  client: () => Redis | Cluster,
  more: Partial<RedisWalOptions> = { verifyLineOrder: true },
  lines: LinesUnderTest = 'format 1',
): WalFactory {
  return {
    async create({ clock, retention, clusterId }) {
      const keyPrefix = freshPrefix();
      const opened: RedisWal[] = [];
      const open = async (): Promise<RedisWal> => {
        const wal = makeWal(lines, {
          client: client(),
          keyPrefix,
          slices: 1,
          clock,
          retention,
          clusterId,
          offersTakenMax: OFFERS_TAKEN_MAX,
          wakes: false,
          ...more,
        });
        opened.push(wal);
        await wal.start();
        return wal;
      };
      return {
        wal: await open(),
        reopen: open,
        dispose: async () => {
          await Promise.all(opened.map((wal) => wal.stop()));
          await removeStore(client(), keyPrefix);
        },
      };
    },
  };
}

/** Two nodes on one store, each with a client of its own. */
export function sharedRedisFactory(
  makeClient: () => Promise<Redis | Cluster>,
  lines: LinesUnderTest = 'format 1',
): SharedWalFactory {
  return {
    async create(options) {
      const keyPrefix = freshPrefix();
      const make = async (): Promise<RedisWal> => {
        const wal = makeWal(lines, { ...options, client: await makeClient(), keyPrefix, slices: 2, wakes: false });
        await wal.start();
        return wal;
      };
      const wals = [await make(), await make()] as const;
      return {
        wals,
        dispose: async () => {
          for (const wal of wals) await wal.stop();
        },
      };
    },
  };
}

/** Removes the keys of shard 0 and what stands beside it. Other shards have to be named. */
export async function removeStore(
  client: Redis | Cluster,
  prefix: string,
  shards: readonly number[] = [0],
): Promise<void> {
  const nodes = 'nodes' in client ? client.nodes('master') : [client];
  await client.del(clusterKeys(prefix).meta);
  for (const node of nodes) {
    for (const shard of shards) {
      let cursor = '0';
      do {
        const [next, keys] = await node.scan(cursor, 'MATCH', `{${prefix}:${shard}}:*`, 'COUNT', 1_000);
        if (keys.length > 0) await node.unlink(...keys);
        cursor = next;
      } while (cursor !== '0');
    }
  }
}
