/**
 * What stands in the store by another way than this node's own appends, and has to be so in memory too: messages that came
 * due, replays, and what other processes offered; and messages that were withdrawn. It holds nothing itself.
 */
import { entityKey } from '../message/entity-key.js';
import type { Envelope, ErrorDescription } from '../message/envelope.js';
import type { FinalState, Outcome, Sent, StoredMessage } from '../wal/transition.js';
import type { TakenOffer } from '../wal/wal.js';
import type { EntityWorker } from './entity-worker.js';
import { Item } from './item.js';
import type { ShardOwner } from './shard-owner.js';

export class Intake {
  /** Workers whose lines are kept for what the commit under way may bring. */
  private readonly kept = new Set<EntityWorker>();

  constructor(private readonly owner: ShardOwner) {}

  /** A message that the store has put in line takes its place here. */
  enterLine(message: StoredMessage, known?: Item): void {
    if (this.owner.catchUp.covers(message.seq)) {
      this.owner.catchUp.stands(message.seq);
      return;
    }
    const worker = this.owner.directory.activate(entityKey(message.entityType, message.entityId));
    const item = new Item(
      worker,
      message.kind,
      false,
      message.id,
      message.name,
      message.payload,
      message.headers,
      message.messageId,
      'waiting',
    );
    item.adopt(message);
    item.seq = message.seq;
    item.attempt = message.attempt;
    item.waiter = known?.waiter;
    item.link = known?.link;
    if (known?.keepVerdict === true) item.keepVerdict = true;
    if (known !== undefined) known.waiter = undefined;
    this.owner.accounts.add(item);
    this.owner.accounts.spare(item);
    if (message.state === 'dispatched') {
      worker.reserved = false;
      worker.lineStarted(item);
      return;
    }
    if (item.expiresAt > 0) this.owner.accounts.watchExpiry(item);
    worker.line(item);
  }

  /**
   * Whether an offered message may start with the commit that takes it in: its entity has nothing to do, and its line is
   * kept for it until `commitAnswered`.
   */
  readonly startsAtOnce = ({ entityType, entityId, name }: Envelope): boolean => {
    const { owner, kept } = this;
    if (!owner.startsMessages || owner.catchUp.isActive || !owner.slots.isUnbounded) return false;
    const handler = owner.options.handlers.find(entityType, name);
    // What needs no durable start gains nothing by one.
    if (handler === undefined || handler.actor?.effects === 'state') return false;
    const key = entityKey(entityType, entityId);
    if (owner.directory.isFull || owner.directory.hasBacklog(key)) return false;
    const known = owner.directory.find(key);
    if (known !== undefined && kept.has(known)) return true;
    if (known !== undefined && !known.isIdle) return false;
    const worker = owner.directory.activate(key);
    if (!worker.reserve()) {
      owner.directory.becameIdle(worker);
      return false;
    }
    kept.add(worker);
    return true;
  };

  /** The lines that were kept are free again, unless their messages have come. */
  commitAnswered(): void {
    if (this.kept.size === 0) return;
    const workers = [...this.kept];
    this.kept.clear();
    for (const worker of workers) worker.unreserve();
  }

  /** Something from outside stands in the store: do here what it means. */
  takeIn({ offer, outcome, message }: TakenOffer): void {
    const { transition } = offer;
    if (outcome.type === 'cancelled') this.withdrawn(outcome.message);
    else if (outcome.type === 'unblocked') this.owner.blockedHeads.unblocked(outcome.message);
    else if (outcome.type === 'skipped') this.owner.blockedHeads.skipped(outcome.message, outcome.reason);
    else if (transition.type === 'pause' || transition.type === 'resume') {
      this.owner.markPaused(transition.entityType, transition.entityId, transition.type === 'pause');
    } else if (outcome.type === 'delayed') this.owner.delayedMessages.dueAt(outcome.notBefore);
    else if (message !== undefined) {
      if (transition.type === 'replay') this.owner.endings.countDeadLetter(message.entityType, -1);
      this.enterLine(message);
    } else if (outcome.type === 'expired') this.owner.endings.ofStored(outcome.message, 'expired');
    else if (outcome.type === 'purged') this.owner.endings.countDeadLetter(outcome.entityType, -1);
    else if (outcome.type === 'duplicate' && transition.type === 'append') this.sameAs(transition.message, outcome);
  }

  /** What a handler here has sent to an entity of its own shard stands in line. */
  arrived({ outcome, message }: Extract<Sent, { readonly type: 'arrived' }>): void {
    if (outcome.type === 'delayed') this.owner.delayedMessages.dueAt(outcome.notBefore);
    else if (message !== undefined) this.enterLine(message);
  }

  /** Offered again under another id: who waits for it gets the verdict of the first one. */
  private sameAs({ id, replyTo }: Envelope, { id: first, verdict }: Extract<Outcome, { type: 'duplicate' }>): void {
    if (replyTo === undefined) return;
    if (verdict === undefined) this.owner.endings.follow(first, replyTo, id);
    else this.owner.endings.tellOne(replyTo, id, verdict);
  }

  /** A waiting or delayed message was withdrawn in the store. */
  withdrawn(message: StoredMessage): void {
    const delayed = this.owner.delayedMessages.takeOut(message.id);
    if (delayed !== undefined || message.seq === 0) {
      this.owner.endings.ofStored(message, 'cancelled', delayed);
      return;
    }
    this.leftLine(message, 'cancelled');
  }

  /** The store has ended a message that stood in line without running. */
  leftLine(message: StoredMessage, state: FinalState, error?: ErrorDescription): void {
    const key = entityKey(message.entityType, message.entityId);
    const worker = this.owner.directory.find(key);
    const item = worker?.takeOut(message.seq);
    if (worker !== undefined && item !== undefined) {
      item.adopt(message);
      item.error = error;
      worker.endTakenOut(item, state);
    } else {
      this.owner.unusual.delete(message.seq);
      if (worker === undefined && this.owner.directory.removeFromBacklog(key, message.seq))
        this.owner.door.changeDepth(-1);
      this.owner.endings.ofStored(message, state, undefined, error);
      this.owner.feedBacklog();
    }
  }

  /** Withdraws a message if it has not started; nobody waits for the answer. */
  cancelQuietly(id: string): void {
    this.owner.add(
      { type: 'cancel', id },
      {
        committed: (outcome) => {
          if (outcome.type === 'cancelled') this.withdrawn(outcome.message);
        },
        refused: () => {},
      },
    );
  }
}
