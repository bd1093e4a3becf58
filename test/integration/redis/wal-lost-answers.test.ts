/** Commits, offers and opens whose answers are lost: the same again is not a second one (M1, M11). */
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import { type CommitAnswer, StoreUnavailableError } from '../../../src/wal/wal.js';
import { Clients } from '../../redis/clients.js';
import { RedisServer, TcpProxy, until } from '../../redis/harness.mjs';
import { freshPrefix } from '../../redis/redis-wals.js';

const clients = new Clients();
let server: RedisServer;
let proxy: TcpProxy;
let client: Redis;
let direct: RedisWal;
let wal: RedisWal;

beforeAll(async () => {
  server = await RedisServer.start({ appendonly: 'no' });
  proxy = await TcpProxy.start(server.port);
  client = await clients.single({ host: '127.0.0.1', port: proxy.port });
});

afterAll(async () => {
  clients.close();
  await proxy.dispose();
  await server.dispose();
});

beforeEach(async () => {
  const keyPrefix = freshPrefix();
  wal = new RedisWal({ client, keyPrefix });
  direct = new RedisWal({ client: await clients.single(server), keyPrefix });
  await wal.start();
  await direct.start();
});

afterEach(async () => {
  await wal.stop();
  await direct.stop();
});

async function connected(): Promise<void> {
  await until('the client is connected', () => client.status === 'ready');
}

/** Opens shard 0 and makes the server know the script, so that the next answer is that of the commit itself. */
async function opened(): Promise<{
  readonly commit: (number: number, ...transitions: readonly Transition[]) => Promise<CommitAnswer>;
  /** An append of a message that the owner has just made, so that nothing needs to be looked up. */
  readonly append: (n: number, dispatch?: boolean) => Transition;
}> {
  const { epoch } = await wal.open(0, 'me');
  const commit = (number: number, ...transitions: readonly Transition[]): Promise<CommitAnswer> =>
    wal.commit({ shard: 0, epoch, incarnation: 'me', number, transitions });
  await commit(1);
  const prefix = `${wal.description.clusterId.slice(0, 8)}-${epoch.toString(36)}`;
  return {
    commit,
    append: (n, dispatch = false) => ({ type: 'append', message: contractMessage(`${prefix}-${n}`), dispatch }),
  };
}

/** The call's answer gets lost; resolves with its error, when the client is connected again. */
async function lost(act: () => Promise<unknown>): Promise<StoreUnavailableError> {
  const cut = proxy.cutNextAnswer();
  const error = await act().then(
    () => expect.unreachable('the answer should be lost'),
    (caught: unknown) => caught,
  );
  await cut;
  await connected();
  expect(error).toBeInstanceOf(StoreUnavailableError);
  return error as StoreUnavailableError;
}

describe('a store whose answers get lost', () => {
  it('applies a commit once when the same number is sent again (M1, I2, I5)', async () => {
    const { commit, append } = await opened();
    const error = await lost(() => commit(2, append(1, true)));
    expect([error.applied, error.recoverable]).toEqual(['unknown', true]);
    expect((await direct.counts(0)).accepted).toBe(1);
    expect((await commit(2, append(1, true))).outcomes).toEqual([{ type: 'appended', seq: 1, dispatched: true }]);
    // The second loss is that of the question what became of the first one.
    for (let tries = 0; tries < 2; tries++) await lost(() => commit(3, { type: 'complete', seq: 1 }, append(2)));
    const { outcomes } = await commit(3, { type: 'complete', seq: 1 }, append(2));
    expect(outcomes).toEqual([{ type: 'applied' }, { type: 'appended', seq: 2, dispatched: false }]);
    expect((await commit(4, { type: 'dispatch', seq: 2 })).outcomes).toEqual([{ type: 'dispatched', attempt: 1 }]);
    expect(await direct.counts(0)).toMatchObject({ accepted: 2, completed: 1, pending: 1 });
  });

  it('goes on with the next number as well when the lost one turns out to be applied', async () => {
    const { commit, append } = await opened();
    await lost(() => commit(2, append(1)));
    await expect(commit(4)).rejects.toMatchObject({ name: 'CommitNumberError' });
    expect((await commit(3, append(2))).outcomes).toEqual([{ type: 'appended', seq: 2, dispatched: false }]);
  });

  it('knows whether the try that was applied has raised the format of lines, whichever it was (M1)', async () => {
    const { commit, append } = await opened();
    // Written in the first format; the same commit again would be in the second.
    await lost(() => commit(2, append(1)));
    wal.useLineFormat(2);
    expect((await commit(2, append(1))).outcomes).toMatchObject([{ type: 'appended', seq: 1 }]);
    await lost(() => commit(3, append(2)));
    expect((await commit(3, append(2))).outcomes).toMatchObject([{ type: 'appended', seq: 2 }]);
    const error = { name: 'Error', message: 'no' };
    for (const [index, seq] of [1, 2].entries()) {
      await commit(4 + 2 * index, { type: 'dispatch', seq });
      await commit(5 + 2 * index, { type: 'retry', seq, delayMs: 0, error });
    }
    const found = await direct.load(0, [1, 2]);
    expect(found.map(({ id, attempt, payload }) => [attempt, payload === contractMessage(id).payload])).toEqual([
      [1, true],
      [1, true],
    ]);
  });

  it('applies a commit that never arrived when it is sent again', async () => {
    const { epoch } = await wal.open(0, 'me');
    const request = {
      ...{ shard: 0, epoch, incarnation: 'me', number: 1 },
      transitions: [{ type: 'append', message: contractMessage('m1') }] as const,
    };
    await proxy.refuse();
    proxy.cut();
    await expect(wal.commit(request)).rejects.toMatchObject({ name: 'StoreUnavailableError', recoverable: true });
    await proxy.accept();
    await connected();
    expect((await wal.commit(request)).outcomes).toEqual([{ type: 'appended', seq: 1, dispatched: false }]);
    expect((await direct.counts(0)).accepted).toBe(1);
  });

  it('takes offers in once in a commit whose answer was lost, and once when they are sent again (M11)', async () => {
    const { epoch } = await wal.open(0, 'me');
    const offers = contractOffers(
      's',
      1,
      ...['o1', 'o2'].map((id) => ({ type: 'append', message: contractMessage(id) }) as const),
    );
    await lost(() => wal.offer(0, offers));
    await wal.offer(0, offers);
    const request = { shard: 0, epoch, incarnation: 'me', number: 1, transitions: [] };
    // The first try is only shown the offers, so the second answer is the one that matters.
    await wal.commit(request);
    await wal.offer(0, contractOffers('s', 3, { type: 'append', message: contractMessage('o3') }));
    const next = { ...request, number: 2 };
    for (let tries = 0; tries < 2; tries++) await lost(() => wal.commit(next));
    const { taken } = await wal.commit(next);
    expect(taken.map(({ message }) => message?.seq)).toEqual([3]);
    expect((await direct.counts(0)).accepted).toBe(3);
  });

  it('opens again for the same incarnation when the answer of an open was lost', async () => {
    await lost(() => wal.open(0, 'me', { node: 'node-1' }));
    await lost(() => wal.open(0, 'me', { node: 'node-1' }));
    const { epoch } = await wal.open(0, 'me', { node: 'node-1' });
    await wal.commit({ shard: 0, epoch, incarnation: 'me', number: 1, transitions: [] });
    expect(await direct.signs([0])).toMatchObject([{ epoch, incarnation: 'me', node: 'node-1' }]);
  });

  it('refuses a lost commit that is sent again after another owner came, and keeps what it did (I3)', async () => {
    const { commit, append } = await opened();
    await lost(() => commit(2, append(1)));
    await direct.open(0, 'other');
    await expect(commit(2, append(1))).rejects.toMatchObject({ name: 'StaleEpochError' });
    expect((await direct.counts(0)).accepted).toBe(1);
  });

  it('survives an answer lost at every step of a commit that must look things up', async () => {
    const { epoch } = await wal.open(0, 'me');
    await direct.offer(0, contractOffers('s', 1, { type: 'append', message: contractMessage('o1') }));
    const request = {
      ...{ shard: 0, epoch, incarnation: 'me', number: 1 },
      transitions: [{ type: 'append', message: contractMessage('m1', 'b', { messageId: 'k' }) }] as const,
    };
    for (let losses = 0; losses < 8; losses++) await lost(() => wal.commit(request));
    const { outcomes, taken } = await wal.commit(request);
    expect(taken.map(({ message }) => message?.seq)).toEqual([1]);
    expect(outcomes).toEqual([{ type: 'appended', seq: 2, dispatched: false }]);
    expect(await direct.counts(0)).toMatchObject({ accepted: 2, pending: 2 });
  });
});
