/** The contract of ownership and commits: epochs, fencing, commit numbers, atomicity, durability. */
import assert from 'node:assert/strict';
import type { Transition } from '../wal/transition.js';
import type { ContractCase } from './wal-contract-case.js';
import {
  assertSame,
  CONTRACT_ERROR,
  canonicalAnswer,
  contractMessage,
  contractOffers,
  readEverything,
} from './wal-contract-shard.js';

export const ownerCases: readonly ContractCase[] = [
  {
    name: 'raises the epoch with every open, also after a crash or a release (I6)',
    opened: false,
    async check(shard) {
      let last = 0;
      for (const between of ['nothing', 'crash', 'release', 'nothing'] as const) {
        const { epoch } = await shard.open();
        assert(epoch > last, `epoch ${epoch} after ${last}`);
        last = epoch;
        if (between === 'crash') await shard.crash();
        if (between === 'release') await shard.wal.release(0, shard.epoch, shard.incarnation);
      }
    },
  },
  {
    name: 'tells a new owner whether the last one left cleanly',
    opened: false,
    async check(shard) {
      assert.equal((await shard.open()).clean, true, 'there was none');
      assert.equal((await shard.open()).clean, false, 'it was taken over');
      await shard.wal.release(0, shard.epoch, shard.incarnation);
      await shard.wal.release(0, shard.epoch, shard.incarnation);
      await shard.crash();
      assert.equal((await shard.open()).clean, true, 'it released');
      await shard.crash();
      assert.equal((await shard.open()).clean, false, 'it crashed');
    },
  },
  {
    name: 'refuses every write of a former owner and changes nothing (I3)',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      const { wal, epoch, incarnation } = shard;
      const former = { shard: 0, epoch, incarnation };
      await shard.open();
      const transitions: readonly Transition[] = [{ type: 'complete', seq: 1 }];
      for (const number of [1, 2, 3]) {
        await shard.refuses('StaleEpochError', () => wal.commit({ ...former, number, transitions }));
      }
      await shard.refuses('StaleEpochError', () => wal.cleanup(0, epoch, incarnation, 10));
      await wal.release(0, epoch, incarnation);
      assertSame(await shard.commit(...transitions), [{ type: 'applied' }]);
      assert.equal((await shard.open()).clean, false, 'a stale release is ignored');
    },
  },
  {
    name: 'refuses an owner that has the epoch but not the incarnation, or the other way round (I3)',
    async check(shard) {
      const claim = shard.claim();
      const commit = { number: 1, transitions: [] };
      await shard.refuses('StaleEpochError', () => shard.wal.commit({ ...claim, ...commit, incarnation: 'other' }));
      await shard.refuses('StaleEpochError', () => shard.wal.commit({ ...claim, ...commit, epoch: claim.epoch + 1 }));
      await shard.refuses('StaleEpochError', () => shard.wal.commit({ ...claim, ...commit, epoch: claim.epoch - 1 }));
      await shard.wal.release(0, shard.epoch, 'other');
      assertSame(await shard.commit(), []);
    },
  },
  {
    name: 'refuses commits to a shard that nobody has opened or that was released (I3)',
    opened: false,
    async check(shard) {
      await shard.refuses('StaleEpochError', () => shard.commit());
      await shard.open();
      await shard.commit();
      await shard.wal.release(0, shard.epoch, shard.incarnation);
      await shard.refuses('StaleEpochError', () => shard.commit());
    },
  },
  {
    name: 'answers a repeated commit number with the stored answer and changes nothing (M1)',
    async check(shard) {
      await shard.wal.offer(0, contractOffers('s', 1, { type: 'append', message: contractMessage('offered') }));
      const transitions: readonly Transition[] = [
        { type: 'append', message: contractMessage('m1', 'b'), dispatch: true },
      ];
      const first = await shard.answer(...transitions);
      shard.clock.nowMs += 50;
      await shard.wal.offer(0, contractOffers('s', 2, { type: 'append', message: contractMessage('offered too') }));
      const before = await readEverything(shard.wal);
      for (const repeated of [transitions, []]) {
        const again = await shard.wal.commit({ ...shard.claim(), number: shard.number, transitions: repeated });
        assert.equal(canonicalAnswer(again), canonicalAnswer(first));
      }
      assert.equal(await readEverything(shard.wal), before);
      assert.equal((await shard.answer()).taken.length, 1);
    },
  },
  {
    name: 'refuses commit numbers that leave a gap or go back (M1)',
    async check(shard) {
      const commit = (number: number) => shard.wal.commit({ ...shard.claim(), number, transitions: [] });
      await shard.refuses('CommitNumberError', () => commit(2));
      await shard.refuses('CommitNumberError', () => commit(0));
      await commit(1);
      await commit(2);
      await shard.refuses('CommitNumberError', () => commit(1));
      await shard.refuses('CommitNumberError', () => commit(4));
      await shard.open();
      await shard.refuses('CommitNumberError', () => commit(3));
      await commit(1);
    },
  },
  {
    name: 'applies all of a commit or nothing, offers included, and lets the same number be used again',
    async check(shard) {
      await shard.append(
        contractMessage('m1', 'a'),
        contractMessage('m2', 'b'),
        contractMessage('m3', 'c', { messageId: 'k' }),
      );
      await shard.commit(
        { type: 'dispatch', seq: 1 },
        { type: 'dispatch', seq: 2 },
        { type: 'append', message: contractMessage('m4'), delayMs: 5 },
        { type: 'append', message: contractMessage('m5', 'd'), dispatch: true },
        { type: 'append', message: contractMessage('r', 'r', { recurrence: '1' }), delayMs: 9_000 },
      );
      await shard.commit({ type: 'fail', seq: 4, error: CONTRACT_ERROR });
      await shard.wal.offer(0, contractOffers('s', 1, { type: 'append', message: contractMessage('offered') }));
      shard.clock.nowMs += 10;
      const moves: readonly Transition[] = [
        { type: 'append', message: contractMessage('m6', 'a', { messageId: 'k' }) },
        {
          type: 'complete',
          seq: 1,
          state: '1',
          keepVerdict: true,
          outgoing: [
            { targetShard: 0, append: { type: 'append', message: contractMessage('o0', 'o') } },
            { targetShard: 5, append: { type: 'append', message: contractMessage('o') } },
          ],
        },
        { type: 'retry', seq: 2, delayMs: 5, error: CONTRACT_ERROR },
        { type: 'cancel', id: 'm3' },
        { type: 'promote', id: 'm4' },
        { type: 'replay', id: 'm5', newId: 'n5' },
        { type: 'relayed', count: 1 },
        { type: 'append', message: contractMessage('r', 'r'), delayMs: 9, replace: true },
        { type: 'pause', entityType: 'account' },
      ];
      const scope = {
        ids: ['m1', 'm3', 'm6', 'n5', 'offered'],
        entities: [['account', 'a']] as const,
        sessions: ['s'],
      };
      for (let count = 0; count <= moves.length; count++) {
        const wrong: Transition = { type: 'complete', seq: 999 };
        await shard.refuses('IllegalTransitionError', () => shard.commit(...moves.slice(0, count), wrong), scope);
      }
      const answer = await shard.answer(...moves);
      assertSame(
        answer.outcomes.map(({ type }) => type),
        ['appended', 'sent', 'retried', 'cancelled', 'queued', 'queued', 'applied', 'delayed', 'applied'],
      );
      assert.equal(answer.taken.length, 1);
    },
  },
  {
    name: 'lets a transition see what earlier ones of its commit did',
    async check(shard) {
      const outcomes = await shard.commit(
        { type: 'append', message: contractMessage('m1', 'a', { messageId: 'k' }) },
        { type: 'append', message: contractMessage('m2', 'a', { messageId: 'k' }) },
        { type: 'dispatch', seq: 1 },
        { type: 'fail', seq: 1, error: CONTRACT_ERROR },
        { type: 'replay', id: 'm1', newId: 'm3' },
        { type: 'dispatch', seq: 2 },
        { type: 'complete', seq: 2, reply: '3' },
        { type: 'append', message: contractMessage('m4', 'a', { messageId: 'k' }) },
      );
      assertSame(outcomes.at(-1), { type: 'duplicate', id: 'm3', verdict: { state: 'completed', reply: '3' } });
      assertSame(await shard.line(), []);
    },
  },
  {
    name: 'has on return what survives a crash: all that can be read (I1)',
    async check(shard) {
      await shard.append(
        contractMessage('m1', 'a'),
        contractMessage('m2', 'b'),
        contractMessage('m3', 'c', { messageId: 'k' }),
      );
      await shard.commit(
        { type: 'dispatch', seq: 1 },
        { type: 'dispatch', seq: 2 },
        { type: 'pause', entityType: 'account' },
      );
      await shard.commit(
        { type: 'fail', seq: 1, error: CONTRACT_ERROR },
        { type: 'append', message: contractMessage('m4'), delayMs: 9 },
      );
      await shard.commit({
        type: 'complete',
        seq: 2,
        state: '{}',
        keepVerdict: true,
        outgoing: [{ targetShard: 3, append: { type: 'append', message: contractMessage('o') } }],
      });
      await shard.wal.offer(0, contractOffers('s', 1, { type: 'cancel', id: 'm3' }));
      await shard.commit();
      await shard.wal.offer(0, contractOffers('s', 2, { type: 'append', message: contractMessage('m5') }));
      const scope = { ids: ['m2', 'm3'], entities: [['account', 'b']] as const, sessions: ['s'] };
      const before = await readEverything(shard.wal, scope);
      await shard.crash();
      assert.equal(await readEverything(shard.wal, scope), before);
      await shard.open();
      assert.equal(await readEverything(shard.wal, scope), before);
      assert.equal((await shard.answer()).taken.length, 1, 'an offer that resolved is taken in after the crash');
    },
  },
  {
    name: 'changes no message when a new owner opens the shard',
    async check(shard) {
      await shard.start(contractMessage('m1'));
      await shard.append(contractMessage('m2'));
      const before = await readEverything(shard.wal);
      const opened = await shard.open();
      assert.equal(await readEverything(shard.wal), before);
      assertSame(opened.counts, await shard.wal.counts(0));
      assertSame(
        opened.inFlight.map(({ seq }) => seq),
        [1],
      );
    },
  },
  {
    name: 'is started and stopped more than once without harm, and rejects everything after the stop',
    async check(shard) {
      const { wal } = shard;
      assert.equal(wal.description.clusterId, 'contract');
      assert(wal.description.shardCount >= 1);
      await wal.start();
      await shard.append(contractMessage('m1'));
      await wal.stop();
      await wal.stop();
      await assert.rejects(shard.commit());
      await assert.rejects(wal.counts(0));
      await assert.rejects(wal.open(0, 'late'));
      await assert.rejects(wal.offer(0, []));
      await shard.crash();
      assertSame(await shard.line(), [1]);
    },
  },
];
