/** Reads of the inbox on a real server: what a query waits for before it stands in line. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import { GroupCommit } from '../../../src/wal/group-commit.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import type { Offer } from '../../../src/wal/wal.js';
import { Clients } from '../../redis/clients.js';
import { RedisServer } from '../../redis/harness.mjs';

describe('a read of the inbox on Redis', () => {
  let server: RedisServer;
  const clients = new Clients();
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(async () => {
    clients.close();
    await server.dispose();
  });

  function offer(session: string): Offer {
    const message = {
      id: session,
      kind: 'command' as const,
      entityType: 'account',
      entityId: 'a',
      name: 'add',
      payload: '1',
    };
    return { session, number: 1, transition: { type: 'append', message } };
  }

  it('is over when all has been taken in that was offered before it began, also behind what had been shown (M2)', async () => {
    const place = { host: '127.0.0.1', port: server.port };
    const producer = new RedisWal({ client: await clients.single(place), keyPrefix: 'reads', slices: 1, wakes: false });
    await producer.start();
    const client = await clients.single(place);
    let between: (() => Promise<void>) | undefined;
    const watched = new Proxy(client, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          const answer: unknown = await value.apply(target, args);
          // A commit that is to look at the offers first.
          if ((key === 'evalsha' || key === 'eval') && Array.isArray(answer) && answer[0] === 3) await between?.();
          return answer;
        };
      },
    });
    const wal = new RedisWal({ client: watched, keyPrefix: 'reads', slices: 1, wakes: false });
    await wal.start();
    const { epoch } = await wal.open(0, 'owner');
    const taken: string[] = [];
    const ignore = (): void => {};
    const commits = new GroupCommit({
      wal,
      clock: systemRuntime.clock,
      timers: systemRuntime.timers,
      shard: 0,
      epoch,
      incarnation: 'owner',
      detached: (callback) => callback(),
      events: {
        answered: (answer) => taken.push(...answer.taken.map((each) => each.offer.session)),
        drained: ignore,
        degraded: ignore,
        recovered: ignore,
        lost: ignore,
      },
    });
    await producer.offer(0, [offer('first')]);
    between = async () => {
      between = undefined;
      await producer.offer(0, [offer('second')]);
    };
    commits.poll();
    await commits.whenIdle();
    expect(taken).toEqual(['first']);
    await producer.offer(0, [offer('third')]);
    const seen = await new Promise<string[]>((resolve) => commits.afterRead(() => resolve([...taken])));
    expect(seen).toEqual(['first', 'second', 'third']);
    await wal.stop();
    await producer.stop();
  });
});
