/**
 * What a store promises beyond the WAL contract when several nodes share it: claims and silence, signs of life, appends
 * that wait for offers, the depth of a shard, the quarantine, and verdicts for waiters on other nodes.
 *
 *     it.each(sharedWalContractCases())('$name', ({ run }) => run(factory));
 */
import assert from 'node:assert/strict';
import type { Envelope } from '../message/envelope.js';
import { ShardHeldError, type SharedWal } from '../wal/shared-wal.js';
import type { Transition } from '../wal/transition.js';
import type { CommitAnswer, OfferedTransition } from '../wal/wal.js';
import type { WalFactoryOptions } from './wal-contract-shard.js';
import { assertSame, CONTRACT_ERROR, ContractClock, contractMessage, contractOffers } from './wal-contract-shard.js';

/** How the suite gets a store that two nodes share: empty, both started, with at least shards 0 and 1. */
export interface SharedWalFactory {
  create(options: SharedWalFactoryOptions): Promise<SharedWalsUnderTest>;
}

export interface SharedWalFactoryOptions extends WalFactoryOptions {
  /** Offers that one commit takes in at most. */
  readonly offersTakenMax: number;
}

export interface SharedWalsUnderTest {
  readonly wals: readonly [SharedWal, SharedWal];
  /** Stops everything and removes the data. */
  dispose(): Promise<void>;
}

export interface SharedWalContractCase {
  readonly name: string;
  /** Makes its own store and disposes of it. */
  readonly run: (factory: SharedWalFactory) => Promise<void>;
}

/** The sign of a shard that nobody has. */
const FREE = { epoch: 0, node: '', beat: 0 };

const OFFERS_TAKEN_MAX = 3;
const ENTRY_TTL_MS = 60_000;
const WAITER_TTL_MS = 500;

/** The first node owns shard 0; the second one only knows it. */
class Pair {
  readonly clock = new ContractClock();
  epoch = 0;
  private number = 0;

  private constructor(private readonly made: SharedWalsUnderTest[] = []) {}

  static async make(factory: SharedWalFactory): Promise<Pair> {
    const pair = new Pair();
    const retention = { entryTtlMs: ENTRY_TTL_MS, verdictsMax: 1_000, waiterTtlMs: WAITER_TTL_MS };
    pair.made.push(
      await factory.create({ clock: pair.clock, retention, clusterId: 'contract', offersTakenMax: OFFERS_TAKEN_MAX }),
    );
    return pair;
  }

  get wals(): readonly [SharedWal, SharedWal] {
    const [made] = this.made;
    assert(made !== undefined);
    return made.wals;
  }

  async open(): Promise<void> {
    const { epoch } = await this.wals[0].open(0, 'first', { node: 'node-1' });
    this.epoch = epoch;
    this.number = 0;
  }

  async answer(...transitions: readonly Transition[]): Promise<CommitAnswer> {
    const number = this.number + 1;
    const answer = await this.wals[0].commit({
      shard: 0,
      epoch: this.epoch,
      incarnation: 'first',
      number,
      transitions,
    });
    this.number = number;
    return answer;
  }

  async start(message: Envelope): Promise<number> {
    const [outcome] = (await this.answer({ type: 'append', message, dispatch: true })).outcomes;
    assert(outcome?.type === 'appended' && outcome.dispatched);
    return outcome.seq;
  }

  async dispose(): Promise<void> {
    await this.made[0]?.dispose();
  }
}

const append = (id: string, more: Partial<Envelope> = {}): OfferedTransition => ({
  type: 'append',
  message: contractMessage(id, 'a-1', more),
});

async function refused(name: string, act: Promise<unknown>): Promise<Error> {
  const error = await act.then(
    () => assert.fail(`expected ${name}, but it was accepted`),
    (caught: unknown) => caught,
  );
  assert(error instanceof Error);
  assert.equal(error.name, name, error.message);
  return error;
}

const CASES: Readonly<Record<string, (pair: Pair) => Promise<void>>> = {
  'opens a shard that has no owner, and no other one without proof of silence (M6)': async (pair) => {
    const [first, second] = pair.wals;
    await pair.open();
    const claim = { node: 'node-2' };
    const error = await refused('ShardHeldError', second.open(0, 'second', claim));
    assert(error instanceof ShardHeldError);
    assertSame([error.shard, error.sign], [0, (await second.signs([0]))[0]]);
    assertSame([error.sign.node, error.sign.epoch, error.sign.incarnation], ['node-1', pair.epoch, 'first']);
    await first.release(0, pair.epoch, 'first');
    assertSame({ ...(await second.signs([0]))[0], beat: 0, epoch: 0, openings: undefined }, FREE);
    const opened = await second.open(0, 'second', claim);
    assert(opened.epoch > pair.epoch && opened.clean);
  },
  'opens a shard again for the incarnation that has it': async (pair) => {
    await pair.open();
    const before = pair.epoch;
    await pair.open();
    assert(pair.epoch > before);
    await pair.answer();
  },
  'opens a shard whose sign of life still stands as it was seen, in one step with the check (M6)': async (pair) => {
    const [first, second] = pair.wals;
    await pair.open();
    const acts: readonly (() => Promise<unknown>)[] = [
      () => first.renew(0, pair.epoch, 'first'),
      () => pair.answer(),
      () => pair.answer({ type: 'append', message: contractMessage('m1') }),
    ];
    for (const act of acts) {
      const [silent] = await second.signs([0]);
      await act();
      await refused('ShardHeldError', second.open(0, 'second', { node: 'node-2', silent }));
    }
    const [silent] = await second.signs([0]);
    await second.offer(0, contractOffers('s', 1, append('m2')));
    const opened = await second.open(0, 'second', { node: 'node-2', silent });
    assert(opened.epoch > pair.epoch && !opened.clean);
    await refused('StaleEpochError', pair.answer({ type: 'append', message: contractMessage('m3') }));
    await refused('StaleEpochError', first.renew(0, pair.epoch, 'first'));
    await refused('StaleEpochError', first.cleanup(0, pair.epoch, 'first', 10));
    await first.release(0, pair.epoch, 'first');
    assert.equal((await first.signs([0]))[0]?.incarnation, 'second');
    await refused('ShardHeldError', first.open(0, 'first', { node: 'node-1', silent }));
  },
  'refuses a former owner as such, also when the next one has finished what its commit is about (I3)': async (pair) => {
    const [, second] = pair.wals;
    const endings: readonly ((seq: number, waiting: string) => Transition)[] = [
      (seq) => ({ type: 'fail', seq, error: { name: 'Error', message: 'no' } }),
      (seq) => ({ type: 'retry', seq, delayMs: 5, error: { name: 'Error', message: 'no' } }),
      (seq) => ({ type: 'interrupt', seq }),
      (seq) => ({ type: 'complete', seq }),
      (_seq, waiting) => ({ type: 'cancel', id: waiting }),
    ];
    for (const [round, ending] of endings.entries()) {
      const waiting = `waiting-${round}`;
      await pair.open();
      await pair.answer({ type: 'append', message: contractMessage(waiting, 'b') });
      const seq = await pair.start(contractMessage(`started-${round}`));
      const next = await second.open(0, 'second', { node: 'node-2', silent: (await second.signs([0]))[0] });
      await second.commit({
        shard: 0,
        epoch: next.epoch,
        incarnation: 'second',
        number: 1,
        transitions: [
          { type: 'interrupt', seq },
          { type: 'cancel', id: waiting },
        ],
      });
      await refused('StaleEpochError', pair.answer(ending(seq, waiting)));
      await second.release(0, next.epoch, 'second');
    }
  },
  'counts openings in a row until an owner says that it survived, or an operator that they may be forgotten (M13)':
    async (pair) => {
      const [first, second] = pair.wals;
      const openings = async (): Promise<number | undefined> => (await second.signs([0]))[0]?.openings;
      if ((await openings()) === undefined) return;
      assert.equal(await openings(), 0);
      await pair.open();
      await pair.open();
      await first.renew(0, pair.epoch, 'first');
      await pair.answer();
      assert.equal(await openings(), 2, 'a sign of life is not yet survival');
      await first.renew(0, pair.epoch, 'first', true);
      assert.equal(await openings(), 0);
      await pair.open();
      assert.equal(await openings(), 1);
      await first.release(0, pair.epoch, 'first');
      assert.equal(await openings(), 0);
      await pair.open();
      await second.forgetOpenings(0);
      assert.equal(await openings(), 0);
    },
  'opens with an epoch above the one that the opener has seen (I6, M8)': async (pair) => {
    const [first] = pair.wals;
    const epochSeen = Number.MAX_SAFE_INTEGER - 10;
    const { epoch } = await first.open(0, 'first', { node: 'node-1', epochSeen });
    assert(epoch > epochSeen, `epoch ${epoch}`);
  },
  'counts signs of life of the owner: with opens, renewals and commits (M6)': async (pair) => {
    const [first, second] = pair.wals;
    const beat = async (): Promise<number> => (await second.signs([0]))[0]?.beat ?? Number.NaN;
    const signs = await second.signs([0, 1]);
    assertSame(
      signs.map((sign) => ({ ...sign, openings: undefined })),
      [FREE, FREE],
    );
    let last = await beat();
    const acts: readonly (() => Promise<unknown>)[] = [
      () => pair.open(),
      () => first.renew(0, pair.epoch, 'first'),
      () => pair.answer(),
      () => pair.answer({ type: 'append', message: contractMessage('m1') }),
      () => pair.open(),
    ];
    for (const act of acts) {
      await act();
      const now = await beat();
      assert(now > last, `beat ${now} after ${last}`);
      last = now;
    }
    await second.offer(0, contractOffers('s', 1, append('m2')));
    await second.counts(0);
    assert.equal(await beat(), last, 'what others do is no sign of life');
    const [, other] = await second.signs([1, 0]);
    assertSame(
      { ...other, openings: undefined },
      { epoch: pair.epoch, incarnation: 'first', node: 'node-1', beat: last },
    );
  },
  'refuses a renewal with another epoch or incarnation, or of a shard that was released': async (pair) => {
    const [first] = pair.wals;
    await refused('StaleEpochError', first.renew(0, 1, 'first'));
    await pair.open();
    await refused('StaleEpochError', first.renew(0, pair.epoch + 1, 'first'));
    await refused('StaleEpochError', first.renew(0, pair.epoch, 'other'));
    await first.release(0, pair.epoch, 'first');
    await refused('StaleEpochError', first.renew(0, pair.epoch, 'first'));
  },
  'lets an append wait while offers are left in the inbox, and applies the rest of its commit (M2, I4)': async (
    pair,
  ) => {
    const [, second] = pair.wals;
    await pair.open();
    const seq = await pair.start(contractMessage('m0', 'b'));
    const offers = Array.from({ length: OFFERS_TAKEN_MAX + 1 }, (_, index) => append(`o${index}`));
    await second.offer(0, contractOffers('s', 1, ...offers));
    const transitions: readonly Transition[] = [
      { type: 'append', message: contractMessage('m1'), dispatch: true },
      { type: 'complete', seq },
      { type: 'append', message: contractMessage('m2', 'b') },
    ];
    const answer = await pair.answer(...transitions);
    assertSame(answer.outcomes, [{ type: 'deferred' }, { type: 'applied' }, { type: 'deferred' }]);
    assert.equal(answer.taken.length, OFFERS_TAKEN_MAX);
    assert.equal(await second.status(0, 'm1'), undefined);
    const next = await pair.answer({ type: 'append', message: contractMessage('m1'), dispatch: true });
    assert.equal(next.taken.length, 1);
    assertSame(next.outcomes, [{ type: 'appended', seq: OFFERS_TAKEN_MAX + 3, dispatched: false }]);
  },
  'refuses an offer that would make a shard deeper than its limit, all of it (I8)': async (pair) => {
    const [, second] = pair.wals;
    await pair.open();
    await pair.answer(
      { type: 'append', message: contractMessage('m1') },
      { type: 'append', message: contractMessage('m2'), delayMs: 1_000 },
    );
    const limits = { depthMax: 4 };
    await second.offer(0, contractOffers('s', 1, append('o1')), limits);
    const tooMuch = contractOffers('s', 2, append('o2'), append('o3'));
    const error = await refused('ShardFullError', second.offer(0, tooMuch, limits));
    assertSame([Reflect.get(error, 'depth'), Reflect.get(error, 'depthMax')], [3, 4]);
    await second.offer(0, contractOffers('s', 1, append('o1'), append('o2')), limits);
    await refused('ShardFullError', second.offer(0, contractOffers('s', 3, append('o3')), limits));
    await second.offer(0, contractOffers('s', 3, { type: 'cancel', id: 'm1' }), limits);
    await second.offer(0, contractOffers('s', 4, append('o3')), { depthMax: 0 });
    assert.equal((await pair.answer()).taken.length, OFFERS_TAKEN_MAX);
    assert.equal((await pair.answer()).taken.length, 1);
  },
  'puts offers of a type that is not known into the quarantine and goes on (I7)': async (pair) => {
    const [first, second] = pair.wals;
    await pair.open();
    const foreign = (id: string): OfferedTransition => append(id, { entityType: 'foreign' });
    await second.offer(0, contractOffers('s', 1, foreign('m0')));
    assertSame((await pair.answer()).taken.length, 1, 'every type may, until someone says which');
    await first.allowTypes(0, ['account']);
    await second.allowTypes(0, []);
    await second.offer(0, contractOffers('s', 2, append('m1'), foreign('m2'), { type: 'cancel', id: 'm1' }));
    const answer = await pair.answer();
    assertSame([answer.quarantined, answer.taken.map(({ outcome }) => outcome.type)], [1, ['appended', 'cancelled']]);
    assert.equal(await second.offerMark(0, 's'), 4);
    await second.offer(0, contractOffers('s', 5, foreign('m3')));
    assert.equal((await pair.answer()).quarantined, 1);
    const quarantined = await second.quarantine(0, 10);
    assertSame(
      quarantined.map(({ text, at }) => [JSON.parse(text).transition.message.id, at]),
      [
        ['m3', pair.clock.nowMs],
        ['m2', pair.clock.nowMs],
      ],
    );
    for (const { reason } of quarantined) assert.match(reason, /foreign/);
    assert.equal((await second.quarantine(0, 1)).length, 1);
    await second.allowTypes(0, ['foreign']);
    await second.offer(0, contractOffers('s', 6, foreign('m4'), append('m5')));
    const grown = await pair.answer();
    assertSame([grown.taken.length, grown.quarantined], [2, undefined]);
  },
  'keeps a verdict for a waiter elsewhere for a short while, and for a messageId as long as ever (M12)': async (
    pair,
  ) => {
    const [, second] = pair.wals;
    await pair.open();
    const replyTo = 'node-2';
    const plain = await pair.start(contractMessage('plain', 'a'));
    const waited = await pair.start(contractMessage('waited', 'b', { replyTo }));
    const keyed = await pair.start(contractMessage('keyed', 'c', { replyTo, messageId: 'k' }));
    const failed = await pair.start(contractMessage('failed', 'd', { replyTo }));
    await pair.answer(
      { type: 'append', message: contractMessage('cancelled', 'e', { replyTo }) },
      { type: 'append', message: contractMessage('late', 'f', { replyTo }), expiresInMs: 1 },
    );
    pair.clock.nowMs += 1;
    await pair.answer(
      { type: 'complete', seq: plain, reply: '1' },
      { type: 'complete', seq: waited, reply: '2', keepVerdict: true },
      { type: 'complete', seq: keyed, reply: '3', keepVerdict: true },
      { type: 'fail', seq: failed, error: CONTRACT_ERROR, keepVerdict: true },
      { type: 'cancel', id: 'cancelled' },
      { type: 'dispatch', seq: 6 },
    );
    const known = async (): Promise<string> => {
      const ids = ['plain', 'waited', 'keyed', 'failed', 'cancelled', 'late'];
      const statuses = await Promise.all(ids.map((id) => second.status(0, id)));
      return statuses.map((status) => status?.state ?? '-').join();
    };
    assertSame((await second.status(0, 'waited'))?.verdict, { state: 'completed', reply: '2' });
    assert.equal(await known(), '-,completed,completed,failed,cancelled,expired');
    pair.clock.nowMs += WAITER_TTL_MS;
    assert.equal(await known(), '-,-,completed,failed,-,expired', 'dead letters still tell');
    assert.equal(await pair.wals[0].cleanup(0, pair.epoch, 'first', 100), 4);
    pair.clock.nowMs += ENTRY_TTL_MS;
    assert.equal(await known(), '-,-,-,failed,-,expired');
  },
  'tells where many messages are at once, those that are only offered aside (I5)': async (pair) => {
    const [first, second] = pair.wals;
    await pair.open();
    const replyTo = 'node-2';
    const states = async (...ids: string[]): Promise<string> =>
      (await second.statuses(0, ids)).map((status) => status?.state ?? '-').join();
    assert.equal(await states(), '');
    await second.offer(0, contractOffers('s', 1, append('m0', { replyTo })));
    assert.equal((await second.status(0, 'm0'))?.isOffered, true);
    assert.equal(await states('m0', 'nobody'), '-,-');
    await pair.answer();
    assert.equal(await states('m0', 'nobody'), 'enqueued,-');
    const failed = await pair.start(contractMessage('failed', 'b', { replyTo }));
    const many = Array.from({ length: 300 }, (_, index) => `many-${index}`);
    const keyed = many.map((id) => contractMessage(id, id, { messageId: id }));
    const started = await pair.answer(
      ...keyed.map((message) => ({ type: 'append', message, dispatch: true }) as const),
      { type: 'append', message: contractMessage('later', 'c'), delayMs: 50 },
      { type: 'fail', seq: failed, error: CONTRACT_ERROR, keepVerdict: true },
    );
    const seqs = started.outcomes.flatMap((outcome) => (outcome.type === 'appended' ? [outcome.seq] : []));
    await pair.answer(...seqs.slice(0, 200).map((seq) => ({ type: 'complete', seq, reply: String(seq) }) as const));
    assert.equal(await states('later', 'failed', 'm0', 'later'), 'enqueued,failed,enqueued,enqueued');
    const found = await first.statuses(0, [...many].reverse());
    for (const [index, id] of [...many].reverse().entries()) assertSame(found[index], await second.status(0, id));
    assertSame(found[299]?.verdict, { state: 'completed', reply: String(seqs[0]) });
    assert.equal(found.filter((status) => status?.verdict === undefined).length, 100);
  },
  'keeps to whom a message replies, through the inbox, a delay and a retry': async (pair) => {
    const [, second] = pair.wals;
    await pair.open();
    await second.offer(0, contractOffers('s', 1, append('m1', { replyTo: 'node-2' })));
    const [taken] = (
      await pair.answer({ type: 'append', message: contractMessage('m2', 'b', { replyTo: 'x' }), delayMs: 5 })
    ).taken;
    assert.equal(taken?.message?.replyTo, 'node-2');
    pair.clock.nowMs += 5;
    const [queued, , retried] = (
      await pair.answer(
        { type: 'promote', id: 'm2' },
        { type: 'dispatch', seq: 1 },
        { type: 'retry', seq: 1, delayMs: 0, error: CONTRACT_ERROR },
      )
    ).outcomes;
    assert(queued?.type === 'queued' && queued.message.replyTo === 'x' && retried?.type === 'retried');
    const messages = await second.load(0, [1, 2]);
    assertSame(
      messages.map(({ replyTo }) => replyTo),
      ['node-2', 'x'],
    );
    await pair.answer({ type: 'dispatch', seq: 1 }, { type: 'fail', seq: 1, error: CONTRACT_ERROR });
    const [replayed] = (await pair.answer({ type: 'replay', id: 'm1', newId: 'm3' })).outcomes;
    assert(replayed?.type === 'queued' && replayed.message.replyTo === undefined, 'whoever waited has its verdict');
  },
};

export function sharedWalContractCases(): readonly SharedWalContractCase[] {
  return Object.entries(CASES).map(([name, check]) => ({
    name,
    run: async (factory) => {
      const pair = await Pair.make(factory);
      try {
        await check(pair);
      } finally {
        await pair.dispose();
      }
    },
  }));
}
