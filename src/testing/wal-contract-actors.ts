/**
 * The contract of what handlers leave behind with their completion: actor state, messages that they send, and completions
 * of messages that were never marked as started.
 */
import assert from 'node:assert/strict';
import type { OutgoingMessage, Transition } from '../wal/transition.js';
import { OFFERS_TAKEN_MAX, type OfferedTransition } from '../wal/wal.js';
import type { ContractCase } from './wal-contract-case.js';
import {
  assertSame,
  CONTRACT_ERROR,
  CONTRACT_RETENTION,
  type ContractShard,
  contractMessage,
  contractOffers,
} from './wal-contract-shard.js';

const error = CONTRACT_ERROR;
const ELSEWHERE = 7;

function sent(targetShard: number, id: string, more: Partial<OutgoingMessage['append']> = {}): OutgoingMessage {
  return { targetShard, append: { type: 'append', message: contractMessage(id, 'receiver'), ...more } };
}

/** Completes a new message that sends these; returns what became of each. */
async function send(shard: ContractShard, ...outgoing: readonly OutgoingMessage[]) {
  const seq = await shard.start(contractMessage(`sender-${shard.epoch}-${shard.number}`, 'sender'));
  const outcome = await shard.one({ type: 'complete', seq, outgoing });
  assert(outcome.type === 'sent');
  return outcome.sent;
}

async function outboxNames(shard: ContractShard): Promise<readonly string[]> {
  const entries = await shard.wal.outbox(0, 100);
  return entries.map(
    ({ targetShard, epoch, number, append }) => `${targetShard}.${epoch - shard.epoch}.${number} ${append.message.id}`,
  );
}

export const actorCases: readonly ContractCase[] = [
  {
    name: 'makes actor state durable together with the completion, and removes it so (I5)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.commit({ type: 'complete', seq: 1, reply: '7', state: '{"balance":7}' });
      await shard.crash();
      await shard.open();
      assert.equal(await shard.state('a-1'), '{"balance":7}');
      assertSame(await shard.line(), []);
      const seq = await shard.start(contractMessage('m2'));
      await shard.commit({ type: 'complete', seq });
      assert.equal(await shard.state('a-1'), '{"balance":7}', 'a completion without a state leaves it as it is');
      await shard.commit({ type: 'complete', seq: await shard.start(contractMessage('m3')), state: null });
      assert.equal(await shard.state('a-1'), undefined);
    },
  },
  {
    name: 'keeps the last of several states of an entity in one commit (I5)',
    async check(shard) {
      const count = 40;
      const messages = Array.from({ length: count }, (_, index) => contractMessage(`m${index}`, `e${index % 4}`));
      await shard.append(...messages);
      const ends = messages.map(
        (_, index): Transition => ({
          type: 'complete',
          seq: index + 1,
          starts: true,
          state: index === 36 ? null : `{"n":${index}}`,
        }),
      );
      assertSame(
        await shard.commit(...ends),
        ends.map(() => ({ type: 'applied' })),
      );
      await shard.crash();
      const entities = ['e0', 'e1', 'e2', 'e3'].map((entityId) => ({ entityType: 'account', entityId }));
      assertSame(await shard.wal.actorStates(0, entities), [undefined, '{"n":37}', '{"n":38}', '{"n":39}']);
      assert.equal((await shard.wal.counts(0)).completed, count);
    },
  },
  {
    name: 'forgets an actor state when its time is up, also before the cleanup that removes it',
    async check(shard) {
      const complete = async (entityId: string, stateTtlMs?: number): Promise<void> => {
        const seq = await shard.start(contractMessage(`m-${entityId}-${shard.number}`, entityId));
        await shard.commit({ type: 'complete', seq, state: '1', ...(stateTtlMs !== undefined && { stateTtlMs }) });
      };
      const clean = (limit: number): Promise<number> => shard.wal.cleanup(0, shard.epoch, shard.incarnation, limit);
      for (const entityId of ['a', 'b', 'c']) await complete(entityId, 100);
      await complete('d');
      shard.clock.nowMs += 99;
      assertSame([await shard.state('a'), await shard.state('d'), await clean(10)], ['1', '1', 0]);
      await complete('b', 100);
      await complete('c');
      shard.clock.nowMs += 1;
      assertSame(
        [await shard.state('a'), await shard.state('b'), await shard.state('c'), await shard.state('d')],
        [undefined, '1', '1', '1'],
      );
      assertSame([await clean(10), await clean(10)], [1, 0]);
      shard.clock.nowMs += CONTRACT_RETENTION.entryTtlMs;
      await shard.crash();
      await shard.open();
      assertSame([await shard.state('b'), await shard.state('c')], [undefined, '1']);
      assert.equal(await clean(10), 1);
    },
  },
  {
    name: 'settles a message that was never marked as started when it is the first of its line (I2, I4)',
    async check(shard) {
      await shard.append(...['m1', 'm2', 'm3', 'm4'].map((id) => contractMessage(id)));
      const settles: readonly Transition[] = [
        { type: 'complete', seq: 2, starts: true },
        { type: 'fail', seq: 2, starts: true, error },
        { type: 'retry', seq: 2, starts: true, delayMs: 0, error },
        { type: 'block', seq: 2, starts: true, error },
        { type: 'retry', seq: 1, starts: true, unstarted: true, delayMs: 0, error },
      ];
      for (const wrong of settles) await shard.refuses('IllegalTransitionError', () => shard.commit(wrong));
      const outcomes = await shard.commit(
        { type: 'retry', seq: 1, starts: true, delayMs: 10, error },
        { type: 'complete', seq: 1, starts: true, reply: '1', keepVerdict: true },
        { type: 'fail', seq: 2, starts: true, error },
        { type: 'block', seq: 3, starts: true, error },
      );
      assertSame(
        outcomes.map(({ type }) => type),
        ['retried', 'applied', 'applied', 'applied'],
      );
      assertSame((await shard.wal.status(0, 'm1'))?.verdict, { state: 'completed', reply: '1' });
      assert.equal((await shard.wal.deadLetter(0, 'm2'))?.message.attempt, 1);
      const [blocked] = await shard.wal.load(0, [3]);
      assertSame([blocked?.state, blocked?.attempt, blocked?.history.length], ['blocked', 1, 1]);
      await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'complete', seq: 3, starts: true }));
      await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'complete', seq: 4, starts: true }));
    },
  },
  {
    name: 'settles no message as unmarked behind a started one of its entity, nor a started one (I4)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.append(contractMessage('m2'));
      for (const seq of [1, 2])
        await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'complete', seq, starts: true }));
      assertSame(await shard.commit({ type: 'complete', seq: 1 }, { type: 'complete', seq: 2, starts: true }), [
        { type: 'applied' },
        { type: 'applied' },
      ]);
    },
  },
  {
    name: 'settles an unmarked message although its line was paused or its deadline passed meanwhile (I2)',
    async check(shard) {
      await shard.commit({ type: 'append', message: contractMessage('m1'), expiresInMs: 10 });
      shard.clock.nowMs += 50;
      const outcomes = await shard.commit(
        { type: 'pause', entityType: 'account' },
        { type: 'complete', seq: 1, starts: true },
      );
      assertSame(outcomes, [{ type: 'applied' }, { type: 'applied' }]);
      assertSame(await shard.line(), []);
    },
  },
  {
    name: 'neither withdraws nor expires a message that its owner runs unmarked (I2)',
    async check(shard) {
      await shard.commit(
        ...['m1', 'm2', 'm3'].map(
          (id) => ({ type: 'append', message: contractMessage(id, id), expiresInMs: 10 }) as const,
        ),
      );
      await shard.commit({ type: 'append', message: contractMessage('m4'), delayMs: 5 });
      shard.clock.nowMs += 50;
      await shard.wal.offer(0, contractOffers('s', 1, { type: 'cancel', id: 'm1' }, { type: 'cancel', id: 'm4' }));
      const { taken, outcomes } = await shard.commitWhileRunning(
        [1, 2],
        { type: 'expire', seq: 2 },
        { type: 'expire', seq: 3 },
        { type: 'cancel', id: 'm2' },
        { type: 'complete', seq: 1, starts: true },
        { type: 'complete', seq: 2, starts: true },
      );
      assertSame(
        [...taken.map(({ outcome }) => outcome), ...outcomes].map(({ type }) => type),
        ['already-started', 'cancelled', 'already-started', 'expired', 'already-started', 'applied', 'applied'],
      );
    },
  },
  {
    name: 'takes in what a handler sends to its own shard with the completion, as if it were appended (M15)',
    async check(shard) {
      const runAt = shard.clock.nowMs + 50;
      const first = await send(shard, sent(0, 'o1'), sent(0, 'o2', { runAt }), sent(0, 'o1'));
      assertSame(
        first.map((one) => (one.type === 'arrived' ? one.outcome : one)),
        [
          { type: 'appended', seq: 2, dispatched: false },
          { type: 'delayed', notBefore: runAt },
          { type: 'duplicate', id: 'o1' },
        ],
      );
      const [arrived] = first;
      assert(arrived?.type === 'arrived');
      const [stored] = await shard.wal.load(0, [2]);
      assertSame([arrived.message, stored?.id], [stored, 'o1']);
      assertSame(await shard.wal.outbox(0, 10), []);
      const { accepted, pending } = await shard.wal.counts(0);
      assertSame([accepted, pending], [3, 2]);
    },
  },
  {
    name: 'puts what a handler sends to other shards into the outbox with the completion, numbered per target (M11, M15)',
    async check(shard) {
      const answers = await send(shard, sent(ELSEWHERE, 'o1'), sent(8, 'o2'), sent(0, 'o3'), sent(ELSEWHERE, 'o4'));
      assertSame(
        answers.map((one) => (one.type === 'outbox' ? one.entry.number : one.type)),
        [1, 1, 'arrived', 2],
      );
      const [first] = answers;
      assert(first?.type === 'outbox');
      assertSame([first.entry.epoch, first.entry.targetShard], [shard.epoch, ELSEWHERE]);
      await shard.crash();
      assertSame(await outboxNames(shard), ['7.0.1 o1', '8.0.1 o2', '7.0.2 o4']);
      assertSame((await shard.wal.outbox(0, 1))[0], first.entry, 'an entry is read as it was answered');
      assert.equal((await shard.wal.outbox(0, 2)).length, 2);
      assert.equal((await shard.wal.counts(0)).accepted, 2, 'the target accepts what is relayed, not the source');
    },
  },
  {
    name: 'numbers the outbox anew in each epoch, and keeps what earlier epochs left, first (M11, M15)',
    async check(shard) {
      await send(shard, sent(ELSEWHERE, 'o1'), sent(ELSEWHERE, 'o2'));
      const former = shard.epoch;
      await shard.crash();
      await shard.open();
      await send(shard, sent(ELSEWHERE, 'o3'), sent(8, 'o4'));
      const back = former - shard.epoch;
      assertSame(await outboxNames(shard), [`7.${back}.1 o1`, `7.${back}.2 o2`, '7.0.1 o3', '8.0.1 o4']);
      await send(shard, sent(ELSEWHERE, 'o5'));
      assert.equal((await outboxNames(shard)).at(-1), '7.0.2 o5');
    },
  },
  {
    name: 'removes the oldest entries of the outbox once they are relayed, and no more than there are (M15)',
    async check(shard) {
      await send(shard, sent(ELSEWHERE, 'o1'), sent(8, 'o2'), sent(ELSEWHERE, 'o3'));
      assertSame(await shard.one({ type: 'relayed', count: 2 }), { type: 'applied' });
      assertSame(await outboxNames(shard), ['7.0.2 o3']);
      for (const count of [2, -1, 0.5])
        await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'relayed', count }));
      assertSame(await shard.commit({ type: 'relayed', count: 0 }, { type: 'relayed', count: 1 }), [
        { type: 'applied' },
        { type: 'applied' },
      ]);
      assertSame(await outboxNames(shard), []);
      await send(shard, sent(ELSEWHERE, 'o4'));
      assertSame(await outboxNames(shard), ['7.0.3 o4'], 'numbers go on where they were');
    },
  },
  {
    name: 'lets offers that are left in the inbox, and entries for this shard in the outbox, go before what is sent (I4, M15)',
    async check(shard) {
      const seq = await shard.start(contractMessage('sender', 'sender'));
      const offered = Array.from(
        { length: OFFERS_TAKEN_MAX + 1 },
        (_, index): OfferedTransition => ({ type: 'append', message: contractMessage(`f${index}`, `e${index}`) }),
      );
      await shard.wal.offer(0, contractOffers('s', 1, ...offered));
      const outcome = await shard.one({ type: 'complete', seq, outgoing: [sent(0, 'o1')] });
      assert(outcome.type === 'sent');
      assert.equal(outcome.sent[0]?.type, 'outbox');
      assert.equal((await shard.answer()).taken.length, 1);
      assert.equal((await send(shard, sent(0, 'o2')))[0]?.type, 'outbox', 'nothing overtakes what waits there');
      assertSame(await outboxNames(shard), ['0.0.1 o1', '0.0.2 o2']);
      await shard.commit({ type: 'relayed', count: 2 });
      assert.equal((await send(shard, sent(0, 'o3')))[0]?.type, 'arrived');
    },
  },
  {
    name: 'refuses a completion whose outgoing message could not be taken in, whole (M15)',
    async check(shard) {
      const seq = await shard.start(contractMessage('m1'));
      for (const targetShard of [0, ELSEWHERE]) {
        const outgoing = [sent(targetShard, 'o1'), sent(targetShard, 'o2', { delayMs: 5, runAt: 5 })];
        await shard.refuses('IllegalTransitionError', () =>
          shard.commit({ type: 'complete', seq, state: '1', outgoing }),
        );
      }
      assert.equal(await shard.state('a-1'), undefined);
    },
  },
];
