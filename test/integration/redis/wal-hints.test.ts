/** What the scripts say on the channels of nodes, and what an owner makes of what it hears. */
import type { Redis } from 'ioredis';
import { beforeEach, describe, expect, it } from 'vitest';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { clusterChannels, type ShardKeys, shardKeys } from '../../../src/wal/redis/keys.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import type { Completion, Transition } from '../../../src/wal/transition.js';
import type { CommitAnswer } from '../../../src/wal/wal.js';
import { freshPrefix } from '../../redis/redis-wals.js';
import { serverOfFile } from '../../redis/server-of-file.js';

const redis = serverOfFile();
let keyPrefix: string;
let keys: ShardKeys;
let wal: RedisWal;
let epoch = 0;
let number = 0;
/** What came on the owner's and on the caller's channel. */
let heard: { readonly channel: string; readonly message: unknown }[];

beforeEach(async () => {
  keyPrefix = freshPrefix();
  keys = shardKeys(keyPrefix, 0);
  wal = await openedBy(redis.client);
  const { node } = clusterChannels(keyPrefix);
  const subscriber = await redis.clients.single(redis.server);
  heard = [];
  subscriber.on('message', (channel: string, text: string) => {
    const name = channel.slice(channel.lastIndexOf(':') + 1);
    for (const message of JSON.parse(text) as unknown[]) heard.push({ channel: name, message });
  });
  await subscriber.subscribe(node('owner'), node('caller'));
});

async function openedBy(by: Redis): Promise<RedisWal> {
  const opened = new RedisWal({ client: by, keyPrefix, slices: 1, reachesNodes: () => true, warn: () => {} });
  await opened.start();
  await opened.allowTypes(0, ['account']);
  ({ epoch } = await opened.open(0, 'life'));
  number = 0;
  return opened;
}

function commit(...transitions: readonly Transition[]): Promise<CommitAnswer> {
  number += 1;
  return wal.commit({ shard: 0, epoch, incarnation: 'life', number, transitions });
}

const append = (id: string, more: object = {}): Transition & { readonly type: 'append' } => ({
  type: 'append',
  message: { ...contractMessage(id), entityType: 'account', ...more },
});

const offer = (session: string, place: number, transition: Transition & { readonly type: 'append' }) =>
  wal.offer(0, contractOffers(session, place, transition), { depthMax: 0, owner: 'owner' });

async function textsInInbox(): Promise<string[]> {
  return redis.client.lrange(keys.inbox, 1, -1);
}

const idsOf = ({ taken }: CommitAnswer): (string | undefined)[] => taken.map(({ message }) => message?.id);

/** Calls of scripts that the act needs. */
async function calls(act: () => Promise<unknown>): Promise<number> {
  const count = async (): Promise<number> =>
    Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1] ?? 0);
  const before = await count();
  await act();
  return (await count()) - before;
}

describe('an offer that finds the inbox empty', () => {
  it('goes along with the wake hint, and is taken in without a look', async () => {
    await offer('s', 1, append('first'));
    await commit();
    await offer('s', 2, append('second'));
    await offer('s', 3, append('third'));
    await expect.poll(() => heard).toHaveLength(3);
    const [one, two, three] = heard.map(({ message }) => message as { readonly offers?: string[] });
    expect(one).toMatchObject({ type: 'wake', shard: 0, offers: [expect.stringContaining('"first"')] });
    expect(two).toMatchObject({ type: 'wake', shard: 0, offers: [expect.stringContaining('"second"')] });
    expect(three).toEqual({ type: 'wake', shard: 0 });
    wal.hinted(0, two?.offers ?? []);
    let answer: CommitAnswer | undefined;
    expect(await calls(async () => (answer = await commit()))).toBe(1);
    expect(idsOf(answer as CommitAnswer)).toEqual(['second']);
    expect(idsOf(await commit())).toEqual(['third']);
  });

  it('stays at home when it is long', async () => {
    await offer('s', 1, append('long', { payload: JSON.stringify('x'.repeat(5_000)) }));
    await expect.poll(() => heard.map(({ message }) => message)).toEqual([{ type: 'wake', shard: 0 }]);
  });
});

describe('a hint that is not true', () => {
  it('takes nothing in a second time', async () => {
    await offer('s', 1, append('first'));
    const texts = await textsInInbox();
    expect(idsOf(await commit())).toEqual(['first']);
    wal.hinted(0, texts);
    expect(idsOf(await commit())).toEqual([]);
    await offer('s', 2, append('second'));
    wal.hinted(0, texts);
    expect(idsOf(await commit())).toEqual(['second']);
  });

  it('takes in what stands there instead of what never did', async () => {
    await offer('s', 1, append('lost'));
    await commit();
    await offer('s', 2, append('lost too'));
    const texts = await textsInInbox();
    // As a server that was rolled back behind the offer.
    await redis.client.del(keys.inbox);
    wal.hinted(0, texts);
    expect(idsOf(await commit())).toEqual([]);
    await offer('t', 1, append('there'));
    wal.hinted(0, texts);
    expect(idsOf(await commit())).toEqual(['there']);
    expect(await wal.status(0, 'lost too')).toBeUndefined();
  });

  it('of what stands further back changes no order, and nothing of the owner overtakes (I4)', async () => {
    await offer('s', 1, append('known'));
    await commit();
    await offer('s', 2, append('one'));
    await offer('s', 3, append('two'));
    const [first, second] = await textsInInbox();
    wal.hinted(0, [second as string]);
    expect(idsOf(await commit())).toEqual(['one', 'two']);
    await offer('s', 4, append('three'));
    await offer('s', 5, append('four'));
    wal.hinted(0, [(await textsInInbox())[0] as string]);
    const { taken, outcomes } = await commit(append('own'));
    expect(taken.map(({ message }) => message?.id)).toEqual(['three', 'four']);
    expect(taken.map(({ message }) => message?.seq)).toEqual([4, 5]);
    expect(outcomes).toMatchObject([{ type: 'appended', seq: 6 }]);
    expect(first).toBeDefined();
  });

  it('does not send a type to the quarantine of which the owner has not heard yet', async () => {
    await offer('s', 1, append('known'));
    await commit();
    await wal.allowTypes(0, ['order']);
    await offer('s', 2, append('new', { entityType: 'order' }));
    wal.hinted(0, await textsInInbox());
    const answer = await commit();
    expect(idsOf(answer)).toEqual(['new']);
    expect(answer.quarantined).toBeUndefined();
  });

  it('may be anything', async () => {
    for (const texts of [
      [],
      [''],
      ['{'],
      ['[]'],
      ['{"session":"s","number":1,"transition":{"type":"cancel","id":"x"}}'],
    ]) {
      wal.hinted(0, texts);
      expect((await commit()).taken).toEqual([]);
    }
    wal.hinted(7, ['x']);
    expect(await wal.quarantine(0, 10)).toEqual([]);
  });

  it.each([1, 2, 3, 4])('never loses, doubles or reorders an offer, whatever is heard when (seed %i)', async (seed) => {
    let state = seed;
    const below = (limit: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (state >>> 8) % limit;
    };
    const offered: string[] = [];
    const texts: string[] = [];
    const got: (string | undefined)[] = [];
    const numbers = [0, 0, 0];
    for (let step = 0; step < 250; step += 1) {
      if (below(2) === 0) {
        const session = below(3);
        numbers[session] = (numbers[session] as number) + 1;
        offered.push(`m${offered.length}`);
        await offer(`s${session}`, numbers[session] as number, append(offered.at(-1) as string));
        texts.push((await textsInInbox()).at(-1) as string);
      }
      const from = below(3) === 0 ? below(texts.length + 1) : got.length;
      if (below(4) > 0) wal.hinted(0, texts.slice(from, from + 1 + below(3)));
      if (below(3) > 0) got.push(...idsOf(await commit()));
    }
    got.push(...idsOf(await commit()), ...idsOf(await commit()));
    expect(got).toEqual(offered);
  });
});

describe('a verdict that somebody waits for elsewhere', () => {
  const told = { id: 'asked', replyTo: 'caller' };
  const complete = (seq: number, more: Partial<Completion> = {}): Transition => ({
    type: 'complete',
    seq,
    keepVerdict: true,
    reply: '{"balance":5}',
    ...more,
  });

  it('is told by the commit that leaves nothing else to do', async () => {
    await commit({ ...append('asked', told), dispatch: true });
    const answer = await commit(complete(1));
    expect(answer.told).toEqual(new Map([['asked', 'caller']]));
    await expect.poll(() => heard).toHaveLength(1);
    expect(heard).toEqual([
      {
        channel: 'caller',
        message: { type: 'verdict', id: 'asked', verdict: { state: 'completed', reply: '{"balance":5}' } },
      },
    ]);
    expect((await wal.status(0, 'asked'))?.verdict).toEqual({ state: 'completed', reply: '{"balance":5}' });
  });

  it('is left to the owner while there is more in line, where the reply cannot be stored, and for who polls', async () => {
    await commit({ ...append('asked', told), dispatch: true }, append('next', { id: 'next', entityId: 'other' }));
    expect((await commit(complete(1))).told).toBeUndefined();
    await commit({ type: 'dispatch', seq: 2 });
    await commit(complete(2));
    await commit({ ...append('untold', { ...told, id: 'untold' }), dispatch: true });
    expect((await commit(complete(3, { reply: undefined, untold: true }))).told).toBeUndefined();
    await commit({ ...append('polled', { id: 'polled', replyTo: 'poll' }), dispatch: true });
    expect((await commit(complete(4))).told).toBeUndefined();
    await commit({ ...append('last', { ...told, id: 'last' }), dispatch: true });
    expect((await commit(complete(5))).told?.get('last')).toBe('caller');
    await expect.poll(() => heard).toHaveLength(1);
    expect(heard).toMatchObject([{ message: { id: 'last' } }]);
  });

  it('is left to the owner where there are many, or large ones, so that they travel once (M3)', async () => {
    const ids = Array.from({ length: 17 }, (_, n) => `crowd.${n}`);
    await commit(...ids.map((id) => ({ ...append(id, { ...told, id, entityId: id }), dispatch: true })));
    expect((await commit(...ids.map((_, n) => complete(n + 1)))).told).toBeUndefined();
    await commit({ ...append('large', { ...told, id: 'large' }), dispatch: true });
    const large = JSON.stringify('x'.repeat(16_384));
    expect((await commit(complete(18, { reply: large }))).told).toBeUndefined();
    await commit({ ...append('last', { ...told, id: 'last' }), dispatch: true });
    expect((await commit(complete(19))).told?.get('last')).toBe('caller');
    await expect.poll(() => heard).toHaveLength(1);
  });

  it('does no harm to the commit where the server forbids to publish', async () => {
    await redis.client.call('ACL', 'SETUSER', 'mute', 'on', 'nopass', '~*', '+@all', 'resetchannels');
    const mute = await redis.clients.single(redis.server);
    await mute.call('AUTH', 'mute', 'any');
    wal = await openedBy(mute);
    await commit({ ...append('asked', told), dispatch: true });
    const answer = await commit(complete(1));
    expect(answer.outcomes).toEqual([{ type: 'applied' }]);
    expect((await wal.status(0, 'asked'))?.verdict).toMatchObject({ state: 'completed' });
    await offer('s', 1, append('offered'));
    expect(idsOf(await commit())).toEqual(['offered']);
    // The server tells in order: with this one, all that was published before has come.
    await redis.client.publish(clusterChannels(keyPrefix).node('caller'), '["last"]');
    await expect.poll(() => heard.map(({ message }) => message)).toEqual(['last']);
  });
});
