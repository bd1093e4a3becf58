/**
 * Group commit of one shard: while one commit is in flight the next transitions gather; then they go as one batch. Each
 * transition has a participant that is told the outcome, in order, only when it is durable.
 *
 * Owns: the commit number, and what happens when the store fails. Does not know what the transitions mean, except that an
 * append may be refused while everything else must get through in the end: an accepted message's verdict is never dropped
 * (I7, I8). What waits, and how much of it goes into one commit, is in `commit-queue.ts`.
 *
 * Invariants: one commit in flight (M1); transitions reach the store in the order in which they were added; a group added
 * with `addAll` goes into one commit whole.
 */
import type { Clock } from '../runtime/clock.js';
import type { Timers } from '../runtime/timers.js';
import { type Batch, FROM_CALLERS, isUnusable, type Participant, refuseAll, withoutAppends } from './commit-batch.js';
import { CommitQueue, deferredOf } from './commit-queue.js';
import { InboxRead, type Reader } from './inbox-read.js';
import type { Outcome, Transition } from './transition.js';
import { type CommitAnswer, type CommitRequest, StoreUnavailableError, type Wal } from './wal.js';

export type { Participant } from './commit-batch.js';
export type { Reader } from './inbox-read.js';

export interface GroupCommitEvents {
  /** Durable: called before the participants, so that what came in from the inbox stands ahead of this commit's own. */
  answered(answer: CommitAnswer, transitions: number, durationMs: number): void;
  /** As in `CommitRequest`. Absent: nothing that was offered starts at once. */
  readonly startsAtOnce?: CommitRequest['startsAtOnce'];
  /** As in `CommitRequest`. Absent: nothing runs without being marked. */
  readonly runsUnmarked?: CommitRequest['runsUnmarked'];
  /** Nothing is gathered or in flight any more. */
  drained(): void;
  degraded(error: StoreUnavailableError): void;
  recovered(degradedMs: number): void;
  /** The shard cannot be written by this owner any more: lost, or the store failed for good. */
  lost(error: Error): void;
}

export interface GroupCommitOptions {
  readonly wal: Wal;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly shard: number;
  readonly epoch: number;
  readonly incarnation: string;
  readonly events: GroupCommitEvents;
  /** Runs a callback outside of any caller's async context, so that no request's context leaks into handlers. */
  readonly detached: (callback: () => void) => void;
}

/** While the store fails, it is tried again this often, milliseconds. */
const STORE_RETRY_MS = 100;

export class GroupCommit {
  private readonly queue = new CommitQueue();
  private number = 0;
  private scheduled = false;
  private committing = false;
  private degradedSince: number | undefined;
  /** An answer to the commit that is being tried was lost: the store may have applied it. */
  private unproven = false;
  private lostWith: Error | undefined;
  private idleWaiters: (() => void)[] = [];
  /** Wait for a commit that begins after they came. */
  private readers: InboxRead[] = [];
  private pollAgain = false;

  constructor(private readonly options: GroupCommitOptions) {}

  /** Nothing is gathered and nothing is in flight. */
  get idle(): boolean {
    return this.gathered === 0 && !this.committing && this.readers.length === 0;
  }

  get isDegraded(): boolean {
    return this.degradedSince !== undefined;
  }

  /** Transitions that wait for the next commit. */
  get gathered(): number {
    return this.queue.size;
  }

  add(transition: Transition, participant: Participant): void {
    if (this.lostWith !== undefined) {
      participant.refused(this.lostWith, transition);
      return;
    }
    this.queue.push(transition, participant);
    this.schedule();
  }

  /** Takes the participant's dispatch back, if it still waits for a commit. */
  withdrawDispatch(participant: Participant): boolean {
    return this.queue.withdraw(participant, 'dispatch');
  }

  /** Adds transitions that share one commit. */
  addAll(transitions: readonly Transition[], participants: readonly Participant[]): void {
    if (this.lostWith !== undefined) {
      refuseAll({ transitions, participants }, this.lostWith);
      return;
    }
    this.queue.pushGroup(transitions, participants);
    this.schedule();
  }

  /** A commit that begins from now on, empty if need be, to take in what was offered. */
  poll(): void {
    if (this.gathered > 0 || this.lostWith !== undefined || this.isDegraded) return;
    if (this.committing) {
      // The one that is under way may have looked before the offer was there.
      this.pollAgain = true;
      return;
    }
    this.options.detached(() => this.flushSafely(true));
  }

  /**
   * Calls back when a commit that began after this call has taken in what was offered (M2); with the error when the shard
   * is lost. Callers of one turn share a commit.
   */
  afterRead(callback: Reader): void {
    if (this.lostWith !== undefined) {
      callback(this.lostWith);
      return;
    }
    this.readers.push(new InboxRead(callback));
    if (this.readers.length === 1) this.schedule();
  }

  /** Resolves when nothing is gathered or in flight. */
  whenIdle(): Promise<void> {
    if (this.idle || this.lostWith !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /** Stops committing. The listener hears of it first, so that nothing starts any more when the gathered is refused. */
  lose(error: Error): void {
    if (this.lostWith !== undefined) return;
    this.lostWith = error;
    this.options.events.lost(error);
    this.refuseLeft(error);
  }

  private refuseLeft(error: Error): void {
    refuseAll(this.queue.takeAll(), error);
    const { readers } = this;
    this.readers = [];
    for (const read of readers) read.done(error);
    this.wakeIdleWaiters();
  }

  private schedule(): void {
    if (this.scheduled || this.committing || this.isDegraded) return;
    this.scheduled = true;
    this.options.detached(() => this.options.timers.defer(this.deferred));
  }

  private readonly deferred = (): void => {
    this.scheduled = false;
    if (!this.committing && (this.gathered > 0 || this.readers.length > 0)) this.flushSafely(this.gathered === 0);
  };

  /** A fault in what follows a commit must not leave this shard committing for ever: it is lost, loudly. */
  private flushSafely(evenIfEmpty: boolean): void {
    this.flush(evenIfEmpty).catch((error: unknown) => {
      this.committing = false;
      this.lose(error as Error);
    });
  }

  private async flush(evenIfEmpty: boolean): Promise<void> {
    this.committing = true;
    let batch = this.queue.cut();
    const { wal, shard, epoch, incarnation, clock, events } = this.options;
    let reading: InboxRead[] = [];
    while (this.lostWith === undefined && (evenIfEmpty || batch.transitions.length > 0)) {
      evenIfEmpty = false;
      // A repeated commit may be answered as the first time, with what was in the inbox then (M1): it reads nothing anew.
      if (!this.unproven) {
        this.pollAgain = false;
        reading.push(...this.readers);
        this.readers = [];
      }
      const startedAt = clock.monotonic();
      let answer: CommitAnswer;
      try {
        answer = await wal.commit({
          shard,
          epoch,
          incarnation,
          number: this.number + 1,
          transitions: batch.transitions,
          startsAtOnce: events.startsAtOnce,
          runsUnmarked: events.runsUnmarked,
        });
      } catch (error) {
        this.readers.unshift(...reading);
        reading = [];
        const again = await this.failed(error as Error, batch);
        if (again === undefined) break;
        batch = again;
        if (this.lostWith === undefined) continue;
        // Lost in the very turn in which it was to be tried again.
        refuseAll(batch, this.refusalOf(this.lostWith));
        break;
      }
      this.number += 1;
      this.recover();
      events.answered(answer, batch.transitions.length, clock.monotonic() - startedAt);
      let deferred = 0;
      for (let index = 0; index < batch.participants.length; index += 1) {
        const outcome = answer.outcomes[index] as Outcome;
        if (outcome.type === 'deferred') deferred += 1;
        else {
          const transition = batch.transitions[index] as Transition;
          (batch.participants[index] as Participant).committed(outcome, transition, answer.now);
        }
      }
      // Appends that had to wait for offers go first in the next batch, ahead of all that was gathered since (I4).
      if (deferred > 0) this.queue.putFront(deferredOf(batch, answer.outcomes));
      this.readers.unshift(...this.readOn(reading, answer));
      reading = [];
      evenIfEmpty = this.readers.length > 0 || this.pollAgain;
      if (this.gathered === 0 && !evenIfEmpty) break;
      // Let I/O and the handlers that were just started have a turn; what they finish joins the next batch.
      await new Promise<void>((resolve) => this.options.timers.defer(resolve));
      // What was put back is refused with all that is left.
      if (this.lostWith !== undefined) break;
      batch = this.queue.cut();
    }
    this.committing = false;
    // Lost while a commit was on its way: what that one put back will not be committed either.
    if (this.lostWith !== undefined) this.refuseLeft(this.lostWith);
    else if (this.gathered > 0 || this.readers.length > 0) this.schedule();
    else {
      this.wakeIdleWaiters();
      events.drained();
    }
  }

  /** Tells those whose read is over; returns the others. */
  private readOn(reading: readonly InboxRead[], answer: CommitAnswer): InboxRead[] {
    const { offersTakenMax } = this.options.wal.description;
    const unready: InboxRead[] = [];
    for (const read of reading) {
      if (read.answered(answer, offersTakenMax)) read.done(undefined);
      else unready.push(read);
    }
    return unready;
  }

  /** What to do with a batch whose commit failed: the batch to try next, or undefined when the shard is lost. */
  private async failed(error: Error, batch: Batch): Promise<Batch | undefined> {
    if (isUnusable(error) && !this.unproven) return this.isolate(error, batch);
    if (!(error instanceof StoreUnavailableError) || !error.recoverable) {
      this.lose(error);
      refuseAll(batch, this.refusalOf(error));
      return undefined;
    }
    if (this.degradedSince === undefined) {
      this.degradedSince = this.options.clock.monotonic();
      this.options.events.degraded(error);
    }
    if (error.applied === 'unknown') this.unproven = true;
    // Once an answer was lost, the store may have applied this number: only the very same batch may follow under it (M1),
    // whatever a later try says. Otherwise new work is refused, and what concerns accepted messages is kept.
    const next = this.unproven ? batch : withoutAppends([batch, this.queue.takeAll()], error);
    await this.pause();
    if (this.lostWith !== undefined) {
      refuseAll(next, this.refusalOf(this.lostWith));
      return undefined;
    }
    // With nothing to carry over, an empty commit finds out whether the store is back.
    return next.transitions.length > 0 ? next : this.probe();
  }

  /** What a batch is refused with that was tried: after a lost answer nobody knows whether the store applied it. */
  private refusalOf(error: Error): Error {
    if (!this.unproven || (error instanceof StoreUnavailableError && error.applied === 'unknown')) return error;
    return new StoreUnavailableError(
      `The answer to a commit was lost, and then the shard. ${error.message}`,
      'unknown',
      false,
      {
        cause: error,
      },
    );
  }

  /**
   * The store could not even read one of the transitions, and has changed nothing. One that came from a caller must not
   * take the others down: they go one by one, and the one that cannot be applied is refused.
   */
  private isolate(error: Error, batch: Batch): Batch | undefined {
    if (this.lostWith !== undefined) {
      refuseAll(batch, this.lostWith);
      return undefined;
    }
    const isOne =
      batch.transitions.length === 1 || batch.groups.some(({ start, end }) => end - start === batch.transitions.length);
    if (!isOne) {
      this.queue.putFront(batch, true);
      return this.queue.cut();
    }
    refuseAll(batch, error);
    if (batch.transitions.every((transition) => FROM_CALLERS.has(transition.type))) return this.queue.cut();
    this.lose(error);
    return undefined;
  }

  private async probe(): Promise<Batch | undefined> {
    const { wal, shard, epoch, incarnation, events } = this.options;
    const { runsUnmarked } = events;
    for (;;) {
      try {
        const number = this.number + 1;
        const answer = await wal.commit({ shard, epoch, incarnation, number, transitions: [], runsUnmarked });
        this.number += 1;
        this.recover();
        this.options.events.answered(answer, 0, 0);
        return this.queue.cut();
      } catch (error) {
        if (!(error instanceof StoreUnavailableError) || !error.recoverable) {
          this.lose(error as Error);
          return undefined;
        }
        await this.pause();
        if (this.lostWith !== undefined) return undefined;
      }
    }
  }

  /** Until the store is tried again. Of a shard that is lost nothing is, and no timer may outlive its node. */
  private async pause(): Promise<void> {
    if (this.lostWith !== undefined) return;
    await new Promise<void>((resolve) => this.options.timers.set(resolve, STORE_RETRY_MS));
  }

  private recover(): void {
    this.unproven = false;
    if (this.degradedSince === undefined) return;
    const degradedMs = this.options.clock.monotonic() - this.degradedSince;
    this.degradedSince = undefined;
    this.options.events.recovered(degradedMs);
  }

  private wakeIdleWaiters(): void {
    const waiters = this.idleWaiters;
    this.idleWaiters = [];
    for (const wake of waiters) wake();
  }
}
