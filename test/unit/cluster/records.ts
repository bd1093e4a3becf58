/** Records of nodes for the unit tests of the cluster's pure parts. */
import type { NodeRecord } from '../../../src/cluster/cluster-store.js';
import type { Member } from '../../../src/cluster/membership.js';

export function nodeRecord(serverId: string, rest: Partial<NodeRecord> = {}): NodeRecord {
  return {
    serverId,
    incarnation: `${serverId}-1`,
    group: 'bank',
    beat: 1,
    state: 'up',
    load: 0,
    shards: {},
    types: ['account'],
    version: '1.0.0',
    format: 1,
    ...rest,
  };
}

export function liveMember(serverId: string, aliveMs: number, rest: Partial<NodeRecord> = {}): Member {
  return { record: nodeRecord(serverId, rest), silentMs: 0, aliveMs };
}
