/** The contract of appends that complete what ran before they were durable (state-only handlers, I2). */
import assert from 'node:assert/strict';
import type { OutgoingMessage, Transition } from '../wal/transition.js';
import type { ContractCase } from './wal-contract-case.js';
import { assertSame, contractMessage } from './wal-contract-shard.js';

function sent(targetShard: number, id: string): OutgoingMessage {
  return { targetShard, append: { type: 'append', message: contractMessage(id, 'receiver') } };
}

export const earlyCases: readonly ContractCase[] = [
  {
    name: 'completes with its append what ran before that was durable (I2)',
    async check(shard) {
      const completes = {
        reply: '7',
        keepVerdict: true,
        state: '{"balance":7}',
        outgoing: [sent(0, 'x'), sent(3, 'y')],
      };
      const append: Transition = { type: 'append', message: contractMessage('m1'), dispatch: true, completes };
      const answer = await shard.answer(append, { type: 'append', message: contractMessage('m2') });
      const [first, second] = answer.outcomes;
      assert(first?.type === 'appended' && first.completed !== undefined);
      assertSame([first.seq, first.dispatched, first.expiresAt], [1, true, undefined]);
      assertSame(
        first.completed.map(({ type }) => type),
        ['arrived', 'outbox'],
      );
      // Its place is never given to another one.
      assertSame(second, { type: 'appended', seq: 3, dispatched: false });
      await shard.crash();
      const { counts, inFlight } = await shard.open();
      assertSame([counts.accepted, counts.completed, counts.pending, inFlight.length], [3, 1, 2, 0]);
      assertSame(await shard.line(), [2, 3]);
      assert.equal(await shard.state('a-1'), '{"balance":7}');
      assertSame((await shard.wal.status(0, 'm1'))?.state, 'completed');
      assertSame(await shard.one({ type: 'append', message: contractMessage('m1') }), {
        type: 'duplicate',
        id: 'm1',
        verdict: { state: 'completed', reply: '7' },
      });
    },
  },
  {
    name: 'completes so many messages of many entities in one commit, each with the state that it left (I5)',
    async check(shard) {
      const appends = Array.from({ length: 40 }, (_, index): Transition => {
        const completes = { state: index === 36 ? null : `{"n":${index}}` };
        return { type: 'append', message: contractMessage(`m${index}`, `e${index % 4}`), dispatch: true, completes };
      });
      assertSame(
        await shard.commit(...appends),
        appends.map((_, index) => ({ type: 'appended', seq: index + 1, dispatched: true, completed: [] })),
      );
      await shard.crash();
      const entities = ['e0', 'e1', 'e2', 'e3'].map((entityId) => ({ entityType: 'account', entityId }));
      assertSame(await shard.wal.actorStates(0, entities), [undefined, '{"n":37}', '{"n":38}', '{"n":39}']);
      assert.equal((await shard.wal.counts(0)).completed, 40);
      assertSame((await shard.open()).nextSeq, 41);
    },
  },
  {
    name: 'shows nothing of a run before its append when that cannot start: another is ahead, it is paused or late (I4)',
    async check(shard) {
      const early = (id: string, entityId: string, more: object = {}): Transition => ({
        type: 'append',
        message: contractMessage(id, entityId),
        dispatch: true,
        completes: { reply: '1', state: '{"ran":1}', outgoing: [sent(0, `of ${id}`)] },
        ...more,
      });
      const outcomes = await shard.commit(
        { type: 'append', message: contractMessage('m1', 'a') },
        early('m2', 'a'),
        early('m3', 'a'),
        { type: 'pause', entityType: 'account', entityId: 'b' },
        early('m4', 'b'),
        early('m5', 'c', { expiresInMs: 0 }),
      );
      assertSame(
        outcomes.flatMap((outcome) => (outcome.type === 'appended' ? [[outcome.dispatched, outcome.completed]] : [])),
        [
          [false, undefined],
          [false, undefined],
          [false, undefined],
          [false, undefined],
        ],
      );
      assert.equal(outcomes.at(-1)?.type, 'expired');
      await shard.crash();
      await shard.open();
      assertSame(await shard.line(), [1, 2, 3, 4]);
      for (const entityId of ['a', 'b', 'c']) assert.equal(await shard.state(entityId), undefined);
      const [second] = await shard.wal.load(0, [2]);
      assertSame([second?.state, second?.attempt], ['enqueued', 0]);
    },
  },
  {
    name: 'refuses an append that completes without being started',
    async check(shard) {
      const append: Transition = { type: 'append', message: contractMessage('m1'), completes: { reply: '1' } };
      await shard.refuses('IllegalTransitionError', () => shard.commit(append));
      assertSame(await shard.line(), []);
    },
  },
  {
    name: 'remembers the messageId of what completed with its append (M12)',
    async check(shard) {
      const message = contractMessage('m1', 'a', { messageId: 'k' });
      await shard.commit({ type: 'append', message, dispatch: true, completes: { reply: '"done"' } });
      await shard.crash();
      await shard.open();
      const again = contractMessage('m2', 'a', { messageId: 'k' });
      assertSame(await shard.one({ type: 'append', message: again, dispatch: true, completes: { reply: '2' } }), {
        type: 'duplicate',
        id: 'm1',
        verdict: { state: 'completed', reply: '"done"' },
      });
    },
  },
];
