/**
 * The way of outgoing messages from one shard to one other: strictly in order, one call on its way at a time (M15). The
 * numbers of the entries make each arrive once, whoever sends it how often.
 *
 * A store that was rolled back may have lost messages that it had acknowledged. The target then refuses what follows, for
 * numbers have no gaps. The lane fills the gap with offers that do nothing, says loudly what is missing, and goes on; see
 * docs/decisions/022-gaps-in-an-outbox-are-filled.md.
 */
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { TimerHandle, Timers } from '../runtime/timers.js';
import { ShardFullError } from '../wal/shared-wal.js';
import { type OutboxEntry, outboxSession } from '../wal/transition.js';
import { IllegalTransitionError, type Offer, type Wal } from '../wal/wal.js';
import type { HeldEntry } from './outbox-window.js';

export interface OutboxLaneOptions {
  readonly wal: Pick<Wal, 'offer' | 'offerMark'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly sourceShard: number;
  readonly targetShard: number;
  /** Messages that may be pending in the target; 0: unbounded. */
  readonly depthMax: number;
  /** Address of the node that owns the target, if that is known. */
  readonly owner: () => string | undefined;
  /** These are durable at the target. */
  readonly acknowledged: (held: readonly HeldEntry[]) => void;
  /** The store has lost up to so many messages that the target had acknowledged. */
  readonly gapFilled: (countMax: number) => void;
}

/** Messages in one call at most, and characters of payload (M3). */
const BATCH_MAX = 200;
const BATCH_CHARACTERS = 128 * 1024;
/** After a call that failed, milliseconds: at first, and at most. */
const AGAIN_MS = 20;
const AGAIN_MS_MAX = 2_000;
/** An id that no message has: withdrawing it does nothing. */
const NOBODY = 'outbox.gap';

export class OutboxLane {
  private waiting: HeldEntry[] = [];
  /** Less while the target refuses what is offered together. */
  private batchMax = BATCH_MAX;
  private isSending = false;
  private isStopped = false;
  private timer: TimerHandle | undefined;
  private wake: (() => void) | undefined;

  constructor(private readonly options: OutboxLaneOptions) {}

  push(held: HeldEntry): void {
    this.waiting.push(held);
  }

  /** Sends what waits. Safe to call at any time. */
  send(): void {
    if (this.isSending || this.isStopped || this.waiting.length === 0) return;
    this.isSending = true;
    void this.sendAll();
  }

  /** Nothing is sent from now on; an answer that is still to come changes nothing. */
  stop(): void {
    this.isStopped = true;
    if (this.timer !== undefined) this.options.timers.clear(this.timer);
    this.timer = undefined;
    this.wake?.();
  }

  private async sendAll(): Promise<void> {
    let failures = 0;
    while (this.waiting.length > 0 && !this.isStopped) {
      const batch = this.cut();
      const error = await this.offer(batch.map(({ entry }) => entry as OutboxEntry));
      if (this.isStopped) break;
      if (error === undefined) {
        failures = 0;
        this.batchMax = Math.min(BATCH_MAX, this.batchMax * 2);
        this.waiting = this.waiting.slice(batch.length);
        this.options.acknowledged(batch);
      } else {
        failures += 1;
        // What fits, or can be offered, must not wait for what does not.
        if (error instanceof ShardFullError) this.batchMax = Math.max(1, Math.floor(batch.length / 2));
        else if (error instanceof IllegalTransitionError) this.batchMax = 1;
        this.tell(error, failures, batch[0] as HeldEntry);
        await this.pause(Math.min(AGAIN_MS_MAX, AGAIN_MS * 2 ** Math.min(failures - 1, 16)));
      }
    }
    this.isSending = false;
  }

  /** The oldest that wait, of one epoch. */
  private cut(): HeldEntry[] {
    const epoch = this.waiting[0]?.epoch;
    let characters = 0;
    let count = 0;
    for (const held of this.waiting) {
      if (held.epoch !== epoch || count >= this.batchMax || characters >= BATCH_CHARACTERS) break;
      characters += held.entry?.append.message.payload.length ?? 0;
      count += 1;
    }
    return this.waiting.slice(0, count);
  }

  private async offer(entries: readonly OutboxEntry[]): Promise<Error | undefined> {
    const error = await this.call(entries.map((entry) => this.offerOf(entry)));
    if (!(error instanceof IllegalTransitionError) || this.isStopped) return error;
    return this.fillGap(entries);
  }

  /** Offers what the target misses before the first of these, and these. */
  private async fillGap(entries: readonly OutboxEntry[]): Promise<Error | undefined> {
    const { wal, targetShard, gapFilled } = this.options;
    const first = entries[0] as OutboxEntry;
    const session = this.sessionOf(first);
    let mark: number;
    try {
      // What is in the inbox above the mark is ignored when it is offered again.
      mark = await wal.offerMark(targetShard, session);
    } catch (error) {
      return error as Error;
    }
    const fillers: Offer[] = [];
    let number = mark + 1;
    for (; number < first.number; ) {
      fillers.length = 0;
      for (; number < first.number && fillers.length < BATCH_MAX; number += 1)
        fillers.push({ session, number, transition: { type: 'cancel', id: NOBODY } });
      const error = await this.call(fillers);
      if (error !== undefined || this.isStopped) return error ?? new Error('stopped');
    }
    const error = await this.call(entries.map((entry) => this.offerOf(entry)));
    if (error === undefined && first.number > mark + 1) gapFilled(first.number - mark - 1);
    return error;
  }

  private async call(offers: readonly Offer[]): Promise<Error | undefined> {
    const { wal, targetShard, depthMax, owner } = this.options;
    try {
      await wal.offer(targetShard, offers, { depthMax, owner: owner() });
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  private offerOf(entry: OutboxEntry): Offer {
    const { append, number } = entry;
    return { session: this.sessionOf(entry), number, transition: { ...append, type: 'append' } };
  }

  private sessionOf({ epoch }: OutboxEntry): string {
    return outboxSession(this.options.sourceShard, epoch);
  }

  /** Once, and again when it lasts. */
  private tell(error: Error, failures: number, { entry }: HeldEntry): void {
    if (failures !== 3 && failures % 100 !== 0) return;
    const { sourceShard, targetShard, logger } = this.options;
    const why = error instanceof ShardFullError ? 'it is full' : error.message;
    logger.warn(
      `Outgoing messages of shard ${sourceShard} for shard ${targetShard} wait, the oldest is ${entry?.append.message.id ?? ''}: ${why} They are sent when it takes them.`,
    );
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      this.timer = this.options.timers.set(resolve, ms);
    });
  }
}
