/** The contract of endings: verdicts, dead letters, interruptions, deadlines, idempotency keys, and the counts. */
import assert from 'node:assert/strict';
import { HISTORY_LENGTH_MAX, type Transition } from '../wal/transition.js';
import type { ContractCase } from './wal-contract-case.js';
import { assertSame, CONTRACT_ERROR, CONTRACT_RETENTION, contractMessage } from './wal-contract-shard.js';

const error = CONTRACT_ERROR;
const keyed = (id: string, entityId = 'a-1') => contractMessage(id, entityId, { messageId: 'k' });

export const endingCases: readonly ContractCase[] = [
  {
    name: 'ends a message once: every further end of it is refused (I5)',
    async check(shard) {
      const ends: readonly Transition[] = [
        { type: 'complete', seq: 1 },
        { type: 'fail', seq: 1, error },
        { type: 'interrupt', seq: 1 },
        { type: 'retry', seq: 1, delayMs: 0, error },
        { type: 'block', seq: 1, error },
        { type: 'complete', seq: 7, starts: true },
      ];
      for (const end of ends) await shard.refuses('IllegalTransitionError', () => shard.commit(end));
      await shard.append(contractMessage('m1'));
      for (const end of ends) await shard.refuses('IllegalTransitionError', () => shard.commit(end));
      await shard.commit({ type: 'dispatch', seq: 1 }, { type: 'complete', seq: 1 });
      for (const end of ends) await shard.refuses('IllegalTransitionError', () => shard.commit(end));
      assertSame(await shard.commit({ type: 'dispatch', seq: 1 }, { type: 'expire', seq: 1 }), [
        { type: 'not-found' },
        { type: 'not-found' },
      ]);
    },
  },
  {
    name: 'keeps a verdict for those who may ask, and forgets all others (M12)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.commit({ type: 'complete', seq: 1, reply: '1' });
      assert.equal(await shard.wal.status(0, 'm1'), undefined);
      await shard.start(contractMessage('m2'));
      await shard.commit({ type: 'complete', seq: 2, reply: '2', keepVerdict: true });
      await shard.crash();
      await shard.open();
      const verdict = { state: 'completed', reply: '2' };
      assertSame(await shard.wal.status(0, 'm2'), {
        id: 'm2',
        state: 'completed',
        entityType: 'account',
        entityId: 'a-1',
        attempt: 0,
        verdict,
      });
      shard.clock.nowMs += CONTRACT_RETENTION.entryTtlMs - 1;
      assert.notEqual(await shard.wal.status(0, 'm2'), undefined);
      shard.clock.nowMs += 1;
      assert.equal(await shard.wal.status(0, 'm2'), undefined);
    },
  },
  {
    name: 'puts a failed message into the dead letters with reason, error, attempts and history (I7)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.commit({ type: 'retry', seq: 1, delayMs: 0, error }, { type: 'dispatch', seq: 1 });
      shard.clock.nowMs += 10;
      await shard.commit({ type: 'fail', seq: 1, error });
      await shard.crash();
      const opened = await shard.open();
      assertSame({ ...opened.deadLettersByType }, { account: 1 });
      const letter = await shard.wal.deadLetter(0, 'm1');
      assertSame(
        [letter?.number, letter?.reason, letter?.error, letter?.diedAt],
        [1, 'failed', error, shard.clock.nowMs],
      );
      assertSame(
        letter?.message.history.map(({ attempt, outcome }) => [attempt, outcome]),
        [
          [1, 'retried'],
          [2, 'failed'],
        ],
      );
      assert.equal(letter?.message.payload, contractMessage('m1').payload);
      const status = await shard.wal.status(0, 'm1');
      assertSame([status?.state, status?.attempt, status?.verdict], ['failed', 2, { state: 'failed', error }]);
    },
  },
  {
    name: 'counts interruptions durably, with and without another attempt (M13)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      for (const interruptions of [1, 2]) {
        await shard.crash();
        const { inFlight } = await shard.open();
        assert.equal(inFlight[0]?.interruptions, interruptions - 1);
        const outcomes = await shard.commit({ type: 'interrupt', seq: 1, retry: true }, { type: 'dispatch', seq: 1 });
        assertSame(outcomes, [
          { type: 'retried', notBefore: 0 },
          { type: 'dispatched', attempt: interruptions + 1 },
        ]);
      }
      await shard.commit({ type: 'interrupt', seq: 1, error });
      const letter = await shard.wal.deadLetter(0, 'm1');
      assertSame([letter?.reason, letter?.error, letter?.message.interruptions], ['interrupted', error, 3]);
      assertSame(
        letter?.message.history.map(({ outcome }) => outcome),
        ['interrupted', 'interrupted', 'interrupted'],
      );
    },
  },
  {
    name: 'holds a blocked message at the head of its line until it is retried in place or skipped (M17)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.append(contractMessage('m2'));
      await shard.commit({ type: 'block', seq: 1, error });
      await shard.crash();
      assertSame((await shard.open()).inFlight, []);
      assert.equal((await shard.wal.status(0, 'm1'))?.state, 'blocked');
      await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'dispatch', seq: 2 }));
      await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'dispatch', seq: 1 }));
      assertSame(await shard.one({ type: 'cancel', id: 'm1' }), { type: 'already-started' });
      const [unblocked] = await shard.commit(
        { type: 'unblock', id: 'm1' },
        { type: 'dispatch', seq: 1 },
        { type: 'block', seq: 1, error },
      );
      assert(unblocked?.type === 'unblocked');
      const { id, seq, state, attempt, notBefore } = unblocked.message;
      assertSame([id, seq, state, attempt, notBefore], ['m1', 1, 'enqueued', 1, 0]);
      const [skipped] = await shard.commit({ type: 'skip', id: 'm1' }, { type: 'dispatch', seq: 2 });
      assert(skipped?.type === 'skipped');
      assertSame([skipped.message.id, skipped.message.state, skipped.reason], ['m1', 'blocked', 'failed']);
      const letter = await shard.wal.deadLetter(0, 'm1');
      assertSame([letter?.reason, letter?.error, letter?.message.attempt], ['failed', error, 2]);
      assertSame(
        letter?.message.history.map(({ outcome }) => outcome),
        ['blocked', 'blocked'],
      );
    },
  },
  {
    name: 'keeps only the latest records of an often retried message (I10)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      for (let attempt = 1; attempt <= HISTORY_LENGTH_MAX + 2; attempt++) {
        await shard.commit({ type: 'retry', seq: 1, delayMs: 0, error }, { type: 'dispatch', seq: 1 });
      }
      const [message] = await shard.wal.load(0, [1]);
      assert.equal(message?.history.length, HISTORY_LENGTH_MAX);
      assert.equal(message?.history[0]?.attempt, 3);
    },
  },
  {
    name: 'ends a waiting message whose deadline has passed instead of starting it',
    async check(shard) {
      const expiresAt = shard.clock.nowMs + 100;
      const outcomes = await shard.commit(
        { type: 'append', message: contractMessage('m1', 'a'), expiresInMs: 100 },
        { type: 'append', message: contractMessage('m2', 'b'), expiresInMs: 100 },
        { type: 'append', message: contractMessage('m3', 'a') },
      );
      assertSame(outcomes[0], { type: 'appended', seq: 1, dispatched: false, expiresAt });
      assertSame(await shard.one({ type: 'expire', seq: 1 }), { type: 'not-due', dueAt: expiresAt });
      await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'expire', seq: 3 }));
      shard.clock.nowMs = expiresAt;
      const ended = await shard.commit(
        { type: 'dispatch', seq: 1 },
        { type: 'expire', seq: 2 },
        { type: 'dispatch', seq: 3 },
      );
      assertSame(
        ended.map(({ type }) => type),
        ['expired', 'expired', 'dispatched'],
      );
      assert(ended[0]?.type === 'expired');
      assertSame([ended[0].message.id, ended[0].message.attempt, ended[0].message.state], ['m1', 0, 'enqueued']);
      const letter = await shard.wal.deadLetter(0, 'm2');
      assertSame([letter?.reason, letter?.error, letter?.message.history], ['expired', undefined, []]);
    },
  },
  {
    name: 'forgets the deadline of a message that has started once: it runs again although the time has passed',
    async check(shard) {
      await shard.commit({ type: 'append', message: contractMessage('m1'), dispatch: true, expiresInMs: 100 });
      await shard.commit({ type: 'retry', seq: 1, delayMs: 0, error });
      shard.clock.nowMs += 1_000;
      assertSame(await shard.one({ type: 'expire', seq: 1 }), { type: 'already-started' });
      assertSame(await shard.one({ type: 'dispatch', seq: 1 }), { type: 'dispatched', attempt: 2 });
    },
  },
  {
    name: 'ends a message that was late already when it came, or when its delay was over',
    async check(shard) {
      const late = await shard.one({ type: 'append', message: contractMessage('m1'), dispatch: true, expiresInMs: 0 });
      assert.equal(late.type, 'expired');
      const waits = await shard.one({ type: 'append', message: contractMessage('m2'), expiresInMs: -5 });
      assert.equal(waits.type, 'appended');
      await shard.commit({ type: 'append', message: contractMessage('m3'), delayMs: 50, expiresInMs: 20 });
      shard.clock.nowMs += 50;
      const due = await shard.one({ type: 'promote', id: 'm3' });
      assert(due.type === 'expired');
      assert.equal(due.message.seq, 0);
      assert.equal((await shard.wal.counts(0)).expired, 2);
      assert.equal((await shard.wal.deadLetter(0, 'm3'))?.message.seq, 0);
    },
  },
  {
    name: 'withdraws what has not started, and only that',
    async check(shard) {
      await shard.append(contractMessage('m1'), keyed('m2', 'b'));
      await shard.commit({ type: 'append', message: contractMessage('m3'), delayMs: 50 }, { type: 'dispatch', seq: 1 });
      const outcomes = await shard.commit(...['m1', 'm2', 'm3', 'm4'].map((id) => ({ type: 'cancel', id }) as const));
      assertSame(
        outcomes.map(({ type }) => type),
        ['already-started', 'cancelled', 'cancelled', 'not-found'],
      );
      assertSame((await shard.wal.status(0, 'm2'))?.verdict, { state: 'cancelled' });
      assert.equal(await shard.wal.status(0, 'm3'), undefined);
      assertSame(await shard.one({ type: 'cancel', id: 'm2' }), { type: 'not-found' });
      assertSame(await shard.wal.due(0, Number.MAX_SAFE_INTEGER, 10), { ids: [] });
    },
  },
  {
    name: 'does not withdraw a message that has started once and waits for its next attempt',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.commit({ type: 'retry', seq: 1, delayMs: 50, error });
      assertSame(await shard.one({ type: 'cancel', id: 'm1' }), { type: 'already-started' });
      await shard.start(contractMessage('m2', 'b'));
      await shard.commit({ type: 'interrupt', seq: 2, retry: true });
      assertSame(await shard.one({ type: 'cancel', id: 'm2' }), { type: 'already-started' });
      await shard.start(contractMessage('m3', 'c'));
      await shard.commit({ type: 'retry', seq: 3, delayMs: 0, error, unstarted: true });
      assert.equal((await shard.one({ type: 'cancel', id: 'm3' })).type, 'cancelled');
      assertSame(await shard.line(), [1, 2]);
    },
  },
  {
    name: 'accepts a second message with a known messageId as the first one (M11)',
    async check(shard) {
      const first = await shard.commit(
        { type: 'append', message: keyed('m1') },
        { type: 'append', message: keyed('m2') },
      );
      assertSame(first[1], { type: 'duplicate', id: 'm1' });
      assert.equal((await shard.append(keyed('m3', 'b'))).length, 1, 'it is scoped to its entity');
      await shard.commit({ type: 'dispatch', seq: 1 }, { type: 'complete', seq: 1, reply: '"done"' });
      const verdict = { state: 'completed', reply: '"done"' };
      await shard.crash();
      await shard.open();
      assertSame(await shard.one({ type: 'append', message: keyed('m4'), dispatch: true }), {
        type: 'duplicate',
        id: 'm1',
        verdict,
      });
      assert.equal((await shard.wal.counts(0)).accepted, 2);
      shard.clock.nowMs += CONTRACT_RETENTION.entryTtlMs;
      assert.equal((await shard.one({ type: 'append', message: keyed('m5') })).type, 'appended');
    },
  },
  {
    name: 'knows a message by its id while it waits, is dead or has a kept verdict: it is appended once',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.commit({ type: 'append', message: contractMessage('m2'), delayMs: 9 });
      for (const id of ['m1', 'm2']) {
        assertSame(await shard.one({ type: 'append', message: contractMessage(id) }), { type: 'duplicate', id });
      }
      await shard.commit({ type: 'fail', seq: 1, error });
      const again = await shard.one({ type: 'append', message: contractMessage('m1') });
      assertSame(again, { type: 'duplicate', id: 'm1', verdict: { state: 'failed', error } });
    },
  },
  {
    name: 'replays a dead letter as a new message, to which its messageId then points (M17)',
    async check(shard) {
      await shard.start(keyed('m1'));
      await shard.commit({ type: 'fail', seq: 1, error });
      await shard.append(contractMessage('m2'));
      shard.clock.nowMs += 10;
      const [queued, again] = await shard.commit(
        { type: 'replay', id: 'm1', newId: 'n1' },
        { type: 'replay', id: 'm1', newId: 'n2' },
      );
      assert(queued?.type === 'queued');
      assertSame(again, { type: 'not-found' });
      const { id, seq, attempt, history, replayOf, enqueuedAt, state } = queued.message;
      assertSame(
        [id, seq, attempt, history, replayOf, enqueuedAt, state],
        ['n1', 3, 0, [], 'm1', shard.clock.nowMs, 'enqueued'],
      );
      assert.equal(await shard.wal.deadLetter(0, 'm1'), undefined);
      assertSame(await shard.one({ type: 'append', message: keyed('m3') }), { type: 'duplicate', id: 'n1' });
      const counts = await shard.wal.counts(0);
      assertSame([counts.accepted, counts.pending, counts.failed, counts.deadLetters], [3, 2, 1, 0]);
    },
  },
  {
    name: 'replays no letter to an id that is taken',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.commit({ type: 'fail', seq: 1, error });
      await shard.append(contractMessage('m2'));
      assertSame(await shard.one({ type: 'replay', id: 'm1', newId: 'm2' }), { type: 'duplicate', id: 'm2' });
      assert.notEqual(await shard.wal.deadLetter(0, 'm1'), undefined);
    },
  },
  {
    name: 'purges a dead letter, which ended all the same (I7)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.commit({ type: 'fail', seq: 1, error });
      assertSame(await shard.commit({ type: 'purge', id: 'm1' }, { type: 'purge', id: 'm1' }), [
        { type: 'purged', entityType: 'account' },
        { type: 'not-found' },
      ]);
      const counts = await shard.wal.counts(0);
      assertSame([counts.accepted, counts.failed, counts.deadLetters], [1, 1, 0]);
      assertSame({ ...(await shard.open()).deadLettersByType }, {});
    },
  },
  {
    name: 'keeps at most the configured number of verdicts, the latest ones (M11)',
    retention: { entryTtlMs: 1_000, verdictsMax: 2 },
    async check(shard) {
      for (const id of ['m1', 'm2', 'm3']) {
        const seq = await shard.start(contractMessage(id));
        await shard.commit({ type: 'complete', seq, keepVerdict: true });
      }
      const known = await Promise.all(['m1', 'm2', 'm3'].map((id) => shard.wal.status(0, id)));
      assertSame(
        known.map((status) => status?.id),
        [undefined, 'm2', 'm3'],
      );
    },
  },
  {
    name: 'forgets verdicts past their time, a few in each call',
    async check(shard) {
      for (const id of ['m1', 'm2', 'm3']) {
        const seq = await shard.start(keyed(id, id));
        await shard.commit({ type: 'complete', seq });
        shard.clock.nowMs += 1_000;
      }
      const clean = (limit: number): Promise<number> => shard.wal.cleanup(0, shard.epoch, shard.incarnation, limit);
      assert.equal(await clean(10), 0);
      shard.clock.nowMs += CONTRACT_RETENTION.entryTtlMs - 1_000;
      assertSame([await clean(2), await clean(2)], [2, 1]);
      assert.equal((await shard.one({ type: 'append', message: keyed('m1', 'm1') })).type, 'appended');
    },
  },
];
