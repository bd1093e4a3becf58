/** The dead letters as users ask for them: what is refused, and how much is read. */
import { describe, expect, it } from 'vitest';
import { type DeadLetterFilter, DeadLetters } from '../../../src/dead-letter/dead-letters.js';
import { ContractClock } from '../../../src/testing/wal-contract.js';
import { MemoryWal } from '../../../src/wal/memory/memory-wal.js';
import type { Transition } from '../../../src/wal/transition.js';

async function lettersOf(count: number, payload = '{}') {
  const clock = new ContractClock();
  const wal = new MemoryWal({ clock });
  await wal.start();
  const { epoch } = await wal.open(0, 'owner');
  let number = 0;
  const commit = (...transitions: Transition[]) => {
    number += 1;
    return wal.commit({ shard: 0, epoch, incarnation: 'owner', number, transitions });
  };
  for (let n = 1; n <= count; n++) {
    const entityType = n % 2 === 0 ? 'even' : 'odd';
    await commit(
      {
        type: 'append',
        dispatch: true,
        message: { id: `m${n}`, kind: 'command', entityType, entityId: `e${n}`, name: 'Step', payload },
      },
      { type: 'fail', seq: n, error: { name: 'Error', message: 'no' } },
    );
  }
  const letters = new DeadLetters(wal, {
    call: (action) => action(),
    purge: async (id) => (await commit({ type: 'purge', id })).outcomes[0]?.type === 'purged',
    replay: async (id) => {
      const { outcomes } = await commit({ type: 'replay', id, newId: `again-${id}` });
      return outcomes[0]?.type === 'queued' ? outcomes[0].message.id : undefined;
    },
  });
  return { wal, letters };
}

const WRONG: readonly (readonly [what: string, filter: unknown, words: RegExp])[] = [
  ['a misspelt key', { entitytype: 'odd' }, /"entitytype".*"entityType"/],
  ['an unknown key', { zebra: 1 }, /no "zebra"/],
  ['a condition that is undefined', { entityType: undefined }, /"entityType" is undefined/],
  ['a condition of another type', { entityId: 7 }, /"entityId" must be a string/],
  ['a condition that is null', { name: null }, /"name" must be a string/],
  ['an unknown reason', { reason: 'broken' }, /"reason" must be failed, interrupted, expired/],
  ['a date that is none', { since: new Date('never') }, /"since" must be a Date/],
  ['a number', 123, /Got 123/],
  ['an array', ['m1'], /Got an array/],
  ['null', null, /Got null/],
  ['a date', new Date(), /plain object/],
];

describe('a filter of dead letters', () => {
  it.each(WRONG)('refuses %s in every call, and touches nothing', async (_what, wrong, words) => {
    const { letters } = await lettersOf(3);
    const filter = wrong as DeadLetterFilter;
    const calls = [letters.purge(filter), letters.replay(filter), letters.count(filter), letters.list(filter)];
    for (const [index, refused] of (await Promise.allSettled(calls)).entries()) {
      expect(refused, `call ${index}`).toMatchObject({ reason: { code: 'INVALID_PAYLOAD' } });
      expect(String((refused as PromiseRejectedResult).reason)).toMatch(words);
    }
    expect(await letters.count()).toBe(3);
  });

  it('that is missing or empty text is no id either', async () => {
    const { letters } = await lettersOf(2);
    const nothing = undefined as unknown as string;
    for (const refused of [
      letters.get(nothing),
      letters.replay(nothing),
      letters.purge(nothing),
      letters.get(''),
      letters.purge(''),
      letters.replay(''),
    ]) {
      await expect(refused).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    }
    expect(await letters.count({})).toBe(2);
  });

  it('takes in every letter when it is empty on purpose, and only its own otherwise', async () => {
    const { letters } = await lettersOf(5);
    expect(await letters.count({ entityType: 'even' })).toBe(2);
    expect(await letters.replay({ entityType: 'even' })).toBe(2);
    expect(await letters.purge({})).toBe(3);
    expect(await letters.count()).toBe(0);
  });
});

describe('many large letters', () => {
  it('are counted, purged and replayed without being read (I10)', async () => {
    const { wal, letters } = await lettersOf(30);
    wal.deadLetters = () => Promise.reject(new Error('Whole letters are not needed.'));
    expect(await letters.count()).toBe(30);
    expect(await letters.purge({ entityType: 'odd' })).toBe(15);
    expect(await letters.replay({})).toBe(15);
  });

  it('come in pages that end after some megabytes, without gaps or repeats (I10)', async () => {
    const { letters } = await lettersOf(120, JSON.stringify('x'.repeat(200_000)));
    const ids: string[] = [];
    let pages = 0;
    for (let cursor: number | undefined; ; ) {
      const page = await letters.list({ limit: 1_000, cursor });
      pages += 1;
      ids.push(...page.letters.map(({ id }) => id));
      expect(page.letters.length).toBeLessThanOrEqual(75);
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
    expect(pages).toBeGreaterThan(1);
    expect(ids).toEqual(Array.from({ length: 120 }, (_, index) => `m${index + 1}`));
  });

  it('are found by a store that only knows whole ones', async () => {
    const { wal, letters } = await lettersOf(60);
    Object.assign(wal, { deadLetterIds: undefined, deadLetterCount: undefined });
    expect(await letters.count()).toBe(60);
    expect(await letters.purge({ entityType: 'odd' })).toBe(30);
  });
});
