/**
 * What the messages in memory amount to: how many there are (node and entity), and how many payload bytes they hold. Owns
 * the watch over the deadline of each waiting message, because both end together.
 */
import type { Deadlines } from '../runtime/deadlines.js';
import type { Door } from './door.js';
import type { EntityWorker } from './entity-worker.js';
import type { Item } from './item.js';
import type { NodeShare } from './node-share.js';

export class ItemAccounts {
  /** What this shard holds of the node's resident bytes. */
  private residentBytes = 0;
  private hasLeft = false;

  constructor(
    private readonly door: Door,
    private readonly share: NodeShare,
    private readonly deadlines: Deadlines,
    /** UTF-16 units of payload that stay in memory; 0: none. */
    private readonly residentMax: number,
    private readonly now: () => number,
    private readonly expired: (item: Item) => void,
  ) {}

  add(item: Item): void {
    item.counted = true;
    item.worker.depth += 1;
    this.door.changeDepth(1);
    this.payloadIs(item, item.payload?.length ?? 0);
  }

  remove(item: Item): void {
    if (!item.counted) return;
    item.counted = false;
    this.removePlace(item.worker);
    this.payloadIs(item, 0);
    item.payload = undefined;
    if (item.expiry !== undefined) this.deadlines.clear(item.expiry, item.expiryKey);
    item.expiry = undefined;
  }

  /** A message that was in memory as a place only has gone. */
  removePlace(worker: EntityWorker): void {
    worker.depth -= 1;
    this.door.changeDepth(-1);
  }

  /** The item's payload was loaded. */
  loaded(item: Item): void {
    this.payloadIs(item, item.payload?.length ?? 0);
  }

  /** Past the limit a payload waits in the store; the handler's start brings it back. A volatile query is in no store. */
  spare(item: Item): void {
    if (item.stage !== 'waiting' || item.isVolatile || item.payload === undefined) return;
    if (this.share.residentBytes <= this.residentMax) return;
    this.payloadIs(item, 0);
    item.payload = undefined;
  }

  watchExpiry(item: Item): void {
    if (item.expiry !== undefined) return;
    item.expiry = {
      deadlinePassed: () => {
        item.expiry = undefined;
        if (item.stage === 'waiting') this.expired(item);
      },
    };
    item.expiryKey = this.deadlines.set(item.expiry, Math.max(0, item.expiresAt - this.now()));
  }

  /** The shard is not this node's any more: nothing of it is held. */
  leave(): void {
    this.share.residentBytes -= this.residentBytes;
    this.residentBytes = 0;
    this.hasLeft = true;
  }

  private payloadIs(item: Item, length: number): void {
    const difference = this.hasLeft ? 0 : length - item.residentLength;
    this.residentBytes += difference;
    this.share.residentBytes += difference;
    item.residentLength = length;
  }
}
