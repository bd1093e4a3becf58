/**
 * Replays and purges from a process that does not own the store: handed in as offers, which the owner takes in with its
 * next commit. Calls made at the same time go in one batch; one batch is on its way at a time, so that a long replay
 * never makes the owner take in much at once.
 *
 * What became of an offer is read back: a letter that was there when it was offered and is gone when the offer is taken
 * in counts as done. If two callers do that with one letter within the same few milliseconds, it is moved once and both
 * count it; a caller that needs exact figures keeps others out meanwhile.
 */
import { OfferSession, type OfferSessionOptions } from '../wal/offer-session.js';
import type { OfferedTransition, Wal } from '../wal/wal.js';
import type { DeadLetterActions } from './dead-letters.js';

export { NotTakenInError } from '../wal/offer-session.js';

export interface OfferedActionsOptions extends OfferSessionOptions {
  readonly wal: Pick<Wal, 'offer' | 'offerMark' | 'deadLetter'>;
}

/** Wishes that wait to be taken in at the same time, at most. */
const BATCH = 200;
/** As `OfferedActionsOptions`, for all shards: each has its own session and is stood in for on its own. */
export interface ShardsOfferedActionsOptions extends Omit<OfferedActionsOptions, 'shard' | 'standIn'> {
  readonly standIn: (shard: number, session: string, number: number) => Promise<boolean>;
}

interface Wish {
  readonly transition: Extract<OfferedTransition, { readonly type: 'replay' | 'purge' }>;
  readonly settle: (done: boolean) => void;
  readonly fail: (error: unknown) => void;
}

export class OfferedActions implements DeadLetterActions {
  readonly #wal: OfferedActionsOptions['wal'];
  readonly #session: OfferSession;
  readonly #shard: number;
  #wishes: Wish[] = [];
  #isHandingIn = false;
  #newIds = 0;

  constructor(options: OfferedActionsOptions) {
    this.#wal = options.wal;
    this.#session = new OfferSession(options);
    this.#shard = options.shard ?? 0;
  }

  async replay(id: string): Promise<string | undefined> {
    this.#newIds += 1;
    const newId = `${this.#session.name}-${this.#newIds.toString(36)}`;
    return (await this.#wish({ type: 'replay', id, newId })) ? newId : undefined;
  }

  purge(id: string): Promise<boolean> {
    return this.#wish({ type: 'purge', id });
  }

  #wish(transition: Wish['transition']): Promise<boolean> {
    return new Promise((settle, fail) => {
      this.#wishes.push({ transition, settle, fail });
      if (!this.#isHandingIn) void this.#handInAll();
    });
  }

  async #handInAll(): Promise<void> {
    this.#isHandingIn = true;
    // Lets everything that is asked for in this turn join the batch.
    await Promise.resolve();
    while (this.#wishes.length > 0) {
      const batch = this.#wishes.splice(0, BATCH);
      try {
        await this.#handIn(batch);
      } catch (error) {
        for (const wish of [...batch, ...this.#wishes.splice(0)]) wish.fail(error);
      }
    }
    this.#isHandingIn = false;
  }

  async #handIn(batch: readonly Wish[]): Promise<void> {
    const wanted = new Map<string, Wish>();
    for (const wish of batch) {
      const { id } = wish.transition;
      if (!wanted.has(id) && (await this.#isThere(id))) wanted.set(id, wish);
      else wish.settle(false);
    }
    if (wanted.size === 0) return;
    await this.#session.handIn([...wanted.values()].map(({ transition }) => transition));
    for (const [id, wish] of wanted) wish.settle(!(await this.#isThere(id)));
  }

  async #isThere(id: string): Promise<boolean> {
    return (await this.#wal.deadLetter(this.#shard, id)) !== undefined;
  }
}

/** Hands each wish in to the shard where its letter is. */
export class ShardsOfferedActions implements DeadLetterActions {
  readonly #options: ShardsOfferedActionsOptions;
  readonly #actions = new Map<number, OfferedActions>();

  constructor(options: ShardsOfferedActionsOptions) {
    this.#options = options;
  }

  replay(id: string, shard: number): Promise<string | undefined> {
    return this.#of(shard).replay(id);
  }

  purge(id: string, shard: number): Promise<boolean> {
    return this.#of(shard).purge(id);
  }

  #of(shard: number): OfferedActions {
    let actions = this.#actions.get(shard);
    if (actions === undefined) {
      const { standIn, ...rest } = this.#options;
      const standInHere = (session: string, number: number): Promise<boolean> => standIn(shard, session, number);
      actions = new OfferedActions({ ...rest, shard, standIn: standInHere });
      this.#actions.set(shard, actions);
    }
    return actions;
  }
}
