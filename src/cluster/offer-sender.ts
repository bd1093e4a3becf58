/**
 * Hands messages to a shard that this node does not own: numbered per session and shard, one call on its way at a time, in
 * the order in which they came (I4, M11). An offer whose answer was lost is sent again with the same numbers, which the
 * store takes once.
 *
 * A session ends when it is not known how far the store has got with it: the next offers carry a new one.
 */
import type { Clock } from '../runtime/clock.js';
import type { Timers } from '../runtime/timers.js';
import { ShardFullError } from '../wal/shared-wal.js';
import {
  IllegalTransitionError,
  type Offer,
  type OfferedTransition,
  StoreUnavailableError,
  type Wal,
} from '../wal/wal.js';

export interface OfferSenderOptions {
  readonly wal: Pick<Wal, 'offer'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly shard: number;
  /** A session id that was never used. */
  readonly freshSession: () => string;
  /** Address of the node that owns the shard now, if that is known. */
  readonly owner: () => string | undefined;
  /** First letters of the cluster's id. */
  readonly idPrefix: () => string;
  /** Messages that may be pending in the shard; 0: unbounded. */
  readonly depthMax: number;
  /** Runs a callback outside of any caller's async context. */
  readonly detached: (callback: () => void) => void;
}

/** Where an offer stands: what `offerMark` is asked about. */
export interface OfferPlace {
  readonly session: string;
  readonly number: number;
}

interface Waiting {
  /** More than one: they go together, or none of them. */
  readonly transitions: readonly OfferedTransition[];
  readonly resolve: (place: OfferPlace) => void;
  readonly reject: (error: Error) => void;
}

/** Offers in one call at most, and characters of payload (M3). */
const BATCH_MAX = 200;
const BATCH_CHARACTERS = 128 * 1024;
/** An offer whose answer was lost is sent again after this long, for so long, milliseconds. */
const AGAIN_MS = 50;
const GIVE_UP_MS = 5_000;

export class OfferSender {
  private waiting: Waiting[] = [];
  private session: string;
  private number = 0;
  private ids = 0;
  private isSending = false;
  private isScheduled = false;
  private isStopped = false;
  private endPause: (() => void) | undefined;

  constructor(private readonly options: OfferSenderOptions) {
    this.session = options.freshSession();
  }

  get idle(): boolean {
    return this.waiting.length === 0 && !this.isSending;
  }

  /** An id for a message that this sender will offer. It names the session, so that the store need not look for it. */
  freshId(): string {
    this.ids += 1;
    return `${this.options.idPrefix()}-${this.session}.${this.ids.toString(36)}`;
  }

  /** Resolves when the offer is durable. Rejects with the store's error; `applied: 'unknown'` when nobody knows. */
  offer(transition: OfferedTransition): Promise<OfferPlace> {
    return this.offerAll([transition]);
  }

  /** As `offer` for several: all of them or none. Resolves with the place of the last one. */
  offerAll(transitions: readonly OfferedTransition[]): Promise<OfferPlace> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ transitions, resolve, reject });
      this.schedule();
    });
  }

  /** Sends nothing more, and waits for nothing: an offer whose answer was lost stays unproven. */
  stop(): void {
    this.isStopped = true;
    this.endPause?.();
  }

  private schedule(): void {
    if (this.isScheduled || this.isSending) return;
    this.isScheduled = true;
    this.options.detached(() =>
      this.options.timers.defer(() => {
        this.isScheduled = false;
        void this.sendAll();
      }),
    );
  }

  private async sendAll(): Promise<void> {
    this.isSending = true;
    while (this.waiting.length > 0) await this.sendBatch(this.cut());
    this.isSending = false;
  }

  private cut(): Waiting[] {
    let characters = 0;
    let offers = 0;
    let count = 0;
    while (count < this.waiting.length && offers < BATCH_MAX && characters < BATCH_CHARACTERS) {
      const { transitions } = this.waiting[count] as Waiting;
      for (const transition of transitions)
        characters += transition.type === 'append' ? transition.message.payload.length : 0;
      offers += transitions.length;
      count += 1;
    }
    const batch = this.waiting.slice(0, count);
    this.waiting = this.waiting.slice(count);
    return batch;
  }

  private async sendBatch(batch: readonly Waiting[]): Promise<void> {
    const { session, number } = this;
    const offers: Offer[] = batch
      .flatMap(({ transitions }) => transitions)
      .map((transition, index) => ({ session, number: number + index + 1, transition }));
    const error = await this.send(offers);
    if (error === undefined) {
      this.number += offers.length;
      let last = number;
      for (const { transitions, resolve } of batch) {
        last += transitions.length;
        resolve({ session, number: last });
      }
      return;
    }
    // Numbers that may or may not be in the store are not used again. Of a full shard it is known that they are not.
    if (!(error instanceof ShardFullError)) this.startSession();
    // One that does not fit or cannot be offered must not take the others down.
    if (batch.length > 1 && (error instanceof ShardFullError || error instanceof IllegalTransitionError)) {
      for (const each of batch) await this.sendBatch([each]);
      return;
    }
    // Perhaps only because the store was rolled back behind the session's numbers: none of these was taken then.
    if (error instanceof IllegalTransitionError && number > 0) {
      await this.sendBatch(batch);
      return;
    }
    for (const { reject } of batch) reject(error);
  }

  /** The error that stands, or undefined. */
  private async send(offers: readonly Offer[]): Promise<Error | undefined> {
    const { wal, clock, shard, depthMax, owner } = this.options;
    if (this.isStopped) return new StoreUnavailableError('This node has stopped.', 'no', false);
    const until = clock.monotonic() + GIVE_UP_MS;
    let unproven: StoreUnavailableError | undefined;
    for (;;) {
      try {
        await wal.offer(shard, offers, { depthMax, owner: owner() });
        return undefined;
      } catch (error) {
        if (!(error instanceof StoreUnavailableError) || !error.recoverable) return unproven ?? (error as Error);
        if (error.applied === 'unknown') unproven = error;
        else if (unproven === undefined) return error;
        if (clock.monotonic() >= until) return unproven;
      }
      // It may have been stopped while the answer was on its way: no timer begins then.
      if (!this.isStopped) await this.pause(AGAIN_MS);
      if (this.isStopped) return unproven;
    }
  }

  private pause(delayMs: number): Promise<void> {
    const { timers } = this.options;
    return new Promise((resolve) => {
      const over = (): void => {
        this.endPause = undefined;
        resolve();
      };
      const timer = timers.set(over, delayMs);
      this.endPause = () => {
        timers.clear(timer);
        over();
      };
    });
  }

  private startSession(): void {
    this.session = this.options.freshSession();
    this.number = 0;
  }
}
