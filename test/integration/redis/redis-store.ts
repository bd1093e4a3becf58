/** A store on a real server with service groups, and owners that put messages and dead letters into its shards. */
import type { Cluster, Redis } from 'ioredis';
import type { NodeRecord } from '../../../src/cluster/cluster-store.js';
import { RedisClusterStore } from '../../../src/cluster/transport/redis/redis-cluster-store.js';
import { entityKey } from '../../../src/message/entity-key.js';
import { sliceOf } from '../../../src/message/shard-of.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import type { CommitAnswer } from '../../../src/wal/wal.js';

type Append = Extract<Transition, { readonly type: 'append' }>;

export interface Step {
  readonly id: string;
  readonly entityId: string;
  readonly entityType?: string;
  readonly payload?: unknown;
  readonly more?: Partial<Append>;
  readonly messageId?: string;
  readonly recurrence?: string;
}

export class TestStore {
  readonly wal: RedisWal;
  readonly cluster: RedisClusterStore;
  readonly owners = new Map<number, { readonly epoch: number; readonly incarnation: string; number: number }>();

  constructor(
    readonly client: Redis | Cluster,
    readonly keyPrefix: string,
    readonly slices: number,
  ) {
    this.wal = new RedisWal({ client, keyPrefix, slices, warn: () => {} });
    this.cluster = new RedisClusterStore({ client, keyPrefix });
  }

  static async start(client: Redis | Cluster, keyPrefix: string, slices: number): Promise<TestStore> {
    const store = new TestStore(client, keyPrefix, slices);
    await store.wal.start();
    await store.cluster.start();
    return store;
  }

  shardOf(group: number, entityType: string, entityId: string): number {
    return group * this.slices + sliceOf(entityKey(entityType, entityId), this.slices);
  }

  async open(shard: number, node = 'node-1'): Promise<void> {
    const incarnation = `${node}-life`;
    const { epoch } = await this.wal.open(shard, incarnation, { node });
    this.owners.set(shard, { epoch, incarnation, number: 0 });
  }

  async commit(shard: number, ...transitions: Transition[]): Promise<CommitAnswer> {
    if (!this.owners.has(shard)) await this.open(shard);
    const owner = this.owners.get(shard)!;
    owner.number += 1;
    return this.wal.commit({ shard, ...owner, transitions });
  }

  /** Puts a message into its shard; returns its place there, if it has one. */
  async append(
    group: number,
    { id, entityId, entityType = 'account', payload = {}, more, messageId, recurrence }: Step,
  ) {
    const shard = this.shardOf(group, entityType, entityId);
    const message = {
      id,
      kind: 'command',
      entityType,
      entityId,
      name: 'Step',
      payload: JSON.stringify(payload),
      ...(messageId !== undefined && { messageId }),
      ...(recurrence !== undefined && { recurrence }),
    } as const;
    const { outcomes } = await this.commit(shard, { type: 'append', message, ...more });
    const [outcome] = outcomes;
    return { shard, seq: outcome?.type === 'appended' ? outcome.seq : 0, outcome };
  }

  /** A message that started and failed. */
  async fail(group: number, step: Step): Promise<number> {
    const { shard, seq } = await this.append(group, { ...step, more: { dispatch: true } });
    await this.commit(shard, { type: 'fail', seq, error: { name: 'RangeError', message: 'no' } });
    return shard;
  }

  async release(): Promise<void> {
    for (const [shard, { epoch, incarnation }] of this.owners) await this.wal.release(shard, epoch, incarnation);
    this.owners.clear();
  }
}

export function nodeRecord(serverId: string, beat: number, more: Partial<NodeRecord> = {}): NodeRecord {
  return {
    serverId,
    incarnation: `${serverId}-life`,
    group: 'bank',
    beat,
    state: 'up',
    load: 3,
    shards: { 0: 3 },
    types: ['account'],
    version: '1.0.0',
    format: 1,
    ...more,
  };
}
