/**
 * Hands wishes in from a process that does not own the store, and waits until they have been taken in: as offers, which
 * the owner takes in with its next commits, or a stand-in where there is no owner. One call at a time.
 *
 * Owns: the session and the number of its next offer, for one shard (M11).
 */
import type { Runtime } from '../runtime/runtime.js';
import type { OfferedTransition, Wal } from './wal.js';

export interface OfferSessionOptions {
  readonly wal: Pick<Wal, 'offer' | 'offerMark'>;
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

/**
 * Wishes go in slices with a pause between them, so that the commits of a busy owner take in one slice each: a slice
 * holds its event loop for about 2 ms (measured), two hundred at once would for 7.
 */
const SLICE = 50;
const PAUSE_MS = 5;
const POLL_MS = 20;
/** An owner that has taken in nothing for this long may have gone. */
const STAND_IN_MS = 500;
const TIMEOUT_MS = 30_000;

export class OfferSession {
  readonly #options: OfferSessionOptions;
  readonly #shard: number;
  #number = 0;
  /** What the last look found; without one it is worth a try. */
  #hasOwner = false;
  /** Unique to this session. */
  readonly name: string;

  constructor(options: OfferSessionOptions) {
    this.#options = options;
    this.#shard = options.shard ?? 0;
    this.name = options.runtime.freshId();
  }

  /**
   * Resolves when all of them have been taken in, in this order; what became of each is to be read from the store.
   * @throws NotTakenInError (as a rejection)
   */
  async handIn(transitions: readonly OfferedTransition[]): Promise<void> {
    for (let start = 0; start < transitions.length; start += SLICE) {
      if (start > 0) await this.#wait(PAUSE_MS);
      const offers = transitions
        .slice(start, start + SLICE)
        .map((transition, index) => ({ session: this.name, number: this.#number + index + 1, transition }));
      await this.#options.wal.offer(this.#shard, offers);
      this.#number += offers.length;
    }
    await this.#takenIn(this.#number);
  }

  async #takenIn(number: number): Promise<void> {
    const { wal, runtime, standIn, timeoutMs = TIMEOUT_MS } = this.#options;
    const { clock } = runtime;
    let mark = 0;
    let progressAt = clock.monotonic();
    let standInAt = this.#hasOwner ? progressAt + STAND_IN_MS : progressAt;
    for (;;) {
      const found = await wal.offerMark(this.#shard, this.name);
      if (found >= number) return;
      const now = clock.monotonic();
      if (found > mark) {
        mark = found;
        progressAt = now;
      }
      if (now >= standInAt) {
        this.#hasOwner = !(await standIn(this.name, number));
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
