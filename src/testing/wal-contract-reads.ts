/** The contract of reading: pages, filters, and what the store says of a message at each stage. */
import assert from 'node:assert/strict';
import type { DeadLetterQuery } from '../wal/wal.js';
import type { ContractCase } from './wal-contract-case.js';
import { assertSame, CONTRACT_ERROR, type ContractShard, contractMessage } from './wal-contract-shard.js';

async function fill(shard: ContractShard, count: number): Promise<void> {
  await shard.append(...Array.from({ length: count }, (_, index) => contractMessage(`m${index + 1}`, `e${index % 3}`)));
}

export const readCases: readonly ContractCase[] = [
  {
    name: 'pages through the line by place, without gaps or repeats',
    async check(shard) {
      await fill(shard, 10);
      await shard.commit({ type: 'cancel', id: 'm4' }, { type: 'cancel', id: 'm10' }, { type: 'dispatch', seq: 1 });
      const seen: number[] = [];
      for (let after = 0; seen.length <= 10; ) {
        const page = await shard.wal.scan(0, after, 3);
        if (page.length === 0) break;
        seen.push(...page.map((head) => head.seq));
        after = seen.at(-1) ?? after;
      }
      assertSame(seen, [1, 2, 3, 5, 6, 7, 8, 9]);
      const [head] = await shard.wal.scan(0, 0, 1);
      assertSame(
        { ...head },
        {
          seq: 1,
          entityType: 'account',
          entityId: 'e0',
          name: 'Deposit',
          state: 'dispatched',
          attempt: 1,
          interruptions: 0,
          notBefore: 0,
          expiresAt: 0,
        },
      );
      assertSame(await shard.wal.scan(0, 0, 0), []);
    },
  },
  {
    name: 'loads messages by place, in order, leaving out those that are not there',
    async check(shard) {
      await fill(shard, 5);
      await shard.commit({ type: 'cancel', id: 'm2' });
      const loaded = await shard.wal.load(0, [5, 2, 1, 99, 5]);
      assertSame(
        loaded.map(({ seq, id }) => [seq, id]),
        [
          [1, 'm1'],
          [5, 'm5'],
        ],
      );
      assertSame(await shard.wal.load(0, []), []);
    },
  },
  {
    name: 'loads a large page in one call',
    async check(shard) {
      await fill(shard, 3_000);
      const seqs = Array.from({ length: 3_000 }, (_, index) => index + 1);
      const loaded = await shard.wal.load(0, seqs);
      assertSame(
        loaded.map(({ seq }) => seq),
        seqs,
      );
    },
  },
  {
    name: 'lists delayed messages that are due, the earliest first, and when the next one is',
    async check(shard) {
      const { nowMs } = shard.clock;
      const delays = [30, 10, 20, 10];
      await shard.commit(
        ...delays.map(
          (delayMs, index) => ({ type: 'append', message: contractMessage(`m${index}`), delayMs }) as const,
        ),
      );
      assertSame({ ...(await shard.wal.due(0, nowMs, 10)) }, { ids: [], nextDueAt: nowMs + 10 });
      assertSame({ ...(await shard.wal.due(0, nowMs + 20, 10)) }, { ids: ['m1', 'm3', 'm2'], nextDueAt: nowMs + 30 });
      assertSame({ ...(await shard.wal.due(0, nowMs + 20, 1)) }, { ids: ['m1'], nextDueAt: nowMs + 10 });
      const all = await shard.wal.due(0, nowMs + 30, 10);
      assertSame([all.ids, all.nextDueAt], [['m1', 'm3', 'm2', 'm0'], undefined]);
    },
  },
  {
    name: 'finds dead letters by page, type, entity, name, reason and time',
    async check(shard) {
      const born = shard.clock.nowMs;
      const messages = [
        contractMessage('m1', 'a'),
        contractMessage('m2', 'b', { name: 'Withdraw' }),
        contractMessage('m3', 'a', { entityType: 'order' }),
        contractMessage('m4', 'c'),
      ];
      for (const message of messages) {
        const seq = await shard.start(message);
        shard.clock.nowMs += 10;
        if (message.id === 'm4') await shard.commit({ type: 'interrupt', seq });
        else await shard.commit({ type: 'fail', seq, error: CONTRACT_ERROR });
      }
      const find = async (query: Partial<DeadLetterQuery>): Promise<string> => {
        const letters = await shard.wal.deadLetters(0, { limit: 10, ...query });
        const { after: _after, limit: _limit, ...filter } = query;
        const refs = letters.map(({ id, number }) => ({ id, number }));
        assertSame((await shard.wal.deadLetterIds?.(0, { limit: 10, ...query })) ?? refs, refs);
        const all = (await shard.wal.deadLetters(0, { ...filter, limit: 10 })).length;
        assert.equal((await shard.wal.deadLetterCount?.(0, filter)) ?? all, all);
        return letters.map(({ id }) => id).join();
      };
      assert.equal(await find({}), 'm1,m2,m3,m4');
      assert.equal(await find({ limit: 2 }), 'm1,m2');
      assert.equal(await find({ after: 2 }), 'm3,m4');
      assert.equal(await find({ entityType: 'account' }), 'm1,m2,m4');
      assert.equal(await find({ entityType: 'account', entityId: 'a' }), 'm1');
      assert.equal(await find({ name: 'Withdraw' }), 'm2');
      assert.equal(await find({ reason: 'interrupted' }), 'm4');
      assert.equal(await find({ since: born + 20 }), 'm2,m3,m4');
      assert.equal(await find({ until: born + 20 }), 'm1');
      assert.equal(await find({ since: born + 20, until: born + 40, limit: 1, after: 2 }), 'm3');
      assertSame({ ...(await shard.open()).deadLettersByType }, { account: 3, order: 1 });
      assert.equal(await shard.wal.deadLetter(0, 'none'), undefined);
    },
  },
  {
    name: 'tells where a message is at each stage',
    async check(shard) {
      const state = async (): Promise<string | undefined> => (await shard.wal.status(0, 'm1'))?.state;
      assert.equal(await state(), undefined);
      await shard.commit({ type: 'append', message: contractMessage('m1', 'a', { messageId: 'k' }), delayMs: 5 });
      assert.equal(await state(), 'enqueued');
      shard.clock.nowMs += 5;
      await shard.commit({ type: 'promote', id: 'm1' });
      assert.equal(await state(), 'enqueued');
      await shard.commit({ type: 'dispatch', seq: 1 });
      assertSame(
        { ...(await shard.wal.status(0, 'm1')) },
        { id: 'm1', state: 'dispatched', entityType: 'account', entityId: 'a', attempt: 1 },
      );
      await shard.commit({ type: 'block', seq: 1, error: CONTRACT_ERROR });
      assert.equal(await state(), 'blocked');
      await shard.commit({ type: 'skip', id: 'm1' });
      assert.equal(await state(), 'failed');
      await shard.commit({ type: 'purge', id: 'm1' });
      assert.equal(await state(), 'failed', 'its verdict is kept for its messageId');
    },
  },
  {
    name: 'counts every accepted message exactly once, whatever became of it (I7)',
    async check(shard) {
      await fill(shard, 7);
      await shard.commit(
        { type: 'append', message: contractMessage('d1'), delayMs: 5 },
        { type: 'append', message: contractMessage('x1', 'x'), dispatch: true, expiresInMs: 0 },
        { type: 'dispatch', seq: 1 },
        { type: 'dispatch', seq: 2 },
        { type: 'dispatch', seq: 3 },
      );
      await shard.commit(
        { type: 'complete', seq: 1 },
        { type: 'fail', seq: 2, error: CONTRACT_ERROR },
        { type: 'interrupt', seq: 3 },
        { type: 'cancel', id: 'm4' },
      );
      assertSame(
        { ...(await shard.wal.counts(0)) },
        {
          accepted: 9,
          completed: 1,
          failed: 1,
          interrupted: 1,
          expired: 1,
          cancelled: 1,
          pending: 4,
          deadLetters: 3,
          blocked: 0,
        },
      );
    },
  },
];
