/**
 * What follows when a verdict is durable: whoever waits is answered, listeners hear it, dead letters are counted, and
 * `status` can tell for a while (I5).
 */
import type { ErrorDescription } from '../message/envelope.js';
import { describeError } from '../message/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { TypedEvents } from '../runtime/typed-events.js';
import type { FinalState, StoredMessage, Verdict } from '../wal/transition.js';
import type { Announcements } from './announcements.js';
import type { ClusterHooks } from './cluster-hooks.js';
import type { Door } from './door.js';
import type { Item } from './item.js';
import type { LifecycleEvents } from './lifecycle-events.js';
import type { Verdicts } from './verdicts.js';

export interface EndingsOptions {
  readonly verdicts: Verdicts;
  readonly announce: Announcements;
  readonly events: TypedEvents<LifecycleEvents>;
  readonly door: Door;
  readonly logger: Logger;
  readonly now: () => number;
  readonly deadLettersMax: (entityType: string) => number;
  /** Absent: nobody waits on another node. */
  readonly tell?: ClusterHooks['tell'] | undefined;
}

export class Endings {
  /** Who waits for a message under another id than its own, because they sent it again with the same `messageId`. */
  private readonly followers = new Map<string, { readonly replyTo: string; readonly id: string }[]>();

  /** Whom the store has told itself with the commit that is being worked off: message id -> address. */
  toldByStore: ReadonlyMap<string, string> | undefined;

  constructor(private readonly options: EndingsOptions) {}

  /** An item of a line here has ended. */
  ofItem(item: Item, state: FinalState): void {
    const { verdicts, announce } = this.options;
    if (item.replyError !== undefined && state === 'completed') {
      item.waiter?.fail(item.replyError);
      item.waiter = undefined;
      verdicts.failLater(item.id, item.replyError);
    }
    // The usual message has no one who waits: no object is made for it.
    if (item.waiter !== undefined || verdicts.isAwaited(item.id)) {
      verdicts.deliver(item.errorSubject(), { state, reply: item.reply, error: item.error }, item.waiter);
      item.waiter = undefined;
    }
    if (!item.isVolatile) {
      // A completed message with an error has a reply that cannot be given to anyone.
      const replyError = item.replyError === undefined ? undefined : describeError(item.replyError);
      this.tellOthers(item.id, item.replyTo, state, item.reply, item.error ?? replyError);
      this.remember(item.id, state, item.worker.entityType);
    }
    announce.ended(item, state);
  }

  /** The store has ended a message that is in no line here. */
  ofStored(message: StoredMessage, state: FinalState, item?: Item, error?: ErrorDescription): void {
    const { verdicts, events, now } = this.options;
    const { id, kind, entityType, entityId, name, attempt } = message;
    verdicts.deliver({ messageId: id, entityType, entityId, name }, { state, error }, item?.waiter);
    this.tellOthers(id, message.replyTo, state, undefined, error);
    this.remember(id, state, entityType);
    events.emit('ended', { id, kind, entityType, entityId, name, state, attempt, at: now(), error });
  }

  /** Tells `replyTo` about the message `id` when the message `first` ends, which it is the same as. */
  follow(first: string, replyTo: string, id: string): void {
    const followers = this.followers.get(first);
    if (followers === undefined) this.followers.set(first, [{ replyTo, id }]);
    else if (!followers.some((each) => each.id === id)) followers.push({ replyTo, id });
  }

  tellOne(replyTo: string, id: string, verdict: Verdict): void {
    this.options.tell?.(replyTo, id, verdict);
  }

  private tellOthers(
    id: string,
    replyTo: string | undefined,
    state: FinalState,
    reply: string | undefined,
    error: ErrorDescription | undefined,
  ): void {
    if (this.options.tell === undefined || (replyTo === undefined && this.followers.size === 0)) return;
    const isTold = replyTo !== undefined && this.toldByStore?.get(id) === replyTo;
    if (isTold && this.followers.size === 0) return;
    const verdict: Verdict = { state, ...(reply !== undefined && { reply }), ...(error !== undefined && { error }) };
    if (replyTo !== undefined && !isTold) this.tellOne(replyTo, id, verdict);
    const followers = this.followers.get(id);
    this.followers.delete(id);
    for (const follower of followers ?? []) this.tellOne(follower.replyTo, follower.id, verdict);
  }

  countDeadLetter(entityType: string, difference: 1 | -1): void {
    const { door, logger, events, deadLettersMax } = this.options;
    if (!door.countDeadLetter(entityType, difference)) return;
    const limit = deadLettersMax(entityType);
    logger.error(
      `Entity type "${entityType}" has ${limit} dead letters, its deadLettersMax: new messages of this type are refused until some are replayed or purged.`,
    );
    events.emit('deadLettersFull', { entityType, count: limit, limit });
  }

  private remember(id: string, state: FinalState, entityType: string): void {
    this.options.verdicts.recent.add(id, state);
    if (state === 'failed' || state === 'interrupted' || state === 'expired') this.countDeadLetter(entityType, 1);
  }
}
