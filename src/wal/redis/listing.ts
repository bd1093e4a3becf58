/**
 * Reading pages of what lies under growing numbers in bucketed hashes, in the order of the numbers. Where the numbers lie
 * close together, places are simply asked for; where they lie far apart (one old message and a million new ones), the
 * numbers that exist are listed once, sorted here, and kept while someone pages through them.
 */
import { BUCKET_PLACES, bucketOf, LINE_BUCKETS } from './keys.js';
import type { RedisClient } from './scripts.js';

/** Places that are asked for in one go. */
const WINDOW = 1_000;
/** Windows without much in them before the numbers are listed. */
const EMPTY_WINDOWS_MAX = 2;
/** Numbers of one reply when a hash is listed. */
const SCAN_COUNT = 5_000;

/** The numbers that existed above `from` and below `to` at some time; none was added there since. */
interface Listed {
  readonly from: number;
  readonly to: number;
  readonly numbers: Float64Array;
}

export class Listing {
  #listed: Listed | undefined;

  /**
   * @param fetch what lies under these numbers, in their order, without those that are not there.
   * @param end no number is as high.
   */
  async page<T>(
    client: RedisClient,
    keys: readonly string[],
    after: number,
    end: number,
    limit: number,
    fetch: (numbers: readonly number[]) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const found: T[] = [];
    let next = Math.max(1, Math.floor(after) + 1);
    let poor = 0;
    while (found.length < limit && next < end) {
      const listed = this.#listed;
      if (listed !== undefined && next > listed.from && next < listed.to) {
        const at = lowerBound(listed.numbers, next);
        const numbers = Array.from(listed.numbers.subarray(at, at + Math.min(WINDOW, limit - found.length + 16)));
        if (numbers.length === 0) {
          next = listed.to;
          this.#listed = undefined;
          continue;
        }
        for (const item of await fetch(numbers)) found.push(item);
        next = (numbers.at(-1) as number) + 1;
        continue;
      }
      const size = Math.min(WINDOW, end - next, poor === 0 ? Math.max(limit - found.length + 16, 64) : WINDOW);
      const start = next;
      const items = await fetch(Array.from({ length: size }, (_, index) => start + index));
      for (const item of items) found.push(item);
      next += size;
      poor = items.length * 8 < size ? poor + 1 : 0;
      if (poor >= EMPTY_WINDOWS_MAX && end - next > WINDOW * 4) {
        this.#listed = await list(client, keys, next - 1, end);
        poor = 0;
      }
    }
    return found.length > limit ? found.slice(0, limit) : found;
  }
}

async function list(client: RedisClient, keys: readonly string[], from: number, to: number): Promise<Listed> {
  const all: number[] = [];
  // A bucket that no number of the range falls into is not listed.
  const spans = Math.ceil((to - from) / BUCKET_PLACES) + 1;
  const first = bucketOf(from + 1);
  for (let step = 0; step < Math.min(spans, LINE_BUCKETS); step++) {
    const key = keys[(first + step) % LINE_BUCKETS] as string;
    const size = await client.hlen(key);
    if (size <= SCAN_COUNT) keep(await client.hkeys(key));
    else await scan(client, key, keep);
  }
  return { from, to, numbers: Float64Array.from(new Set(all)).sort() };

  function keep(fields: readonly string[]): void {
    for (const field of fields) {
      const number = Number(field);
      if (field !== '' && number > from && number < to) all.push(number);
    }
  }
}

async function scan(client: RedisClient, key: string, keep: (fields: readonly string[]) => void): Promise<void> {
  let cursor = '0';
  do {
    const [next, pairs] = await client.hscan(key, cursor, 'COUNT', SCAN_COUNT);
    keep(pairs.filter((_, index) => index % 2 === 0));
    cursor = next;
  } while (cursor !== '0');
}

function lowerBound(numbers: Float64Array, wanted: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
