/** The contract of the line: places, starts, back-off, delays, pauses, and entities kept apart. */
import assert from 'node:assert/strict';
import type { ContractCase } from './wal-contract-case.js';
import { assertSame, CONTRACT_ERROR, contractMessage, contractOffers } from './wal-contract-shard.js';

const HOSTILE_IDS = [
  'a',
  'A',
  'a:b',
  'a\nb',
  '{a}',
  "a'; DROP TABLE messages; --",
  '%',
  '_',
  'a\u0000',
  '😀',
  'é',
  'e\u0301',
  ' ',
  'A'.repeat(512),
  '😀'.repeat(256),
];

export const lineCases: readonly ContractCase[] = [
  {
    name: 'gives every message a place that grows and is never used again, also after a crash (I4)',
    async check(shard) {
      assertSame(await shard.append(contractMessage('m1'), contractMessage('m2', 'b')), [1, 2]);
      await shard.commit({ type: 'cancel', id: 'm2' });
      assert.equal((await shard.open()).nextSeq, 3);
      assertSame(await shard.append(contractMessage('m3')), [3]);
      await shard.crash();
      assert.equal((await shard.open()).nextSeq, 4);
      assertSame(await shard.append(contractMessage('m4')), [4]);
      assertSame(await shard.line(), [1, 3, 4]);
    },
  },
  {
    name: 'appends and starts a message in one commit when its line is free (I2)',
    async check(shard) {
      const answer = await shard.answer({ type: 'append', message: contractMessage('m1'), dispatch: true });
      assertSame(answer.outcomes, [{ type: 'appended', seq: 1, dispatched: true }]);
      assert.equal(answer.nextSeq, 2);
      assert.equal(answer.now, shard.clock.nowMs);
      await shard.crash();
      const { inFlight } = await shard.open();
      assertSame(
        inFlight.map(({ seq, state, attempt }) => ({ seq, state, attempt })),
        [{ seq: 1, state: 'dispatched', attempt: 1 }],
      );
    },
  },
  {
    name: 'lets a new message wait when one of its entity waits ahead of it (I4)',
    async check(shard) {
      await shard.append(contractMessage('m1'));
      const behind = await shard.one({ type: 'append', message: contractMessage('m2'), dispatch: true });
      assertSame(behind, { type: 'appended', seq: 2, dispatched: false });
      const other = await shard.one({ type: 'append', message: contractMessage('m3', 'b'), dispatch: true });
      assertSame(other, { type: 'appended', seq: 3, dispatched: true });
    },
  },
  {
    name: 'completes a message and starts the next one in one commit',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.append(contractMessage('m2'));
      const outcomes = await shard.commit({ type: 'complete', seq: 1 }, { type: 'dispatch', seq: 2 });
      assertSame(outcomes, [{ type: 'applied' }, { type: 'dispatched', attempt: 1 }]);
    },
  },
  {
    name: 'starts several messages of an entity ahead, but only from the front of its line (I2, I4)',
    async check(shard) {
      await shard.append(contractMessage('m1'), contractMessage('m2'), contractMessage('m3'));
      await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'dispatch', seq: 2 }));
      await shard.commit({ type: 'dispatch', seq: 1 }, { type: 'dispatch', seq: 2 });
      await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'dispatch', seq: 2 }));
      const started = await shard.one({ type: 'append', message: contractMessage('m4'), dispatch: true });
      assertSame(started, { type: 'appended', seq: 4, dispatched: false });
      await shard.commit({ type: 'dispatch', seq: 3 }, { type: 'dispatch', seq: 4 });
      const ahead = await shard.one({ type: 'append', message: contractMessage('m5'), dispatch: true });
      assertSame(ahead, { type: 'appended', seq: 5, dispatched: true });
    },
  },
  {
    name: 'keeps a retried message ahead of later ones, with its attempt and back-off, across owners (I4, M14)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.append(contractMessage('m2'));
      const dueAt = shard.clock.nowMs + 500;
      const retried = await shard.one({ type: 'retry', seq: 1, delayMs: 500, error: CONTRACT_ERROR });
      assertSame(retried, { type: 'retried', notBefore: dueAt });
      await shard.crash();
      await shard.open();
      assertSame(await shard.one({ type: 'dispatch', seq: 1 }), { type: 'not-due', dueAt });
      assertSame(await shard.one({ type: 'dispatch', seq: 2 }), { type: 'not-due', dueAt });
      shard.clock.nowMs = dueAt;
      await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'dispatch', seq: 2 }));
      assertSame(await shard.one({ type: 'dispatch', seq: 1 }), { type: 'dispatched', attempt: 2 });
      const [message] = await shard.wal.load(0, [1]);
      assertSame(message?.history, [{ attempt: 1, at: dueAt - 500, outcome: 'retried', error: CONTRACT_ERROR }]);
    },
  },
  {
    name: 'takes the attempt of a message back that was marked ahead and never started',
    async check(shard) {
      await shard.append(contractMessage('m1'), contractMessage('m2'));
      await shard.commit({ type: 'dispatch', seq: 1 }, { type: 'dispatch', seq: 2 });
      const outcomes = await shard.commit(
        { type: 'retry', seq: 1, delayMs: 100, error: CONTRACT_ERROR },
        { type: 'retry', seq: 2, delayMs: 0, error: CONTRACT_ERROR, unstarted: true },
      );
      assertSame(outcomes[1], { type: 'retried', notBefore: 0 });
      const [first, second] = await shard.wal.load(0, [1, 2]);
      assert.equal(first?.attempt, 1);
      assertSame([second?.state, second?.attempt, second?.history], ['enqueued', 0, []]);
    },
  },
  {
    name: 'gives a delayed message its place when it is due, and lets it block nobody before (M14)',
    async check(shard) {
      const { nowMs } = shard.clock;
      const delayed = await shard.one({ type: 'append', message: contractMessage('m1'), delayMs: 300 });
      assertSame(delayed, { type: 'delayed', notBefore: nowMs + 300 });
      assert.equal(await shard.start(contractMessage('m2')), 1);
      assertSame(await shard.one({ type: 'promote', id: 'm1' }), { type: 'not-due', dueAt: nowMs + 300 });
      await shard.crash();
      assert.equal((await shard.open()).nextDueAt, nowMs + 300);
      shard.clock.nowMs += 300;
      const queued = await shard.one({ type: 'promote', id: 'm1' });
      assert(queued.type === 'queued');
      assertSame([queued.message.seq, queued.message.notBefore, queued.message.enqueuedAt], [2, 0, nowMs]);
      assertSame(await shard.one({ type: 'promote', id: 'm1' }), { type: 'not-found' });
      assertSame(await shard.line(), [1, 2]);
    },
  },
  {
    name: 'appends at once what is to run at a time that has passed',
    async check(shard) {
      const { nowMs } = shard.clock;
      const past = await shard.one({ type: 'append', message: contractMessage('m1'), runAt: nowMs });
      assertSame(past, { type: 'appended', seq: 1, dispatched: false });
      const later = await shard.one({ type: 'append', message: contractMessage('m2'), runAt: nowMs + 1 });
      assertSame(later, { type: 'delayed', notBefore: nowMs + 1 });
    },
  },
  {
    name: 'refuses a delay, a start time and an immediate start that contradict each other',
    async check(shard) {
      const message = contractMessage('m1');
      const runAt = shard.clock.nowMs;
      await shard.refuses('IllegalTransitionError', () =>
        shard.commit({ type: 'append', message, delayMs: 5, dispatch: true }),
      );
      await shard.refuses('IllegalTransitionError', () =>
        shard.commit({ type: 'append', message, runAt, dispatch: true }),
      );
      await shard.refuses('IllegalTransitionError', () => shard.commit({ type: 'append', message, runAt, delayMs: 5 }));
      assert.equal((await shard.one({ type: 'append', message, delayMs: 0, dispatch: true })).type, 'appended');
    },
  },
  {
    name: 'starts nothing in a paused line, durably, until it is resumed (M17)',
    async check(shard) {
      await shard.append(contractMessage('m1'), contractMessage('m2', 'b'));
      await shard.commit(
        { type: 'pause', entityType: 'account' },
        { type: 'pause', entityType: 'account', entityId: 'b' },
      );
      await shard.crash();
      const { paused } = await shard.open();
      assertSame(paused.map((line) => line.entityId ?? '*').sort(), ['*', 'b']);
      assertSame(await shard.one({ type: 'dispatch', seq: 1 }), { type: 'paused' });
      const waits = await shard.one({ type: 'append', message: contractMessage('m3', 'c'), dispatch: true });
      assertSame(waits, { type: 'appended', seq: 3, dispatched: false });
      await shard.commit({ type: 'resume', entityType: 'account' }, { type: 'resume', entityType: 'account' });
      assertSame(await shard.one({ type: 'dispatch', seq: 1 }), { type: 'dispatched', attempt: 1 });
      assertSame(await shard.one({ type: 'dispatch', seq: 2 }), { type: 'paused' });
      await shard.commit({ type: 'resume', entityType: 'account', entityId: 'b' });
      assertSame(await shard.one({ type: 'dispatch', seq: 2 }), { type: 'dispatched', attempt: 1 });
    },
  },
  {
    name: 'lets what runs in a paused line end',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      const outcomes = await shard.commit(
        { type: 'pause', entityType: 'account', entityId: 'a-1' },
        { type: 'complete', seq: 1 },
      );
      assertSame(outcomes, [{ type: 'applied' }, { type: 'applied' }]);
    },
  },
  {
    name: 'keeps entities apart whatever characters their ids have (I9)',
    async check(shard) {
      for (const [index, entityId] of HOSTILE_IDS.entries()) {
        const seq = await shard.start(contractMessage(`m${index}`, entityId, { messageId: 'same' }));
        const [message] = await shard.wal.load(0, [seq]);
        assert.equal(message?.entityId, entityId);
        await shard.commit({ type: 'complete', seq, state: `"${index}"` });
        assert.equal(await shard.state(entityId), `"${index}"`);
      }
      const asked = [...HOSTILE_IDS].reverse().map((entityId) => ({ entityType: 'account', entityId }));
      assertSame(await shard.wal.actorStates(0, [...asked, { entityType: 'account', entityId: 'nobody' }]), [
        ...HOSTILE_IDS.map((_, index) => `"${index}"`).reverse(),
        undefined,
      ]);
    },
  },
  {
    name: 'gives payloads, headers and names back as they came, also large ones',
    async check(shard) {
      const payload = JSON.stringify({ text: `${'é😀"\\\u0000'.repeat(20_000)}`, deep: [[[1e21, -0.5]]] });
      const message = contractMessage('m1', 'a', {
        payload,
        headers: { 'trace-id': 'a\n"b"', __proto__x: '1' },
        kind: 'query',
        messageId: 'k',
      });
      const [seq = 0] = await shard.append(message);
      await shard.crash();
      await shard.open();
      const [stored] = await shard.wal.load(0, [seq]);
      assert(stored !== undefined);
      const { id, kind, entityType, entityId, name, headers, messageId } = stored;
      assertSame({ id, kind, entityType, entityId, name, payload: stored.payload, headers, messageId }, message);
    },
  },
  {
    name: 'keeps nothing that its caller can change afterwards',
    async check(shard) {
      const headers: Record<string, string> = { trace: 'before' };
      const data: Record<string, unknown> = { missing: 3 };
      const transitions = [
        { type: 'append', message: contractMessage('m1', 'a', { headers }), dispatch: true },
      ] as const;
      await shard.commit(...transitions);
      await shard.commit({ type: 'block', seq: 1, error: { ...CONTRACT_ERROR, data } });
      headers['trace'] = 'after';
      data['missing'] = 4;
      const [stored] = await shard.wal.load(0, [1]);
      assertSame(stored?.headers, { trace: 'before' });
      assertSame(stored?.history[0]?.error?.data, { missing: 3 });
    },
  },
  {
    name: 'keeps the order of the line when the clock goes back (I4)',
    async check(shard) {
      await shard.append(contractMessage('m1'));
      shard.clock.nowMs -= 3_600_000;
      await shard.append(contractMessage('m2'));
      assertSame(await shard.line(), [1, 2]);
      assertSame(await shard.one({ type: 'dispatch', seq: 1 }), { type: 'dispatched', attempt: 1 });
    },
  },
  {
    name: 'takes in an offer before the appends of the same commit, which then start nothing ahead of it (M2)',
    async check(shard) {
      await shard.wal.offer(
        0,
        contractOffers('s', 1, { type: 'append', message: contractMessage('offered'), dispatch: true }),
      );
      const answer = await shard.answer({ type: 'append', message: contractMessage('own'), dispatch: true });
      assertSame(answer.taken[0]?.outcome, { type: 'appended', seq: 1, dispatched: false });
      assertSame(answer.outcomes, [{ type: 'appended', seq: 2, dispatched: false }]);
    },
  },
];
