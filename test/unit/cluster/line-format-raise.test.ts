/** When the format of lines may be raised, and what a node must understand to be given shards. */
import { describe, expect, it } from 'vitest';
import type { NodeRecord } from '../../../src/cluster/cluster-store.js';
import {
  formatNeeded,
  inSight,
  isRaiseDue,
  RAISE_HEARTBEATS,
  type RaiseInSight,
  understoodByAll,
} from '../../../src/cluster/line-format-raise.js';
import { nodeRecord as node } from './records.js';

const nodes = (...formats: readonly number[]): readonly NodeRecord[] =>
  formats.map((format, index) => node(`node-${index}`, { format }));

describe('what all nodes understand', () => {
  it('is what the oldest does, and nothing where nobody is', () => {
    expect(understoodByAll(nodes(2, 1, 3))).toBe(1);
    expect(understoodByAll(nodes(3, 2))).toBe(2);
    expect(understoodByAll([])).toBeUndefined();
  });
});

describe('a raise', () => {
  const HEARTBEAT_MS = 400;
  /** Looks, one a heartbeat; the look at which it is due. */
  function dueAt(looks: readonly (readonly NodeRecord[])[], lineFormat = 1): readonly (number | undefined)[] {
    let raise: RaiseInSight | undefined;
    return looks.map((seen, index) => {
      const nowMs = 1_000 + index * HEARTBEAT_MS;
      raise = inSight(raise, { lineFormat, nodes: seen }, nowMs);
      return raise !== undefined && isRaiseDue(raise, nowMs, HEARTBEAT_MS) ? raise.lineFormat : undefined;
    });
  }

  it('is due when everybody has understood the higher format for some heartbeats', () => {
    const looks = Array.from({ length: RAISE_HEARTBEATS + 1 }, () => nodes(2, 2));
    expect(dueAt(looks)).toEqual([...Array(RAISE_HEARTBEATS).fill(undefined), 2]);
  });

  it('waits for an old node that is there, and begins to wait anew when one comes back', () => {
    const all = Array.from({ length: RAISE_HEARTBEATS }, () => nodes(2, 3));
    expect(dueAt([...all, nodes(2, 1), ...all])).toEqual(Array(2 * RAISE_HEARTBEATS + 1).fill(undefined));
    expect(dueAt([...all, nodes(2, 1), ...all, nodes(2, 3)]).at(-1)).toBe(2);
  });

  it('goes to the highest that all understand, and never down', () => {
    const looks = Array.from({ length: RAISE_HEARTBEATS + 1 }, () => nodes(4, 3));
    expect(dueAt(looks).at(-1)).toBe(3);
    expect(dueAt(looks, 3).at(-1)).toBeUndefined();
    expect(dueAt(looks, 9).at(-1)).toBeUndefined();
  });
});

describe('what a node must understand to be given shards', () => {
  it('is the format of the store, or a newer one that somebody has met', () => {
    expect(formatNeeded({ lineFormat: 2, nodes: nodes(3, 1) })).toBe(2);
    expect(formatNeeded({ lineFormat: 1, nodes: [node('a', { format: 1, lineFormat: 2 })] })).toBe(2);
    expect(formatNeeded({ lineFormat: 1, nodes: [] })).toBe(1);
  });
});
