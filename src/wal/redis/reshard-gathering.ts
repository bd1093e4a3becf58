/**
 * The first part of a reshard: it owns every shard, brings outgoing messages to where they go, and takes in what lies in
 * the inboxes. Marks of producer sessions have no meaning in another layout, so nothing may be on its way then (M11, M15).
 */

import type { SharedWal, SignOfLife } from '../shared-wal.js';
import { outboxSession } from '../transition.js';
import { shardKeys } from './keys.js';
import type { RedisClient } from './scripts.js';

const OWNER_NODE = 'atomic-queues reshard';
const COMMITS_MAX = 1_000_000;
/** Outgoing messages that are relayed at once. */
const RELAYED_AT_ONCE = 100;

export interface GatheringOptions {
  readonly wal: SharedWal;
  readonly client: RedisClient;
  readonly keyPrefix: string;
  readonly incarnation: string;
}

interface Owned {
  readonly epoch: number;
  number: number;
}

export class Gathering {
  readonly #owned = new Map<number, Owned>();

  constructor(private readonly options: GatheringOptions) {}

  /** Becomes the owner of a shard, if there is anything of it. @throws ShardHeldError */
  async own(shard: number, silent?: SignOfLife): Promise<void> {
    const { wal, client, keyPrefix, incarnation } = this.options;
    const { meta, inbox } = shardKeys(keyPrefix, shard);
    if (this.#owned.has(shard) || ((await client.exists(meta)) === 0 && (await client.exists(inbox)) === 0)) return;
    const claim = { node: OWNER_NODE, ...(silent?.incarnation !== undefined && { silent }) };
    const { epoch } = await wal.open(shard, incarnation, claim);
    this.#owned.set(shard, { epoch, number: 0 });
  }

  /** Empties outboxes, then inboxes. */
  async settle(): Promise<void> {
    const { client, keyPrefix } = this.options;
    for (const [shard, owned] of [...this.#owned]) await this.#relay(shard, owned);
    for (const [shard, owned] of this.#owned) {
      const { inbox } = shardKeys(keyPrefix, shard);
      while ((await client.llen(inbox)) > 1 && owned.number < COMMITS_MAX) await this.#commit(shard, owned, 0);
    }
  }

  async #relay(shard: number, owned: Owned): Promise<void> {
    const { wal } = this.options;
    for (;;) {
      const entries = await wal.outbox(shard, RELAYED_AT_ONCE);
      if (entries.length === 0) return;
      for (const { number, epoch, targetShard, append } of entries) {
        await wal.offer(targetShard, [{ session: outboxSession(shard, epoch), number, transition: append }]);
        await this.own(targetShard);
      }
      await this.#commit(shard, owned, entries.length);
    }
  }

  async #commit(shard: number, owned: Owned, relayed: number): Promise<void> {
    const { wal, incarnation } = this.options;
    const { epoch } = owned;
    owned.number += 1;
    const transitions = relayed === 0 ? [] : [{ type: 'relayed', count: relayed } as const];
    await wal.commit({ shard, epoch, incarnation, number: owned.number, transitions });
  }
}
