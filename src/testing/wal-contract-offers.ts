/** The contract of the inbox: what others hand in is taken in exactly once, in order, and cannot spoil a commit. */
import assert from 'node:assert/strict';
import { OFFERS_TAKEN_MAX, type OfferedTransition } from '../wal/wal.js';
import type { ContractCase } from './wal-contract-case.js';
import { assertSame, CONTRACT_ERROR, contractMessage, contractOffers } from './wal-contract-shard.js';

const append = (id: string, entityId?: string): OfferedTransition => ({
  type: 'append',
  message: contractMessage(id, entityId),
});

export const offerCases: readonly ContractCase[] = [
  {
    name: 'takes offers in with the next commit, also an empty one, in the order in which they came (I4, M2)',
    async check(shard) {
      await shard.wal.offer(0, contractOffers('s', 1, append('m1'), append('m2')));
      await shard.wal.offer(0, contractOffers('t', 1, append('m3')));
      await shard.wal.offer(0, contractOffers('s', 3, append('m4')));
      assertSame(await shard.line(), [], 'only a commit takes them in');
      const { taken, nextSeq } = await shard.answer();
      assertSame(
        taken.map(({ message }) => [message?.seq, message?.id]),
        [
          [1, 'm1'],
          [2, 'm2'],
          [3, 'm3'],
          [4, 'm4'],
        ],
      );
      assert.equal(nextSeq, 5);
      assertSame((await shard.answer()).taken, []);
      assertSame(
        [await shard.wal.offerMark(0, 's'), await shard.wal.offerMark(0, 't'), await shard.wal.offerMark(0, 'u')],
        [3, 1, 0],
      );
    },
  },
  {
    name: 'ignores an offer that it has already, in the inbox or taken in (M11)',
    async check(shard) {
      const offers = contractOffers('s', 1, append('m1'), append('m2'));
      await shard.wal.offer(0, offers);
      await shard.wal.offer(0, offers);
      assert.equal((await shard.answer()).taken.length, 2);
      await shard.crash();
      await shard.open();
      await shard.wal.offer(0, [...offers, ...contractOffers('s', 3, append('m3'))]);
      assertSame(
        (await shard.answer()).taken.map(({ offer }) => offer.number),
        [3],
      );
      assert.equal((await shard.wal.counts(0)).accepted, 3);
    },
  },
  {
    name: 'takes in as many offers as it may, however many were taken in before the shard was opened (M3)',
    async check(shard) {
      const { offersTakenMax } = shard.wal.description;
      const ids = Array.from({ length: 2 * offersTakenMax }, (_, index) => `m${index}`);
      const [before, after] = [ids.slice(0, 20), ids.slice(20)];
      await shard.wal.offer(0, contractOffers('s', 1, ...before.map((id) => append(id))));
      assert.equal((await shard.answer()).taken.length, Math.min(20, offersTakenMax));
      await shard.crash();
      await shard.open();
      await shard.wal.offer(0, contractOffers('s', 21, ...after.map((id) => append(id))));
      const left = ids.length - Math.min(20, offersTakenMax);
      assert.equal((await shard.answer()).taken.length, Math.min(left, offersTakenMax));
    },
  },
  {
    name: 'refuses offers with a gap in their numbers, all of them (M11)',
    async check(shard) {
      const refuses = (first: number) => () => shard.wal.offer(0, contractOffers('s', first, append(`m${first}`)));
      await shard.refuses('IllegalTransitionError', refuses(2));
      await shard.refuses('IllegalTransitionError', () =>
        shard.wal.offer(0, [...contractOffers('s', 1, append('m1')), ...contractOffers('s', 3, append('m3'))]),
      );
      assertSame((await shard.answer()).taken, []);
      await shard.wal.offer(0, contractOffers('s', 1, append('m1')));
      await shard.refuses('IllegalTransitionError', refuses(3));
      await shard.answer();
      await shard.refuses('IllegalTransitionError', refuses(3));
      await shard.wal.offer(0, contractOffers('s', 2, append('m2')));
      assert.equal((await shard.answer()).taken.length, 1);
    },
  },
  {
    name: 'refuses an offer that could not be taken in later',
    async check(shard) {
      const message = contractMessage('m1');
      const wrong: OfferedTransition = { type: 'append', message, delayMs: 5, runAt: 5 };
      await shard.refuses('IllegalTransitionError', () =>
        shard.wal.offer(0, contractOffers('s', 1, append('m0'), wrong)),
      );
      assertSame((await shard.answer()).taken, []);
    },
  },
  {
    name: 'refuses an offer with a field that is missing, empty, enormous or of another type',
    async check(shard) {
      const message = contractMessage('m1');
      const wrong: readonly unknown[] = [
        undefined,
        null,
        {},
        ...['cancel', 'purge', 'unblock', 'skip'].flatMap((type) => [
          { type },
          { type, id: undefined },
          { type, id: '' },
          { type, id: 7 },
          { type, id: 'x'.repeat(100_000) },
        ]),
        { type: 'replay', id: 'm1' },
        { type: 'replay', newId: 'm2' },
        { type: 'pause' },
        { type: 'pause', entityType: 'account', entityId: null },
        { type: 'resume', entityType: '' },
        { type: 'append' },
        { type: 'append', message: { ...message, id: undefined } },
        { type: 'append', message: { ...message, kind: 'event' } },
        { type: 'append', message: { ...message, entityId: 3 } },
        { type: 'append', message: { ...message, payload: undefined } },
        { type: 'append', message: { ...message, headers: { a: 1 } } },
        { type: 'append', message: { ...message, messageId: null } },
        { type: 'append', message: { ...message, recurrence: 5 } },
        { type: 'append', message, replace: 'yes' },
        { type: 'relayed', count: 1 },
        { type: 'complete', seq: 1, starts: true },
        { type: 'append', message, delayMs: 'soon' },
        { type: 'append', message, runAt: Number.NaN },
        { type: 'append', message, expiresInMs: 1e300 },
      ];
      for (const transition of wrong) {
        await shard.refuses('IllegalTransitionError', () =>
          shard.wal.offer(0, contractOffers('s', 1, append('m0'), transition as OfferedTransition)),
        );
      }
      await shard.refuses('IllegalTransitionError', () => shard.wal.offer(0, contractOffers('', 1, append('m0'))));
      await shard.refuses('IllegalTransitionError', () => shard.wal.offer(0, contractOffers('s', 1.5, append('m0'))));
      assertSame((await shard.answer()).taken, []);
    },
  },
  {
    name: 'keeps offers for a shard that nobody owns (I1)',
    opened: false,
    async check(shard) {
      await shard.wal.offer(0, contractOffers('s', 1, append('m1')));
      await shard.crash();
      assert.equal((await shard.open()).counts.accepted, 0);
      assert.equal((await shard.answer()).taken[0]?.message?.id, 'm1');
    },
  },
  {
    name: 'takes in a bounded number of offers with each commit (M3)',
    async check(shard) {
      const offers = Array.from({ length: OFFERS_TAKEN_MAX + 5 }, (_, index) => append(`m${index}`, `e${index % 7}`));
      await shard.wal.offer(0, contractOffers('s', 1, ...offers));
      assert.equal((await shard.answer()).taken.length, OFFERS_TAKEN_MAX);
      assert.equal(await shard.wal.offerMark(0, 's'), OFFERS_TAKEN_MAX);
      assert.equal((await shard.answer()).taken.length, 5);
    },
  },
  {
    name: 'applies offered wishes as if the owner had committed them',
    async check(shard) {
      await shard.start(contractMessage('dead', 'd', { messageId: 'k' }));
      await shard.start(contractMessage('gone', 'g'));
      await shard.commit(
        { type: 'fail', seq: 1, error: CONTRACT_ERROR },
        { type: 'fail', seq: 2, error: CONTRACT_ERROR },
      );
      await shard.append(contractMessage('m1', 'a'));
      const runAt = shard.clock.nowMs + 5;
      await shard.wal.offer(
        0,
        contractOffers(
          's',
          1,
          { type: 'cancel', id: 'm1' },
          { type: 'replay', id: 'dead', newId: 'again' },
          { type: 'purge', id: 'gone' },
          { type: 'pause', entityType: 'account' },
          { type: 'append', message: contractMessage('late'), runAt },
          { type: 'append', message: contractMessage('second', 'd', { messageId: 'k' }) },
          { type: 'resume', entityType: 'account' },
        ),
      );
      const { taken } = await shard.answer();
      assertSame(
        taken.map(({ outcome, message }) => [outcome.type, message?.id]),
        [
          ['cancelled', undefined],
          ['queued', 'again'],
          ['purged', undefined],
          ['applied', undefined],
          ['delayed', undefined],
          ['duplicate', undefined],
          ['applied', undefined],
        ],
      );
      assertSame((await shard.open()).paused, []);
    },
  },
  {
    name: 'tells an owner that raced with an offered cancel or pause so, and applies the rest of its commit',
    async check(shard) {
      await shard.append(contractMessage('m1', 'a'), contractMessage('m2', 'b'));
      await shard.wal.offer(
        0,
        contractOffers('s', 1, { type: 'cancel', id: 'm1' }, { type: 'pause', entityType: 'account', entityId: 'b' }),
      );
      const outcomes = await shard.commit(
        { type: 'dispatch', seq: 1 },
        { type: 'dispatch', seq: 2 },
        { type: 'append', message: contractMessage('m3', 'c'), dispatch: true },
      );
      assertSame(outcomes, [{ type: 'not-found' }, { type: 'paused' }, { type: 'appended', seq: 3, dispatched: true }]);
    },
  },
];
