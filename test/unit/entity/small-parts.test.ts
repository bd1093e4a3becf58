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

  it('remembers as many of the ids that the owner numbers, and takes no other id for one of them', () => {
    const ends = new RecentEnds();
    ends.add('a-0', 'failed');
    ends.numberedAfter('a-');
    const id = (n: number): string => `a-${n.toString(36)}`;
    const states = ['completed', 'failed', 'interrupted', 'expired', 'cancelled'] as const;
    for (let n = 1; n < 20_000; n += 1) ends.add(id(n), states[n % 5] as (typeof states)[number]);
    for (let n = 20_000 - 4_096; n < 20_000; n += 1) expect(ends.find(id(n))).toBe(states[n % 5]);
    for (const other of [id(1), id(20_000), id(20_000 - 4_097), 'a-0', 'a-x.2', 'a-007', 'b-1', 'a-', 'a-A']) {
      expect(ends.find(other)).toBe(other === 'a-0' ? 'failed' : undefined);
    }
    ends.add('a-x.2', 'expired');
    ends.add('a-007', 'cancelled');
    expect([ends.find('a-x.2'), ends.find('a-007'), ends.find(id(7))]).toEqual(['expired', 'cancelled', undefined]);
    ends.numberedAfter('c-');
    expect([ends.find(id(19_999)), ends.find('c-1'), ends.find('a-x.2')]).toEqual([undefined, undefined, 'expired']);
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
