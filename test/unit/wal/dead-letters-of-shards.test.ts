/** The dead letters of a store with several shards: one list, and every change where its letter is. */
import { describe, expect, it } from 'vitest';
import { DeadLetters } from '../../../src/dead-letter/dead-letters.js';
import { ContractClock } from '../../../src/testing/wal-contract.js';
import { MemoryWal } from '../../../src/wal/memory/memory-wal.js';
import type { Transition } from '../../../src/wal/transition.js';

/** A store with so many letters in each of its shards, called `s<shard>-<n>`. */
async function storeWith(counts: readonly number[]) {
  const wal = new MemoryWal({ clock: new ContractClock(), shardCount: counts.length });
  await wal.start();
  const owners: { epoch: number; number: number }[] = [];
  const commit = (shard: number, ...transitions: Transition[]) => {
    const owner = owners[shard]!;
    owner.number += 1;
    return wal.commit({ shard, epoch: owner.epoch, incarnation: 'owner', number: owner.number, transitions });
  };
  const add = async (shard: number, n: number) => {
    const message = {
      id: `s${shard}-${n}`,
      kind: 'command',
      entityType: n % 2 === 0 ? 'even' : 'odd',
      entityId: `e${n}`,
      name: 'Step',
      payload: '{}',
    } as const;
    const { outcomes } = await commit(shard, { type: 'append', dispatch: true, message });
    const seq = outcomes[0]?.type === 'appended' ? outcomes[0].seq : 0;
    await commit(shard, { type: 'fail', seq, error: { name: 'Error', message: 'no' } });
  };
  for (const [shard, count] of counts.entries()) {
    owners.push({ epoch: (await wal.open(shard, 'owner')).epoch, number: 0 });
    for (let n = 1; n <= count; n++) await add(shard, n);
  }
  /** Where each change was made. */
  const touched: string[] = [];
  const shards = counts.map((_, shard) => shard);
  const letters = new DeadLetters(
    wal,
    {
      call: (action) => action(),
      purge: async (id, shard) => {
        touched.push(`${shard} ${id}`);
        return (await commit(shard, { type: 'purge', id })).outcomes[0]?.type === 'purged';
      },
      replay: async (id, shard) => {
        touched.push(`${shard} ${id}`);
        const { outcomes } = await commit(shard, { type: 'replay', id, newId: `again-${id}` });
        return outcomes[0]?.type === 'queued' ? outcomes[0].message.id : undefined;
      },
    },
    () => shards,
  );
  return { wal, letters, touched, add, shards };
}

const idsOf = (shard: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `s${shard}-${index + 1}`);

describe('the dead letters of several shards', () => {
  it.each([1, 3, 7, 30, 1_000])(
    'come in pages of %i, by shard and then by age, without gaps or repeats',
    async (limit) => {
      const { letters } = await storeWith([5, 0, 27, 0, 40, 3]);
      const ids: string[] = [];
      let cursor: number | undefined;
      do {
        const page = await letters.list({ limit, cursor });
        expect(page.letters.length).toBeLessThanOrEqual(limit);
        ids.push(...page.letters.map(({ id }) => id));
        cursor = page.cursor;
        if (cursor !== undefined) expect(cursor).toSatisfy(Number.isSafeInteger);
      } while (cursor !== undefined);
      expect(ids).toEqual([...idsOf(0, 5), ...idsOf(2, 27), ...idsOf(4, 40), ...idsOf(5, 3)]);
    },
  );

  it('keep their place in the pages when shards come and letters go', async () => {
    const { letters, shards } = await storeWith([4, 4, 4]);
    shards.splice(0, 3, 0, 2);
    const first = await letters.list({ limit: 4 });
    expect(first.letters.map(({ id }) => id)).toEqual(idsOf(0, 4));
    await letters.purge('s0-4');
    shards.splice(0, 2, 2, 1, 0);
    const rest = await letters.list({ cursor: first.cursor });
    expect(rest.letters.map(({ id }) => id)).toEqual([...idsOf(1, 4), ...idsOf(2, 4)]);
  });

  it('are found by id and changed where they are', async () => {
    const { letters, touched } = await storeWith([2, 2, 2]);
    expect(await letters.get('s2-1')).toMatchObject({ id: 's2-1' });
    expect(await letters.get('s3-1')).toBeUndefined();
    expect(await letters.replay('s2-1')).toEqual({ id: 'again-s2-1' });
    expect(await letters.purge('s1-2')).toBe(true);
    expect(await letters.purge('s2-1')).toBe(false);
    expect(await letters.replay('nobody')).toBeUndefined();
    expect(touched).toEqual(['2 s2-1', '1 s1-2']);
    expect(await letters.count()).toBe(4);
  });

  it('are counted, replayed and purged by filter in all of them, with progress', async () => {
    const { letters, touched } = await storeWith([3, 0, 4, 210]);
    expect(await letters.count()).toBe(217);
    expect(await letters.count({ entityType: 'even' })).toBe(1 + 2 + 105);
    const progress: number[] = [];
    expect(await letters.replay({ entityType: 'even' }, (done) => progress.push(done))).toBe(108);
    expect(progress.at(-1)).toBe(108);
    expect(touched.slice(0, 4)).toEqual(['0 s0-2', '2 s2-2', '2 s2-4', '3 s3-2']);
    expect(await letters.purge({})).toBe(109);
    expect(await letters.count({})).toBe(0);
  });

  it('that die while others are replayed wait for the next time', async () => {
    const { letters, add } = await storeWith([2, 2]);
    let added: Promise<void> | undefined;
    const done = await letters.replay({}, () => {
      added ??= add(0, 7).then(() => add(1, 7));
    });
    await added;
    expect(done).toBe(4);
    expect((await letters.list()).letters.map(({ id }) => id)).toEqual(['s0-7', 's1-7']);
  });

  it('are none when there is no shard', async () => {
    const { letters, shards } = await storeWith([1]);
    shards.length = 0;
    expect(await letters.list()).toEqual({ letters: [] });
    expect(await letters.purge('s0-1')).toBe(false);
  });
});
