/**
 * Delayed messages: they wait in the store, not in memory, and this part wakes up when the next one is due and asks the
 * store to put the due ones in line. Of a reminder a copy takes the place, and the reminder waits for its next time, in one
 * transition: no run is lost or doubled by a crash. Owns one timer, and the items of delayed messages that somebody here
 * waits for.
 */
import type { Clock } from '../runtime/clock.js';
import type { TimerHandle, Timers } from '../runtime/timers.js';
import type { Participant } from '../wal/group-commit.js';
import type { Outcome, StoredMessage, Transition } from '../wal/transition.js';
import type { DueMessages } from '../wal/wal.js';
import type { Item } from './item.js';
import { planReminder } from './recurrence.js';

export interface DelayedMessagesOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly due: (now: number, limit: number) => Promise<DueMessages>;
  /** An id for the next run of a reminder. */
  readonly freshId: () => string;
  readonly commit: (transition: Transition, participant: Participant) => void;
  /** The message has taken its place in line. */
  readonly queued: (message: StoredMessage, item: Item | undefined) => void;
  readonly expired: (message: StoredMessage, item: Item | undefined) => void;
  /** A reminder has no time left, and is gone. */
  readonly withdrawn: (message: StoredMessage) => void;
  /** Nothing here can read when the reminder is due again: it runs once, as an ordinary message. */
  readonly unreadable: (id: string) => void;
  readonly failed: (error: unknown) => void;
}

/** Messages promoted per round, so that a million that are due at once do not fill one commit. */
const PROMOTE_MAX = 256;
/** After a failed look into the store, milliseconds. */
const LOOK_AGAIN_MS = 200;

export class DelayedMessages implements Participant {
  private readonly waitedFor = new Map<string, Item>();
  private timer: TimerHandle | undefined;
  private nextDueAt = Number.POSITIVE_INFINITY;
  private promoting = 0;
  private stopped = true;
  private isReading = false;
  private readAgain = false;

  constructor(private readonly options: DelayedMessagesOptions) {}

  start(nextDueAt: number | undefined): void {
    this.stopped = false;
    // Some may have been accepted before the start.
    this.nextDueAt = Math.min(this.nextDueAt, nextDueAt ?? Number.POSITIVE_INFINITY);
    this.arm();
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== undefined) this.options.timers.clear(this.timer);
    this.timer = undefined;
  }

  get isPromoting(): boolean {
    return this.promoting > 0;
  }

  /** A message was accepted with a delay. `item` when somebody waits for it. */
  add(item: Item, notBefore: number): void {
    if (item.waiter !== undefined) this.waitedFor.set(item.id, item);
    this.dueAt(notBefore);
  }

  /** Forgets the item of a delayed message that was withdrawn. */
  takeOut(id: string): Item | undefined {
    const item = this.waitedFor.get(id);
    this.waitedFor.delete(id);
    return item;
  }

  items(): Item[] {
    return [...this.waitedFor.values()];
  }

  dueAt(at: number): void {
    if (at >= this.nextDueAt) return;
    this.nextDueAt = at;
    this.arm();
  }

  private arm(): void {
    if (this.stopped || this.nextDueAt === Number.POSITIVE_INFINITY) return;
    if (this.timer !== undefined) this.options.timers.clear(this.timer);
    this.timer = this.options.timers.set(this.wake, this.nextDueAt - this.options.clock.now());
  }

  committed(outcome: Outcome, transition: Transition): void {
    this.promoting -= 1;
    const id = transition.type === 'promote' ? transition.id : '';
    if (outcome.type === 'queued') this.options.queued(outcome.message, this.takeOut(id));
    else if (outcome.type === 'expired') this.options.expired(outcome.message, this.takeOut(id));
    else if (outcome.type === 'not-due') this.dueAt(outcome.dueAt);
    else if (outcome.type === 'delayed') this.dueAt(outcome.notBefore);
    else if (outcome.type === 'cancelled') this.gone(outcome.message);
    if (this.promoting === 0) this.wake();
  }

  refused(_error: Error, transition: Transition): void {
    this.promoting -= 1;
    if (transition.type !== 'append') return;
    // The store does not take anything new at the moment; this one is not new, and is set again when it does.
    this.options.timers.set(() => {
      if (!this.stopped) this.setAgain(transition);
    }, LOOK_AGAIN_MS);
  }

  private setAgain(append: Transition): void {
    this.promoting += 1;
    this.options.commit(append, this);
  }

  /** The wall clock may have jumped past the time that the timer waits for. */
  check(): void {
    if (!this.stopped && this.options.clock.now() >= this.nextDueAt) this.wake();
  }

  private moveOf(
    id: string,
    reminder: { readonly recurrence: string; readonly notBefore: number } | undefined,
    now: number,
  ): Transition {
    if (reminder === undefined) return { type: 'promote', id };
    const plan = planReminder(reminder.recurrence, reminder.notBefore, now);
    if (plan.type === 'over') return { type: 'cancel', id };
    if (plan.type === 'unreadable') {
      this.options.unreadable(id);
      return { type: 'promote', id };
    }
    const { notBefore, overlap } = plan;
    return { type: 'promote', id, again: { newId: this.options.freshId(), notBefore, overlap } };
  }

  /**
   * A reminder that was over is withdrawn. If another one has taken its place since that was read, that one went instead,
   * and is set again as it was.
   */
  private gone(whole: StoredMessage): void {
    const { id, kind, entityType, entityId, name, payload, headers, recurrence, notBefore } = whole;
    const isOver =
      recurrence === undefined || planReminder(recurrence, notBefore, this.options.clock.now()).type === 'over';
    if (isOver) {
      this.options.withdrawn(whole);
      return;
    }
    const message = { id, kind, entityType, entityId, name, payload, headers, recurrence };
    this.setAgain({ type: 'append', message, runAt: notBefore, replace: true });
  }

  private readonly wake = (): void => {
    if (this.timer !== undefined) this.options.timers.clear(this.timer);
    this.timer = undefined;
    this.nextDueAt = Number.POSITIVE_INFINITY;
    if (!this.stopped) void this.promoteDue();
  };

  private async promoteDue(): Promise<void> {
    // What is being promoted would be found due once more; the last of it wakes this up again.
    if (this.promoting > 0) return;
    if (this.isReading) {
      this.readAgain = true;
      return;
    }
    this.isReading = true;
    try {
      const now = this.options.clock.now();
      const { ids, recurring, nextDueAt } = await this.options.due(now, PROMOTE_MAX);
      if (this.stopped) return;
      this.promoting += ids.length;
      for (const id of ids) this.options.commit(this.moveOf(id, recurring?.[id], now), this);
      if (nextDueAt !== undefined) this.dueAt(nextDueAt);
    } catch (error) {
      if (this.stopped) return;
      this.options.failed(error);
      this.dueAt(this.options.clock.now() + LOOK_AGAIN_MS);
    } finally {
      this.isReading = false;
      if (this.readAgain && this.promoting === 0) this.wake();
      this.readAgain = false;
    }
  }
}
