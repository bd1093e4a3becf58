import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PlacementNode, place } from '../../../src/cluster/placement.js';
import { nodeRecord } from './records.js';

const node = (serverId: string, rest: Partial<PlacementNode> = {}): PlacementNode => nodeRecord(serverId, rest);
const nodes = (...ids: string[]): PlacementNode[] => ids.map((id) => node(id));
const countsOf = (table: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const id of table) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
};
const moved = (from: readonly string[], to: readonly string[]): number[] =>
  to.flatMap((id, slice) => (id === from[slice] ? [] : [slice]));

function expectBalanced(table: readonly string[], ids: readonly string[]): void {
  const counts = countsOf(table);
  for (const id of ids) {
    expect(counts.get(id) ?? 0).toBeLessThanOrEqual(Math.ceil(table.length / ids.length));
    expect(counts.get(id) ?? 0).toBeGreaterThanOrEqual(Math.floor(table.length / ids.length));
  }
}

const anIdList = fc.uniqueArray(fc.stringMatching(/^[a-f]{1,2}-[0-9]{1,2}$/), { minLength: 1, maxLength: 12 });
const someSlices = fc.integer({ min: 1, max: 70 });

describe('placement', () => {
  it('gives every shard of a new group a node, balanced', () => {
    const table = place({ slices: 16, nodes: nodes('a', 'b', 'c'), current: [] });
    expectBalanced(table, ['a', 'b', 'c']);
  });

  it('leaves the table empty where no node may run shards', () => {
    const unable = [node('a', { state: 'sender' }), node('b', { state: 'leaving' }), node('c', { types: [] })];
    expect(place({ slices: 2, nodes: unable, current: ['a', 'b'] })).toEqual(['', '']);
    expect(place({ slices: 2, nodes: [], current: [] })).toEqual(['', '']);
  });

  it('takes everything from a node that is leaving and gives it nothing', () => {
    const before = place({ slices: 16, nodes: nodes('a', 'b', 'c'), current: [] });
    const after = place({
      slices: 16,
      nodes: [node('a'), node('b', { state: 'leaving' }), node('c')],
      current: before,
    });
    expect(after).not.toContain('b');
    expect(moved(before, after).every((slice) => before[slice] === 'b')).toBe(true);
  });

  it('gives a joiner its share of an even table instead of leaving it without work', () => {
    const before = place({ slices: 16, nodes: nodes('a', 'b', 'c', 'd'), current: [] });
    const after = place({ slices: 16, nodes: nodes('a', 'b', 'c', 'd', 'e'), current: before });
    expect(countsOf(after).get('e')).toBe(3);
  });

  it('places on nodes with different types alike, as in a rolling deploy', () => {
    const mixed = [node('old', { types: ['account'] }), node('new', { types: ['account', 'loan'] })];
    expectBalanced(place({ slices: 16, nodes: mixed, current: [] }), ['old', 'new']);
  });

  it('lets what finds no room where the ring wants it fall to the least loaded of the emptiest nodes', () => {
    // Two shards stand; the last one may go to b or c, which have none.
    const loads = (b: number, c: number) => [node('a'), node('b', { load: b }), node('c', { load: c })];
    const tables = (b: number, c: number) =>
      Array.from({ length: 20 }, (_, slice) => {
        const current = Array.from({ length: 20 }, (_, each) => (each === slice ? '' : each % 2 === 0 ? 'a' : 'b'));
        return place({ slices: 20, nodes: loads(b, c), current });
      });
    for (const table of [...tables(0, 9), ...tables(9, 0)]) expectBalanced(table, ['a', 'b', 'c']);
    const three = place({ slices: 3, nodes: loads(9, 0), current: ['a', '', ''] });
    expect([...three].sort()).toEqual(['a', 'b', 'c']);
  });

  it('copes with a table of another length and with names it does not know', () => {
    expectBalanced(place({ slices: 5, nodes: nodes('a', 'b'), current: ['x', 'a', 'a', 'a', 'a', 'a', 'a'] }), [
      'a',
      'b',
    ]);
    expectBalanced(place({ slices: 5, nodes: nodes('a', 'b'), current: ['b'] }), ['a', 'b']);
  });

  it('is balanced and deterministic from any table, whatever the order of the nodes', () => {
    fc.assert(
      fc.property(anIdList, someSlices, fc.infiniteStream(fc.nat()), (ids, slices, chance) => {
        const known = [...ids, 'gone', ''];
        const current = Array.from({ length: slices }, () => known[chance.next().value! % known.length]!);
        const table = place({ slices, nodes: nodes(...ids), current });
        expect(table).toHaveLength(slices);
        expectBalanced(table, ids);
        expect(place({ slices, nodes: nodes(...ids.toReversed()), current })).toEqual(table);
      }),
    );
  });

  it('leaves a table alone when nothing changes, also when the load does', () => {
    fc.assert(
      fc.property(anIdList, someSlices, fc.nat(1_000_000), (ids, slices, load) => {
        const table = place({ slices, nodes: nodes(...ids), current: [] });
        const loaded = ids.map((id, index) => node(id, { load: index === 0 ? load : 0 }));
        expect(place({ slices, nodes: loaded, current: table })).toEqual(table);
      }),
    );
  });

  it('moves only to the joiner and at most its share, and only from the leaver, over whole lives of a group', () => {
    const steps = fc.array(fc.record({ join: fc.boolean(), which: fc.nat() }), { maxLength: 25 });
    fc.assert(
      fc.property(anIdList, someSlices, steps, (pool, slices, changes) => {
        let there = pool.slice(0, 1);
        let table = place({ slices, nodes: nodes(...there), current: [] });
        for (const { join, which } of changes) {
          const outside = pool.filter((id) => !there.includes(id));
          const before = table;
          if (join && outside.length > 0) {
            const joiner = outside[which % outside.length]!;
            there = [...there, joiner];
            table = place({ slices, nodes: nodes(...there), current: before });
            const moves = moved(before, table);
            expect(moves.length).toBeLessThanOrEqual(Math.ceil(slices / there.length));
            expect(moves.every((slice) => table[slice] === joiner)).toBe(true);
          } else if (there.length > 1) {
            const leaver = there[which % there.length]!;
            there = there.filter((id) => id !== leaver);
            table = place({ slices, nodes: nodes(...there), current: before });
            expect(moved(before, table).every((slice) => before[slice] === leaver)).toBe(true);
          }
          expectBalanced(table, there);
        }
      }),
    );
  });
});
