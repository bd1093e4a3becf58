import { describe, expect, it } from 'vitest';
import { holdBackMs, OPENINGS_TRUSTED, OpeningGuard } from '../../../src/cluster/opening-guard.js';
import type { SignOfLife } from '../../../src/wal/shared-wal.js';

const sign = (openings: number | undefined): SignOfLife => ({
  epoch: 7,
  incarnation: 'gone',
  node: 'n1',
  beat: 3,
  openings,
});

describe('the guard of openings', () => {
  it('trusts a shard that few owners died of, and a store that does not count', () => {
    const guard = new OpeningGuard();
    for (const openings of [undefined, 0, 1, OPENINGS_TRUSTED - 1]) {
      expect(guard.seen(1, sign(openings), 0)).toBe(false);
      expect(guard.mayOpen(1, 0, true)).toBe(true);
    }
    expect(guard.heldBack.size).toBe(0);
  });

  it('holds a shard back for twice as long with each further opening, up to five minutes, and never for good (M13)', () => {
    const times = [3, 4, 5, 6, 20, 1_000].map(holdBackMs);
    expect(times).toEqual([2_000, 4_000, 8_000, 16_000, 300_000, 300_000]);
    const guard = new OpeningGuard();
    expect(guard.seen(1, sign(4), 1_000)).toBe(true);
    expect(guard.mayOpen(1, 4_999, false)).toBe(false);
    expect(guard.mayOpen(1, 5_000, false)).toBe(true);
  });

  it('tells of a shard once for each opening, and counts its time from there', () => {
    const guard = new OpeningGuard();
    expect(guard.seen(1, sign(3), 0)).toBe(true);
    expect(guard.seen(1, sign(3), 1_500)).toBe(false);
    expect(guard.seen(1, sign(4), 1_500)).toBe(true);
    expect(guard.mayOpen(1, 5_000, false)).toBe(false);
    expect([...guard.heldBack]).toEqual([[1, 4]]);
  });

  it('opens a suspect only while nothing else is fresh, so that it is known what a node died of', () => {
    const guard = new OpeningGuard();
    guard.seen(1, sign(3), 0);
    expect(guard.mayOpen(1, 60_000, true)).toBe(false);
    expect(guard.mayOpen(1, 60_000, false)).toBe(true);
  });

  it('forgets a shard that somebody survived, or that an operator let go', () => {
    const guard = new OpeningGuard();
    guard.seen(1, sign(5), 0);
    expect(guard.seen(1, sign(0), 10)).toBe(false);
    expect(guard.mayOpen(1, 10, true)).toBe(true);
    expect(guard.heldBack.size).toBe(0);
  });
});
