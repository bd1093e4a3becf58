import { describe, expect, it } from 'vitest';
import { LOAD_MIN, type ReliefNode, relieve } from '../../../src/cluster/load-relief.js';
import { place } from '../../../src/cluster/placement.js';
import { nodeRecord } from './records.js';

const node = (serverId: string, shards: Record<number, number>, rest: Partial<ReliefNode> = {}): ReliefNode =>
  nodeRecord(serverId, { shards, load: Object.values(shards).reduce((sum, waiting) => sum + waiting, 0), ...rest });

describe('load relief', () => {
  const table = ['a', 'a', 'a', 'b', 'b'];
  const busy = node('a', { 16: 9_000, 17: 20_000, 18: 3_000 });

  it('moves one shard, the largest that does not just carry the trouble along, and the table stands', () => {
    const nodes = [busy, node('b', { 19: 10, 20: 0 })];
    const after = relieve({ nodes, table, firstShard: 16 });
    expect(after).toEqual(['b', 'a', 'a', 'b', 'b']);
    expect(place({ slices: 5, nodes, current: after })).toEqual(after);
    expect(relieve({ nodes, table: after, firstShard: 16 })).toBe(after);
  });

  it('moves nothing while load is nearly even, small, or in one shard alone', () => {
    const same = (...nodes: ReliefNode[]) => expect(relieve({ nodes, table, firstShard: 16 })).toBe(table);
    same(busy, node('b', { 19: 20_000 }));
    same(node('a', { 16: LOAD_MIN - 1 }), node('b', {}));
    same(node('a', { 16: 50_000 }), node('b', {}));
    same();
  });

  it('moves nothing to a node that may not run shards, nor where all shares are equal', () => {
    const same = (standing: string[], ...nodes: ReliefNode[]) =>
      expect(relieve({ nodes, table: standing, firstShard: 16 })).toBe(standing);
    same(['a', 'a', 'a'], busy, node('b', {}, { state: 'leaving' }), node('c', {}, { types: [] }));
    same(['a', 'a', 'a', 'b', 'b', 'b'], busy, node('b', {}));
  });
});
