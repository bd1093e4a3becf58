/** The offer senders of a node: one for each shard that anything was offered to, made with the first offer. */
import type { Wal } from '../wal/wal.js';
import { OfferSender, type OfferSenderOptions } from './offer-sender.js';

export interface OfferSendersOptions extends Omit<OfferSenderOptions, 'wal' | 'shard' | 'owner' | 'idPrefix'> {
  readonly wal: Pick<Wal, 'offer' | 'description'>;
  /** Address of the node that owns the shard now, if that is known. */
  readonly ownerOf: (shard: number) => string | undefined;
}

export class OfferSenders {
  private readonly senders = new Map<number, OfferSender>();

  constructor(private readonly options: OfferSendersOptions) {}

  /** Nothing is on its way into any inbox. */
  get idle(): boolean {
    for (const sender of this.senders.values()) if (!sender.idle) return false;
    return true;
  }

  stop(): void {
    for (const sender of this.senders.values()) sender.stop();
  }

  to(shard: number): OfferSender {
    let sender = this.senders.get(shard);
    if (sender === undefined) {
      const { wal, ownerOf, ...rest } = this.options;
      const idPrefix = (): string => wal.description.clusterId.slice(0, 8);
      sender = new OfferSender({ ...rest, wal, shard, owner: () => ownerOf(shard), idPrefix });
      this.senders.set(shard, sender);
    }
    return sender;
  }
}
