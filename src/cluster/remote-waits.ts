/**
 * Those who wait on this node for messages that another one runs. A hint brings the verdict; when it is lost, the store is
 * asked now and then, so that no wait hangs (I5); how soon, `patience.ts` tells.
 *
 * Owns: the waits, and one timer while there are any.
 */

import type { ReplyWaiter } from '../entity/reply-waiter.js';
import type { Verdicts } from '../entity/verdicts.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { Clock } from '../runtime/clock.js';
import type { TimerHandle, Timers } from '../runtime/timers.js';
import type { SharedWal } from '../wal/shared-wal.js';
import type { Verdict } from '../wal/transition.js';
import type { StatusRecord, Wal } from '../wal/wal.js';
import type { OfferPlace } from './offer-sender.js';
import { PATIENCE_MAX_MS, PATIENCE_MIN_MS, Patience } from './patience.js';

export interface RemoteWaitsOptions {
  readonly wal: Pick<SharedWal, 'status' | 'statuses' | 'offerMark'>;
  readonly clock: Clock;
  readonly timers: Timers;
  /** How long the verdict of a message with a `messageId` is kept, milliseconds. */
  readonly keptMs: number;
  /** Makes an answer of a verdict. */
  readonly answer: Verdicts['answer'];
}

interface Wait {
  readonly id: string;
  readonly shard: number;
  readonly subject: ErrorSubject;
  /** More than one where several calls had the same `messageId`. */
  waiters: readonly ReplyWaiter[];
  /** Monotonic: before its message was in the store, or from when on this node does not run it any more. */
  readonly since: number;
  /** Where it was offered, when it was: whether an owner has taken it in can be asked. */
  place: OfferPlace | undefined;
  /** An owner has taken the offer in. */
  isTaken: boolean;
  /** Sends it again under a new number; the answer to a known `messageId` is the first one's verdict. */
  again: (() => void) | undefined;
  /** Its offer has not been answered: it need not be anywhere yet. */
  isOffering: boolean;
  /** Undefined: it has not been looked for, and is when patience ends. */
  nextLookAt: number | undefined;
  lookAfterMs: number;
  unknown: number;
}

/** How often it is seen whether somebody's look is due. */
const SWEEP_MS = 50;
/**
 * Waits that one look at a shard asks for. A shard is looked at once at a time: under load, when every wait is long, each
 * would ask on its own otherwise, and the store would answer questions instead of working (measured, five nodes that began
 * with a backlog: half of all their scripts, at four for each message).
 */
const LOOKED_AT_MAX = 500;
/** Looks that must find nothing of a message that was taken in before its wait ends as indeterminate. */
const UNKNOWN_MAX = 3;

export class RemoteWaits {
  private readonly waits = new Map<string, Wait>();
  private timer: TimerHandle | undefined;
  /** Shards that are being looked at. */
  private readonly looking = new Set<number>();
  /**
   * How many waits a look at a shard asks for, where one failed: half as many after each, so that a record that cannot be
   * read, or too much at once, does not keep all others from being found.
   */
  private readonly askedAtMost = new Map<number, number>();
  /** Waits of which a look found nothing, and for which it is being found out why. */
  private readonly missing = new Set<Wait>();
  private readonly patience = new Patience();
  private endedWith: ((id: string, subject: ErrorSubject) => Error) | undefined;

  constructor(private readonly options: RemoteWaitsOptions) {}

  get size(): number {
    return this.waits.size;
  }

  add(shard: number, id: string, subject: ErrorSubject, waiter: ReplyWaiter, offering?: 'offering'): void {
    if (waiter.isSettled) return;
    if (this.endedWith !== undefined) {
      waiter.fail(this.endedWith(id, { ...subject, messageId: id }));
      return;
    }
    const { clock } = this.options;
    const known = this.waits.get(id);
    if (known !== undefined) {
      known.waiters = [...known.waiters, waiter];
      return;
    }
    this.waits.set(id, {
      id,
      shard,
      subject: { ...subject, messageId: id },
      waiters: [waiter],
      since: clock.monotonic(),
      isOffering: offering !== undefined,
      place: undefined,
      isTaken: false,
      again: undefined,
      nextLookAt: undefined,
      lookAfterMs: PATIENCE_MIN_MS,
      unknown: 0,
    });
    this.arm();
  }

  /** The offer is durable. */
  offered(id: string, place: OfferPlace, again: (() => void) | undefined): void {
    const wait = this.waits.get(id);
    if (wait === undefined) return;
    wait.isOffering = false;
    wait.place = place;
    wait.isTaken = false;
    wait.again = again;
  }

  /** A hint has brought a verdict; false when nobody here waits for it. */
  deliver(id: string, verdict: Verdict): boolean {
    const wait = this.waits.get(id);
    if (wait === undefined) return false;
    this.patience.hintCame(this.options.clock.monotonic() - wait.since);
    this.end(wait, verdict);
    return true;
  }

  private end(wait: Wait, verdict: Verdict): void {
    this.waits.delete(wait.id);
    for (const waiter of wait.waiters) this.options.answer(waiter, wait.subject, verdict);
  }

  /** Answers someone whose wait is not kept here. */
  answerNow(waiter: ReplyWaiter, subject: ErrorSubject & { messageId: string }, verdict: Verdict): void {
    this.options.answer(waiter, subject, verdict);
  }

  /** Forgets a wait that ended otherwise. */
  forget(id: string): void {
    this.waits.delete(id);
  }

  /** The node stops: every wait ends with this error, those too that are still handed over. */
  failAll(error: (id: string, subject: ErrorSubject) => Error): void {
    this.endedWith = error;
    for (const { id, subject, waiters } of this.waits.values())
      for (const waiter of waiters) waiter.fail(error(id, subject));
    this.waits.clear();
  }

  stop(): void {
    if (this.timer !== undefined) this.options.timers.clear(this.timer);
    this.timer = undefined;
  }

  private arm(): void {
    if (this.timer !== undefined || this.waits.size === 0) return;
    this.timer = this.options.timers.set(this.sweep, SWEEP_MS);
  }

  private readonly sweep = (): void => {
    this.timer = undefined;
    const now = this.options.clock.monotonic();
    const { ms } = this.patience;
    const due = new Map<number, Wait[]>();
    for (const wait of this.waits.values()) {
      const { shard, waiters, nextLookAt, since } = wait;
      if (waiters.every(({ isSettled }) => isSettled)) this.waits.delete(wait.id);
      else if (now >= (nextLookAt ?? since + ms) && !this.looking.has(shard)) {
        const some = due.get(shard);
        if (some === undefined) due.set(shard, [wait]);
        else if (some.length < (this.askedAtMost.get(shard) ?? LOOKED_AT_MAX)) some.push(wait);
      }
    }
    for (const [shard, some] of due) void this.look(shard, some);
    this.arm();
  };

  private async look(shard: number, waits: readonly Wait[]): Promise<void> {
    const { wal } = this.options;
    this.looking.add(shard);
    try {
      // What nobody has taken in has no verdict.
      const asked = await this.withoutOffered(shard, waits);
      const ids = asked.map(({ id }) => id);
      const records = ids.length === 0 ? [] : await wal.statuses(shard, ids);
      const most = Math.min(LOOKED_AT_MAX, 2 * (this.askedAtMost.get(shard) ?? LOOKED_AT_MAX));
      if (most === LOOKED_AT_MAX) this.askedAtMost.delete(shard);
      else this.askedAtMost.set(shard, most);
      this.looked(asked, records);
    } catch {
      // A store that cannot be read is asked again.
      this.askedAtMost.set(shard, Math.max(1, Math.floor(waits.length / 2)));
    } finally {
      this.looking.delete(shard);
      for (const wait of waits) this.lookLater(wait);
    }
  }

  private lookLater(wait: Wait): void {
    wait.lookAfterMs = Math.min(PATIENCE_MAX_MS, wait.lookAfterMs * 2);
    const patienceMs = wait.unknown > 0 ? 0 : this.patience.ms;
    wait.nextLookAt = this.options.clock.monotonic() + Math.max(wait.lookAfterMs, patienceMs);
    // Behind those that have not been looked for as long: where there are more than fit into a look, all have their turn.
    if (this.waits.get(wait.id) === wait) {
      this.waits.delete(wait.id);
      this.waits.set(wait.id, wait);
    }
  }

  private looked(asked: readonly Wait[], records: readonly (StatusRecord | undefined)[]): void {
    let missed = false;
    for (const [index, wait] of asked.entries()) {
      // A hint may have been faster meanwhile.
      if (this.waits.get(wait.id) !== wait) continue;
      const record = records[index];
      if (record === undefined) void this.findOut(wait);
      else {
        wait.unknown = 0;
        if (record.verdict === undefined) continue;
        missed = true;
        this.end(wait, record.verdict);
      }
    }
    if (missed) this.patience.hintMissed();
  }

  /** Each on its own: others need not wait for it, nor fail with it. */
  private async findOut(wait: Wait): Promise<void> {
    if (this.missing.has(wait)) return;
    this.missing.add(wait);
    try {
      await this.foundNothing(wait);
    } catch {
      // It is looked for again.
    } finally {
      this.missing.delete(wait);
    }
  }

  /** Those whose offers do not stand in the inbox any more. */
  private async withoutOffered(shard: number, waits: readonly Wait[]): Promise<readonly Wait[]> {
    const places = waits.map(({ place, isTaken }) => (isTaken ? undefined : place));
    const sessions = [...new Set(places.flatMap((place) => (place === undefined ? [] : [place.session])))];
    const marks = new Map<string, number>();
    await Promise.all(
      sessions.map(async (session) => marks.set(session, await this.options.wal.offerMark(shard, session))),
    );
    return waits.filter((wait, index) => {
      const place = places[index];
      if (place === undefined) return true;
      const isTaken = (marks.get(place.session) ?? 0) >= place.number;
      // A new offer may have been made meanwhile.
      if (isTaken && wait.place === place) wait.isTaken = true;
      return isTaken;
    });
  }

  /** The message has ended and its verdict is gone, or it is known under another id, or the store has lost its end. */
  private async foundNothing(wait: Wait): Promise<void> {
    const { wal, clock, keptMs } = this.options;
    const { place } = wait;
    if (wait.isOffering || (place !== undefined && !wait.isTaken)) return;
    // A store that was rolled back may have it in an inbox again.
    if (place !== undefined && (await wal.offerMark(wait.shard, place.session)) < place.number) {
      if (wait.place === place) wait.isTaken = false;
      return;
    }
    if (this.waits.get(wait.id) !== wait || wait.place !== place) return;
    // Known under another id. Later than this it may have run, and its verdict be forgotten: it would run a second time (I2).
    if (wait.again !== undefined && clock.monotonic() - wait.since < keptMs) {
      wait.again();
      return;
    }
    wait.unknown += 1;
    if (wait.unknown < UNKNOWN_MAX) return;
    // It would stand there if it was offered by another node.
    const found = await wal.status(wait.shard, wait.id);
    if (this.waits.get(wait.id) !== wait) return;
    if (found !== undefined) {
      wait.unknown = 0;
      if (found.verdict !== undefined) this.end(wait, found.verdict);
      return;
    }
    this.waits.delete(wait.id);
    const error = new AtomicQueuesError(
      'INDETERMINATE',
      `Message ${wait.id} was accepted, and the store knows no verdict of it: it has ended, and how is not kept any more. Look at what it should have done before sending it again.`,
      { subject: wait.subject, retryable: false },
    );
    for (const waiter of wait.waiters) waiter.fail(error);
  }
}

/** For `status`: what is known of a message anywhere. */
export async function findStatus(
  wal: Pick<Wal, 'status'>,
  shards: readonly number[],
  id: string,
): Promise<{ readonly shard: number; readonly record: StatusRecord } | undefined> {
  const found = await Promise.all(shards.map(async (shard) => ({ shard, record: await wal.status(shard, id) })));
  for (const { shard, record } of found) if (record !== undefined) return { shard, record };
  return undefined;
}
