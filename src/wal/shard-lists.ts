/**
 * The two ordered collections of a shard's state. Both are plain data with functions, so that a state can be cloned and
 * compared. Neither knows what it holds.
 *
 * - `SortedList`: kept sorted by a comparison; cheap at both ends, which is where lines and timelines change.
 * - `NumberedList`: values under growing numbers; cheap removal anywhere, since a removed number only leaves a gap that
 *   is closed later.
 */

export interface SortedList<T> {
  /** Items before `head` are gone. */
  items: T[];
  head: number;
}

export type Compare<T> = (left: T, right: T) => number;

export function emptySortedList<T>(): SortedList<T> {
  return { items: [], head: 0 };
}

export function sortedSize(list: SortedList<unknown>): number {
  return list.items.length - list.head;
}

export function sortedFirst<T>(list: SortedList<T>): T | undefined {
  return list.items[list.head];
}

export function insertSorted<T>(list: SortedList<T>, item: T, compare: Compare<T>): void {
  const { items } = list;
  const last = items[items.length - 1];
  if (list.head === items.length || (last !== undefined && compare(last, item) < 0)) {
    items.push(item);
    return;
  }
  const index = sortedIndex(list, item, compare);
  if (index === list.head && list.head > 0) {
    list.head -= 1;
    items[list.head] = item;
  } else {
    items.splice(index, 0, item);
  }
}

/** Removes an item that is there. */
export function removeSorted<T>(list: SortedList<T>, item: T, compare: Compare<T>): void {
  const index = sortedIndex(list, item, compare);
  if (index !== list.head) {
    list.items.splice(index, 1);
    return;
  }
  list.head += 1;
  if (list.head > 32 && list.head * 2 > list.items.length) {
    list.items = list.items.slice(list.head);
    list.head = 0;
  }
}

/** Index of the first item that is not before `item`. */
function sortedIndex<T>(list: SortedList<T>, item: T, compare: Compare<T>): number {
  let low = list.head;
  let high = list.items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(list.items[middle] as T, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface NumberedList<V> {
  entries: Map<number, V>;
  /** All numbers of `entries` in growing order, and some that are gone. */
  order: number[];
}

export function emptyNumberedList<V>(): NumberedList<V> {
  return { entries: new Map(), order: [] };
}

/** Adds a value under a number larger than any that the list ever had. */
export function pushNumbered<V>(list: NumberedList<V>, number: number, value: V): void {
  list.entries.set(number, value);
  list.order.push(number);
}

/** Takes the latest `pushNumbered` back. */
export function unpushNumbered<V>(list: NumberedList<V>, number: number): void {
  list.entries.delete(number);
  list.order.pop();
}

/** Closes the gaps when most numbers are gone. Only while no removal may have to be taken back. */
export function compactNumbered<V>(list: NumberedList<V>): void {
  if (list.order.length > 64 && list.order.length > list.entries.size * 2) {
    list.order = list.order.filter((number) => list.entries.has(number));
  }
}

/** Values with a number above `after`, in order. */
export function* numberedAfter<V>(list: NumberedList<V>, after: number): Generator<V, void, undefined> {
  const { entries, order } = list;
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((order[middle] as number) <= after) low = middle + 1;
    else high = middle;
  }
  for (let index = low; index < order.length; index++) {
    const value = entries.get(order[index] as number);
    if (value !== undefined) yield value;
  }
}
