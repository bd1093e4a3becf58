/** Times, durations and numbers as they are typed on the command line. */
import { describe, expect, it } from 'vitest';
import { parseCount, parseDuration, parseTime } from '../../../src/cli/times.js';

const NOW = Date.UTC(2026, 2, 1, 12);

describe('times on the command line', () => {
  it.each([
    ['30s', NOW - 30_000],
    ['30m', NOW - 1_800_000],
    ['2h', NOW - 7_200_000],
    ['7d', NOW - 604_800_000],
    ['2w', NOW - 1_209_600_000],
    ['0s', NOW],
    [' 1h ', NOW - 3_600_000],
    ['2026-02-28', Date.UTC(2026, 1, 28)],
    ['2026-02-28T10:00:00Z', Date.UTC(2026, 1, 28, 10)],
    ['2026-02-28 10:00Z', Date.UTC(2026, 1, 28, 10)],
    ['2026-02-28T10:00:00.250+02:00', Date.UTC(2026, 1, 28, 8) + 250],
    ['2026-02-28T10:00', new Date(2026, 1, 28, 10).getTime()],
  ])('reads %j', (text, expected) => {
    expect(parseTime(text, NOW)).toBe(expected);
  });

  it.each(['', '2', 'yesterday', '2x', '-2h', '1.5h', '2026-13-01', '2026-02-28T25:00Z', 'March 7', '99999999999d'])(
    'refuses %j and says what to write',
    (text) => {
      expect(() => parseTime(text, NOW)).toThrow(/ISO time/);
    },
  );

  it('reads durations with a unit and in milliseconds', () => {
    expect([parseDuration('30s'), parseDuration('2m'), parseDuration('250')]).toEqual([30_000, 120_000, 250]);
  });

  it.each(['', '0', '-1', 'soon', '1.5'])('refuses the duration %j', (text) => {
    expect(() => parseDuration(text)).toThrow(/duration/);
  });

  it('takes whole numbers within bounds only', () => {
    const parse = parseCount(1, 1000);
    expect([parse('1'), parse('1000')]).toEqual([1, 1000]);
    for (const text of ['0', '1001', '1e2', '-1', 'ten', '']) expect(() => parse(text)).toThrow(/from 1 to 1000/);
  });
});
