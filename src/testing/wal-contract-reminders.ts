/** The contract of messages that recur, of replaced ones, and of blocked and paused lines as others see them. */
import assert from 'node:assert/strict';
import type { Envelope } from '../message/envelope.js';
import type { Outcome, StoredMessage } from '../wal/transition.js';
import type { ContractCase } from './wal-contract-case.js';
import {
  assertSame,
  CONTRACT_ERROR,
  type ContractShard,
  contractMessage,
  contractOffers,
  remindersInOrder,
} from './wal-contract-shard.js';

const error = CONTRACT_ERROR;
const EVERY = '{"every":50}';

function remind(
  shard: ContractShard,
  id: string,
  delayMs: number,
  more: Partial<Envelope> = {},
  replace = false,
): Promise<Outcome> {
  const message = contractMessage(id, 'a-1', { recurrence: EVERY, ...more });
  return shard.one({ type: 'append', message, delayMs, ...(replace && { replace }) });
}

async function reminders(shard: ContractShard): Promise<readonly StoredMessage[]> {
  return remindersInOrder(await shard.wal.reminders(0, { limit: 100 }));
}

export const reminderCases: readonly ContractCase[] = [
  {
    name: 'keeps a message that recurs delayed and puts a copy of it in line each time (M15)',
    async check(shard) {
      const { nowMs } = shard.clock;
      await remind(shard, 'r1', 50, { messageId: 'k', replyTo: 'node-2' });
      shard.clock.nowMs += 60;
      const due = await shard.wal.due(0, shard.clock.nowMs, 10);
      assertSame(due, { ids: ['r1'], recurring: { r1: { recurrence: EVERY, notBefore: nowMs + 50 } } });
      const next = nowMs + 100;
      const queued = await shard.one({ type: 'promote', id: 'r1', again: { newId: 'c1', notBefore: next } });
      assert(queued.type === 'queued');
      const { id, seq, enqueuedAt, attempt, notBefore, expiresAt } = queued.message;
      assertSame([id, seq, enqueuedAt, attempt, notBefore, expiresAt], ['c1', 1, shard.clock.nowMs, 0, 0, 0]);
      const { recurrence, messageId, replyTo, lastRunId } = queued.message;
      assertSame([recurrence, messageId, replyTo, lastRunId], [undefined, undefined, undefined, undefined]);
      await shard.crash();
      assert.equal((await shard.open()).nextDueAt, next);
      const [kept] = await reminders(shard);
      assertSame([kept?.id, kept?.notBefore, kept?.lastRunId, kept?.recurrence], ['r1', next, 'c1', EVERY]);
      const { accepted, pending } = await shard.wal.counts(0);
      assertSame([accepted, pending], [2, 2]);
      assertSame(await shard.one({ type: 'promote', id: 'r1', again: { newId: 'c2', notBefore: 0 } }), {
        type: 'not-due',
        dueAt: next,
      });
    },
  },
  {
    name: 'leaves out a run while the one before is pending, unless they may overlap',
    async check(shard) {
      const at = shard.clock.nowMs;
      await remind(shard, 'r1', 10);
      shard.clock.nowMs += 1_000;
      const run = (newId: string, overlap?: boolean): Promise<Outcome> =>
        shard.one({ type: 'promote', id: 'r1', again: { newId, notBefore: at + 20, ...(overlap && { overlap }) } });
      assert.equal((await run('c1')).type, 'queued');
      assertSame(await run('c2'), { type: 'skipped-run' });
      assertSame((await reminders(shard))[0]?.lastRunId, 'c1');
      assert.equal((await run('c3', true)).type, 'queued');
      await shard.commit({ type: 'complete', seq: 1, starts: true });
      assertSame(await run('c4'), { type: 'skipped-run' }, 'the last run counts');
      await shard.commit({ type: 'dispatch', seq: 2 }, { type: 'fail', seq: 2, error });
      assert.equal((await run('c5')).type, 'queued');
      assert.equal((await shard.wal.counts(0)).accepted, 4);
    },
  },
  {
    name: 'runs a reminder again after a duplicate id of a copy, and counts no message for it',
    async check(shard) {
      await shard.append(contractMessage('c1', 'b'));
      await remind(shard, 'r1', 10);
      shard.clock.nowMs += 10;
      const again = { newId: 'c1', notBefore: shard.clock.nowMs + 10 };
      assertSame(await shard.one({ type: 'promote', id: 'r1', again }), { type: 'duplicate', id: 'c1' });
      const [kept] = await reminders(shard);
      assertSame([kept?.notBefore, kept?.lastRunId], [again.notBefore, 'c1']);
      assert.equal((await shard.wal.counts(0)).accepted, 2);
    },
  },
  {
    name: 'delays a message that recurs also when its first time has passed, or none is given',
    async check(shard) {
      const { nowMs } = shard.clock;
      const message = (id: string): Envelope => contractMessage(id, 'a-1', { recurrence: EVERY });
      const outcomes = await shard.commit(
        { type: 'append', message: message('r1'), runAt: nowMs - 500 },
        { type: 'append', message: message('r2'), dispatch: true, expiresInMs: -1 },
      );
      assertSame(outcomes, [
        { type: 'delayed', notBefore: nowMs - 500 },
        { type: 'delayed', notBefore: nowMs },
      ]);
      assertSame(await shard.line(), []);
    },
  },
  {
    name: 'replaces a delayed message of the same id, which counts as cancelled (I5, I7)',
    async check(shard) {
      const at = shard.clock.nowMs;
      await remind(shard, 'r1', 10, { messageId: 'k', payload: '1' });
      assertSame(await remind(shard, 'r1', 20, { payload: '2' }), { type: 'duplicate', id: 'r1' });
      assertSame(await remind(shard, 'r1', 30, { messageId: 'k', payload: '3' }, true), {
        type: 'delayed',
        notBefore: at + 30,
      });
      await shard.wal.offer(
        0,
        contractOffers('s', 1, {
          type: 'append',
          message: contractMessage('r1', 'a-1', { payload: '4', recurrence: EVERY }),
          delayMs: 40,
          replace: true,
        }),
      );
      assert.equal((await shard.answer()).taken[0]?.outcome.type, 'delayed');
      const [kept, ...others] = await reminders(shard);
      assertSame([kept?.payload, kept?.notBefore, others.length], ['4', at + 40, 0]);
      const { accepted, cancelled, pending } = await shard.wal.counts(0);
      assertSame([accepted, cancelled, pending], [3, 2, 1]);
      assert.equal(
        (await shard.one({ type: 'append', message: contractMessage('x', 'a-1', { messageId: 'k' }) })).type,
        'appended',
        'the key of the one that made room is free',
      );
    },
  },
  {
    name: 'replaces nothing but delayed messages: without one, it is a plain append (M11)',
    async check(shard) {
      assert.equal(
        (await shard.one({ type: 'append', message: contractMessage('m1'), replace: true })).type,
        'appended',
      );
      assertSame(await shard.one({ type: 'append', message: contractMessage('m1'), replace: true }), {
        type: 'duplicate',
        id: 'm1',
      });
      await remind(shard, 'r1', 10);
      assert.equal((await shard.one({ type: 'cancel', id: 'r1' })).type, 'cancelled');
      assertSame(await reminders(shard), []);
    },
  },
  {
    name: 'lists reminders by page, of all entities, of a type, or of one entity',
    async check(shard) {
      for (let index = 0; index < 6; index++) {
        const entity = { entityType: index === 5 ? 'order' : 'account', entityId: `e${index % 2}` };
        await remind(shard, `r${index}`, 100 - index, entity);
      }
      await shard.commit({ type: 'append', message: contractMessage('once'), delayMs: 5 });
      const list = async (query: { entityType?: string; entityId?: string }): Promise<string> => {
        const seen: string[] = [];
        for (let after = 0; ; ) {
          const page = await shard.wal.reminders(0, { ...query, after, limit: 2 });
          seen.push(...remindersInOrder(page).map(({ id }) => id));
          const last = page.at(-1);
          if (last === undefined) return seen.join();
          after = last.order;
        }
      };
      assert.equal(await list({}), 'r0,r1,r2,r3,r4,r5');
      assert.equal(await list({ entityType: 'account' }), 'r0,r1,r2,r3,r4');
      assert.equal(await list({ entityType: 'account', entityId: 'e1' }), 'r1,r3');
      assert.equal(await list({ entityType: 'order', entityId: 'e1' }), 'r5');
      assertSame(await shard.wal.reminders(0, { limit: 0 }), []);
    },
  },
  {
    name: 'gives no order of reminders twice, so that a page never misses a later one',
    async check(shard) {
      await remind(shard, 'r1', 10);
      await remind(shard, 'r2', 10);
      const last = (await shard.wal.reminders(0, { limit: 10 })).at(-1)?.order ?? 0;
      await shard.commit({ type: 'cancel', id: 'r2' });
      await shard.crash();
      await shard.open();
      await remind(shard, 'r3', 10);
      assertSame(remindersInOrder(await shard.wal.reminders(0, { after: last, limit: 10 }))[0]?.id, 'r3');
    },
  },
  {
    name: 'lists blocked messages by place with what blocked them, and counts them (M17)',
    async check(shard) {
      for (const id of ['m1', 'm2', 'm3']) await shard.start(contractMessage(id, id));
      shard.clock.nowMs += 10;
      await shard.commit(
        { type: 'block', seq: 1, error },
        { type: 'interrupt', seq: 2, block: true, error },
        { type: 'interrupt', seq: 3, block: true },
      );
      await shard.crash();
      assert.equal((await shard.open()).counts.blocked, 3);
      const blocked = await shard.wal.blocked(0, 0, 10);
      assertSame(
        blocked.map(({ id, seq, state, attempt, interruptions }) => [id, seq, state, attempt, interruptions]),
        [
          ['m1', 1, 'blocked', 1, 0],
          ['m2', 2, 'blocked', 1, 1],
          ['m3', 3, 'blocked', 1, 1],
        ],
      );
      assertSame(
        blocked.map((message) => [message.error, message.blockedAt]),
        [
          [error, shard.clock.nowMs],
          [error, shard.clock.nowMs],
          [undefined, shard.clock.nowMs],
        ],
      );
      const seqs = async (after: number, limit: number): Promise<readonly number[]> =>
        (await shard.wal.blocked(0, after, limit)).map(({ seq }) => seq);
      assertSame([await seqs(0, 2), await seqs(2, 2), await seqs(0, 0)], [[1, 2], [3], []]);
      const [unblocked, skipped] = await shard.commit({ type: 'unblock', id: 'm1' }, { type: 'skip', id: 'm2' });
      assertSame([unblocked?.type, skipped?.type], ['unblocked', 'skipped']);
      assertSame([await seqs(0, 10), (await shard.wal.counts(0)).blocked], [[3], 1]);
    },
  },
  {
    name: 'buries a skipped message as what blocked it: interrupted or failed (M17, M13)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.refuses('IllegalTransitionError', () =>
        shard.commit({ type: 'interrupt', seq: 1, block: true, retry: true }),
      );
      await shard.commit({ type: 'interrupt', seq: 1, block: true, error });
      const outcome = await shard.one({ type: 'skip', id: 'm1', keepVerdict: true });
      assert(outcome.type === 'skipped');
      assertSame([outcome.reason, outcome.message.interruptions], ['interrupted', 1]);
      const letter = await shard.wal.deadLetter(0, 'm1');
      assertSame([letter?.reason, letter?.error, letter?.message.history.length], ['interrupted', error, 1]);
      await shard.commit({ type: 'purge', id: 'm1' });
      assertSame((await shard.wal.status(0, 'm1'))?.verdict, { state: 'interrupted', error }, 'as asked');
    },
  },
  {
    name: 'finds nothing to unblock or skip where nothing is blocked (M17)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.append(contractMessage('m2', 'b'));
      await remind(shard, 'r1', 10);
      for (const id of ['m1', 'm2', 'r1', 'nobody']) {
        assertSame(await shard.commit({ type: 'unblock', id }, { type: 'skip', id }), [
          { type: 'not-found' },
          { type: 'not-found' },
        ]);
      }
    },
  },
  {
    name: 'takes in offered wishes to unblock and to skip (M17)',
    async check(shard) {
      for (const id of ['m1', 'm2']) await shard.start(contractMessage(id, id));
      await shard.commit({ type: 'block', seq: 1, error }, { type: 'block', seq: 2, error });
      await shard.wal.offer(
        0,
        contractOffers('s', 1, { type: 'unblock', id: 'm1' }, { type: 'skip', id: 'm2' }, { type: 'skip', id: 'm2' }),
      );
      const { taken } = await shard.answer();
      assertSame(
        taken.map(({ outcome, message }) => [outcome.type, message?.id, message?.state]),
        [
          ['unblocked', 'm1', 'enqueued'],
          ['skipped', undefined, undefined],
          ['not-found', undefined, undefined],
        ],
      );
    },
  },
  {
    name: 'lists the paused lines to everyone (M17)',
    async check(shard) {
      await shard.commit(
        { type: 'pause', entityType: 'account' },
        { type: 'pause', entityType: 'account', entityId: 'a' },
        { type: 'pause', entityType: 'order', entityId: 'b' },
        { type: 'resume', entityType: 'order', entityId: 'b' },
      );
      await shard.crash();
      const paused = await shard.wal.paused(0);
      assertSame(paused.map(({ entityType, entityId = '*' }) => `${entityType} ${entityId}`).sort(), [
        'account *',
        'account a',
      ]);
    },
  },
];
