/**
 * Replays and purges from a process that does not own the store: handed in as offers, which the owner takes in with its
 * next commit. Calls made at the same time go in one batch; one batch is on its way at a time, so that a long replay
 * never makes the owner take in much at once.
 *
 * What became of an offer is read back: a letter that was there when it was offered and is gone when the offer is taken
 * in counts as done. If two callers do that with one letter within the same few milliseconds, it is moved once and both
 * count it; a caller that needs exact figures keeps others out meanwhile.
 */
import type { Runtime } from '../runtime/runtime.js';
import type { Offer, OfferedTransition, Wal } from '../wal/wal.js';
import type { DeadLetterActions } from './dead-letters.js';

export interface OfferedActionsOptions {
  readonly wal: Pick<Wal, 'offer' | 'offerMark' | 'deadLetter'>;
  readonly runtime: Runtime;
  /**
   * Called when offers may be lying there without an owner to take them in. Resolves to true when it has taken in all
   * offers of the session up to the number, to false when an owner is at work.
   */
  readonly standIn: (session: string, number: number) => Promise<boolean>;
  /** How long the owner may take in nothing before the call fails, milliseconds. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  readonly shard?: number | undefined;
}

/** The owner took in nothing for too long. What was handed in stays handed in. */
export class NotTakenInError extends Error {
  override readonly name = 'NotTakenInError';
  constructor(
    readonly offers: number,
    readonly timeoutMs: number,
  ) {
    super(
      `The application that owns the store has taken in nothing for ${timeoutMs / 1000} s. ${offers} ${offers === 1 ? 'wish is' : 'wishes are'} handed in and will be carried out when it goes on.`,
    );
  }
}

/** Wishes that wait to be taken in at the same time, at most. */
const BATCH = 200;
/**
 * A batch goes in slices with a pause between them, so that the commits of a busy owner take in one slice each: a slice
 * holds its event loop for about 2 ms (measured), a whole batch would for 7.
 */
const SLICE = 50;
const PAUSE_MS = 5;
const POLL_MS = 20;
/** An owner that has taken in nothing for this long may have gone. */
const STAND_IN_MS = 500;
const TIMEOUT_MS = 30_000;

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
  readonly #options: OfferedActionsOptions;
  readonly #session: string;
  readonly #shard: number;
  #wishes: Wish[] = [];
  #isHandingIn = false;
  #number = 0;
  #newIds = 0;
  /** What the last look found; without one it is worth a try. */
  #hasOwner = false;

  constructor(options: OfferedActionsOptions) {
    this.#options = options;
    this.#session = options.runtime.freshId();
    this.#shard = options.shard ?? 0;
  }

  async replay(id: string): Promise<string | undefined> {
    this.#newIds += 1;
    const newId = `${this.#session}-${this.#newIds.toString(36)}`;
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
    const { wal } = this.#options;
    const wanted = new Map<string, Wish>();
    for (const wish of batch) {
      const { id } = wish.transition;
      if (!wanted.has(id) && (await this.#isThere(id))) wanted.set(id, wish);
      else wish.settle(false);
    }
    if (wanted.size === 0) return;
    const offers: Offer[] = [...wanted.values()].map(({ transition }, index) => ({
      session: this.#session,
      number: this.#number + index + 1,
      transition,
    }));
    for (let start = 0; start < offers.length; start += SLICE) {
      if (start > 0) await this.#wait(PAUSE_MS);
      const slice = offers.slice(start, start + SLICE);
      await wal.offer(this.#shard, slice);
      this.#number += slice.length;
    }
    await this.#takenIn(this.#number);
    for (const [id, wish] of wanted) wish.settle(!(await this.#isThere(id)));
  }

  async #isThere(id: string): Promise<boolean> {
    return (await this.#options.wal.deadLetter(this.#shard, id)) !== undefined;
  }

  async #takenIn(number: number): Promise<void> {
    const { wal, runtime, standIn, timeoutMs = TIMEOUT_MS } = this.#options;
    const { clock } = runtime;
    let mark = 0;
    let progressAt = clock.monotonic();
    let standInAt = this.#hasOwner ? progressAt + STAND_IN_MS : progressAt;
    for (;;) {
      const found = await wal.offerMark(this.#shard, this.#session);
      if (found >= number) return;
      const now = clock.monotonic();
      if (found > mark) {
        mark = found;
        progressAt = now;
      }
      if (now >= standInAt) {
        this.#hasOwner = !(await standIn(this.#session, number));
        if (!this.#hasOwner) continue;
        standInAt = clock.monotonic() + STAND_IN_MS;
      }
      if (now - progressAt >= timeoutMs) throw new NotTakenInError(number - mark, timeoutMs);
      await this.#wait(POLL_MS);
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.runtime.timers.set(resolve, delayMs));
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
