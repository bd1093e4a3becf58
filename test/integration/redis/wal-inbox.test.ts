/** What anyone may push into an inbox, and the keys of a shard over its life. */
import { beforeEach, describe, expect, it } from 'vitest';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { type ShardKeys, shardKeys, shardKeysByKind } from '../../../src/wal/redis/keys.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import type { CommitAnswer } from '../../../src/wal/wal.js';
import { freshPrefix } from '../../redis/redis-wals.js';
import { serverOfFile } from '../../redis/server-of-file.js';

const redis = serverOfFile();
let wal: RedisWal;
let keys: ShardKeys;
let keyPrefix: string;
let epoch = 0;
let number = 0;

beforeEach(async () => {
  keyPrefix = freshPrefix();
  wal = new RedisWal({
    client: redis.client,
    keyPrefix,
    slices: 1,
    offerBytesMax: 1_000,
    retention: { entryTtlMs: 0 },
  });
  await wal.start();
  keys = shardKeys(keyPrefix, 0);
});

async function open(): Promise<void> {
  ({ epoch } = await wal.open(0, 'me'));
  number = 0;
}

async function commit(...transitions: readonly Transition[]): Promise<CommitAnswer> {
  number += 1;
  return wal.commit({ shard: 0, epoch, incarnation: 'me', number, transitions });
}

const plain = (fields: object): string =>
  JSON.stringify({ entityType: 'account', entityId: 'a', name: 'Deposit', payload: { amount: 5 }, ...fields });

describe('the inbox', () => {
  it('takes plain messages from any language, also before the shard was ever opened', async () => {
    await redis.client.rpush(keys.inbox, plain({}), plain({ id: 'mine', payload: '{"big":12345678901234567890}' }));
    await open();
    await redis.client.rpush(
      keys.inbox,
      plain({ id: 'late', delayMs: 60_000, messageId: 'k', headers: { trace: 't' }, replyTo: 'me' }),
      plain({ id: 'short', expiresInMs: 60_000, payload: null }),
    );
    const { taken, quarantined } = await commit();
    expect(quarantined).toBeUndefined();
    expect(taken.map(({ outcome }) => outcome.type)).toEqual(['appended', 'appended', 'delayed', 'appended']);
    const [first, second, , fourth] = taken.map(({ message }) => message);
    expect(first).toMatchObject({ kind: 'command', payload: '{"amount":5}', seq: 1 });
    expect(first?.id).toMatch(/^[a-z0-9]{8}-[a-z0-9]+-o\.1\.[a-z0-9]+$/);
    expect(second).toMatchObject({ id: 'mine', payload: '{"big":12345678901234567890}' });
    expect(fourth?.expiresAt).toBeGreaterThan(0);
    expect(await wal.status(0, 'late')).toMatchObject({ state: 'enqueued' });
    await redis.client.rpush(keys.inbox, plain({ id: 'mine' }));
    expect((await commit()).taken[0]?.outcome).toMatchObject({ type: 'duplicate', id: 'mine' });
  });

  it('quarantines what is no message, names why, and goes on with the rest (I7)', async () => {
    await open();
    await wal.allowTypes(0, ['account']);
    const unusable: readonly (readonly [text: string, reason: RegExp])[] = [
      ['hello', /not JSON/],
      ['', /not JSON/],
      ['[]', /no (JSON )?object/],
      ['null', /no (JSON )?object/],
      ['{"session":"s","number":1,"transition":{"type":"complete","seq":1}}', /cannot be offered/],
      ['{"session":"s","number":"1","transition":{"type":"cancel","id":"x"}}', /number/],
      ['{"session":"s","number":1,"transition":null}', /cannot be offered/],
      [plain({ payload: undefined }), /no payload/],
      [plain({ payload: 'hello' }), /not JSON/],
      [plain({ entityId: 7 }), /entityId/],
      [plain({ name: '' }), /name/],
      [plain({ kind: 'event' }), /kind/],
      [plain({ delayMs: 'soon' }), /delayMs/],
      [plain({ headers: { a: 1 } }), /headers/],
      [plain({ entityType: 'foreign' }), /unknown entity type "foreign"/],
      [plain({ payload: { text: 'x'.repeat(5_000) } }), /too large/],
    ];
    await redis.client.rpush(keys.inbox, ...unusable.map(([text]) => text), plain({ id: 'good' }));
    const { taken, quarantined, outcomes } = await commit({ type: 'append', message: contractMessage('own', 'b') });
    expect(quarantined).toBe(unusable.length);
    expect(taken.map(({ message }) => message?.id)).toEqual(['good']);
    expect(outcomes).toMatchObject([{ type: 'appended', seq: 2 }]);
    const kept = (await wal.quarantine(0, 100)).toReversed();
    expect(kept.length).toBe(unusable.length);
    for (const [index, [text, reason]] of unusable.entries()) {
      expect(kept[index]?.reason).toMatch(reason);
      expect(kept[index]?.text).toBe(text.slice(0, 4_096));
    }
  });

  it('keeps the newest of the quarantine only (I10)', async () => {
    await open();
    for (let round = 0; round < 3; round++) {
      await redis.client.rpush(keys.inbox, ...Array.from({ length: 500 }, (_, index) => `bad ${round * 500 + index}`));
      expect((await commit()).quarantined).toBe(500);
    }
    const kept = await wal.quarantine(0, 2_000);
    expect([kept.length, kept[0]?.text, kept.at(-1)?.text]).toEqual([1_000, 'bad 1499', 'bad 500']);
  });
});

describe('the keys of a shard', () => {
  it('never vanish once it was opened, whatever it holds (M4)', async () => {
    const { hash, zset, list, set } = shardKeysByKind(keys);
    const all = [...hash, ...zset, ...list, ...set];
    const here = async (): Promise<number> => redis.client.exists(...all);
    await wal.offer(0, contractOffers('s', 1, { type: 'append', message: contractMessage('o') }));
    await open();
    expect(await here()).toBe(all.length);
    const error = { name: 'Error', message: 'broke' };
    const append = (id: string, more: object = {}): Transition => ({
      type: 'append',
      message: { ...contractMessage(id, id), ...more },
      dispatch: true,
    });
    const steps: readonly (readonly Transition[])[] = [
      [
        append('a'),
        append('b', { messageId: 'k' }),
        append('c'),
        { type: 'pause', entityType: 'account', entityId: 'z' },
      ],
      [{ type: 'append', message: contractMessage('d'), runAt: Date.now() + 50 }],
      [
        {
          type: 'complete',
          seq: 2,
          state: '{}',
          stateTtlMs: 60_000,
          outgoing: [{ targetShard: 1, append: { type: 'append', message: contractMessage('x') } }],
        },
        { type: 'append', message: contractMessage('r', 'r', { recurrence: '{}' }), delayMs: 60_000 },
      ],
      [
        { type: 'relayed', count: 1 },
        { type: 'cancel', id: 'r' },
      ],
      [
        { type: 'block', seq: 3, error },
        { type: 'unblock', id: 'b' },
        { type: 'dispatch', seq: 3 },
      ],
      [
        { type: 'retry', seq: 3, delayMs: 0, error },
        { type: 'dispatch', seq: 3 },
      ],
      [
        { type: 'fail', seq: 3, error, keepVerdict: true },
        { type: 'fail', seq: 4, error },
      ],
      [
        { type: 'purge', id: 'b' },
        { type: 'purge', id: 'c' },
        { type: 'cancel', id: 'd' },
        { type: 'cancel', id: 'o' },
      ],
      [append('e', { entityId: 'a' }), { type: 'complete', seq: 5, state: null }],
      [{ type: 'resume', entityType: 'account', entityId: 'z' }],
    ];
    for (const step of steps) {
      await commit(...step);
      expect(await here()).toBe(all.length);
    }
    await wal.cleanup(0, epoch, 'me', 100);
    expect(await here()).toBe(all.length);
    expect(await wal.counts(0)).toMatchObject({ accepted: 7, pending: 0, deadLetters: 0 });
    // Beside sentinels, only what is to stay does: marks, numbers, what was sent out.
    let fields = 0;
    for (const key of hash) fields += await redis.client.hlen(key);
    expect(fields - hash.length).toBe((await redis.client.hlen(keys.meta)) - 1 + 3);
    expect(await redis.client.keys(`*${keyPrefix}*`)).toHaveLength(all.length + 1);
  });

  it('lists a backlog whose oldest message is far behind, with few commands', async () => {
    await open();
    await commit({ type: 'append', message: contractMessage('old') });
    const meta = (await redis.client.hget(keys.meta, 'numbers')) ?? '';
    await redis.client.hset(keys.meta, 'numbers', meta.replace(/^\d+/, '5000000'));
    await open();
    const append = (id: string): Transition => ({ type: 'append', message: contractMessage(id, id) });
    for (let round = 0; round < 3; round++)
      await commit(...Array.from({ length: 1_000 }, (_, index) => append(`m${round}-${index}`)));
    const commandsOf = async (): Promise<number> =>
      Number((await redis.server.info('stats'))['total_commands_processed']);
    const before = await commandsOf();
    const seen: number[] = [];
    for (let after = 0; ; ) {
      const page = await wal.scan(0, after, 500);
      if (page.length === 0) break;
      seen.push(...page.map(({ seq }) => seq));
      after = seen.at(-1) ?? after;
    }
    expect(seen).toEqual([1, ...Array.from({ length: 3_000 }, (_, index) => 5_000_000 + index)]);
    expect((await commandsOf()) - before).toBeLessThan(200);
  });
});
