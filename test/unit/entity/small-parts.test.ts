import { describe, expect, it } from 'vitest';
import { fencingToken } from '../../../src/entity/fencing-token.js';
import { HandlerTable } from '../../../src/entity/handler-table.js';
import { RecentEnds } from '../../../src/entity/recent-ends.js';
import { retryDelayMs } from '../../../src/entity/retry.js';

describe('the retry policy', () => {
  it('doubles up to maxDelay, stays fixed, or ends', () => {
    const policy = { maxAttempts: 100, backoff: 'exponential', backoffDelay: 100, maxDelay: 1_000 } as const;
    expect([1, 2, 3, 4, 5, 60, 99].map((attempt) => retryDelayMs(policy, attempt))).toEqual([
      100, 200, 400, 800, 1_000, 1_000, 1_000,
    ]);
    expect(retryDelayMs(policy, 100)).toBeUndefined();
    expect(retryDelayMs({ ...policy, backoff: 'fixed' }, 9)).toBe(100);
    expect(retryDelayMs({ ...policy, backoffDelay: 0 }, 99)).toBe(0);
    expect(retryDelayMs({ ...policy, maxAttempts: 1 }, 1)).toBeUndefined();
  });
});

describe('the fencing token', () => {
  it('grows as text with the epoch, then with the number of the start (M7)', () => {
    const pairs: [number, number][] = [
      [1, 1],
      [1, 2],
      [1, 10],
      [1, Number.MAX_SAFE_INTEGER],
      [2, 1],
      [9, 9],
      [10, 1],
      [1_735_689_600_000_000, 1],
    ];
    const tokens = pairs.map(([epoch, number]) => fencingToken(epoch, number));
    expect([...tokens].sort()).toEqual(tokens);
  });
});

describe('recent ends', () => {
  it('remembers the latest some thousands and never grows (I10)', () => {
    const ends = new RecentEnds();
    for (let n = 0; n < 50_000; n += 1) ends.add(`m${n}`, 'completed');
    expect(ends.find('m49999')).toBe('completed');
    expect(ends.find(`m${50_000 - 4_096}`)).toBe('completed');
    expect(ends.find('m1')).toBeUndefined();
    const { young, old } = ends as unknown as { young: Map<string, string>; old: Map<string, string> };
    expect(young.size + old.size).toBeLessThanOrEqual(2 * 4_096);
  });
});

describe('the handler table', () => {
  const entry = (label: string) => ({ kind: 'command' as const, label, run: () => undefined });

  it('finds the explicit handler, then the wildcard of the type, and refuses a second one for a name', () => {
    const table = new HandlerTable();
    table.add('account', 'Deposit', entry('one'));
    table.add('account', '*', entry('any'));
    expect(table.find('account', 'Deposit')?.label).toBe('one');
    expect(table.find('account', 'Other')?.label).toBe('any');
    expect(table.find('order', 'Other')).toBeUndefined();
    expect(() => table.add('account', 'Deposit', entry('two'))).toThrow(/one and two/);
    expect(table.names('account')).toEqual(['Deposit', '*']);
  });
});
