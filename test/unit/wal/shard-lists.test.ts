/** The ordered collections of a shard's state. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/runtime/random.js';
import {
  compactNumbered,
  emptyNumberedList,
  emptySortedList,
  insertSorted,
  numberedAfter,
  pushNumbered,
  removeSorted,
  sortedFirst,
  sortedSize,
  unpushNumbered,
} from '../../../src/wal/shard-lists.js';

const compare = (left: number, right: number): number => left - right;

describe('SortedList', () => {
  it('holds what a sorted array would hold, whatever is put in and taken out', () => {
    const random = seededRandom(7);
    const list = emptySortedList<number>();
    let expected: number[] = [];
    for (let step = 0; step < 5_000; step++) {
      const grow = random.next() < (step % 1_000 < 500 ? 0.7 : 0.3);
      if (grow || expected.length === 0) {
        const item = random.next() < 0.5 ? step * 10 : random.next() * step * 10;
        insertSorted(list, item, compare);
        expected = [...expected, item].sort(compare);
      } else {
        const index = random.next() < 0.6 ? 0 : Math.floor(random.next() * expected.length);
        const [item = 0] = expected.splice(index, 1);
        removeSorted(list, item, compare);
      }
      expect(sortedSize(list)).toBe(expected.length);
      expect(sortedFirst(list)).toBe(expected[0]);
    }
    expect(list.items.slice(list.head)).toEqual(expected);
  });
});

describe('NumberedList', () => {
  it('pages by number over gaps, before and after they are closed', () => {
    const list = emptyNumberedList<string>();
    for (let number = 1; number <= 200; number++) pushNumbered(list, number, `v${number}`);
    for (let number = 1; number <= 200; number++) if (number % 10 !== 0) list.entries.delete(number);
    const before = [...numberedAfter(list, 95)];
    compactNumbered(list);
    expect(list.order.length).toBe(20);
    expect([...numberedAfter(list, 95)]).toEqual(before);
    expect(before[0]).toBe('v100');
    pushNumbered(list, 201, 'v201');
    unpushNumbered(list, 201);
    expect([...numberedAfter(list, 200)]).toEqual([]);
  });
});
