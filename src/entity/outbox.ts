/**
 * The outbox of a shard as its owner works it off: what a completion has put there is handed to the shards it is for,
 * straight from memory, and taken out when they have it (M15). What a former owner left is read when the shard is opened.
 *
 * Owns: the lanes, one for each target, and the window on the oldest entries. Nothing here is needed for what is promised:
 * the entries are durable, their numbers make them arrive once and in order, and the next owner goes on with what is left.
 */
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { TimerHandle, Timers } from '../runtime/timers.js';
import type { Participant } from '../wal/group-commit.js';
import type { OutboxEntry, Sent, Transition } from '../wal/transition.js';
import type { Wal } from '../wal/wal.js';
import { OutboxLane } from './outbox-lane.js';
import { OutboxWindow } from './outbox-window.js';

export interface OutboxOptions {
  readonly wal: Pick<Wal, 'offer' | 'offerMark' | 'outbox'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly shard: number;
  /** Messages that may be pending in a shard, and in this outbox; 0: unbounded. */
  readonly depthMax: number;
  readonly commit: (transition: Transition, participant: Participant) => void;
  /** One that was for this shard stands in its line. */
  readonly arrived: (arrival: Extract<Sent, { readonly type: 'arrived' }>) => void;
  readonly ownerOf: (shard: number) => string | undefined;
  /** Something was offered to this shard itself. */
  readonly offeredHere: () => void;
  /** The outbox may have become empty. */
  readonly changed: () => void;
  /** The store has lost up to so many messages that `targetShard` had acknowledged. */
  readonly lost: (targetShard: number, countMax: number) => void;
  /** Runs a callback outside of any handler's async context. */
  readonly detached: (callback: () => void) => void;
}

/** Entries read at a time. */
const PAGE = 500;
/** After a read that failed, milliseconds. */
const READ_AGAIN_MS = 200;

export class Outbox implements Participant {
  private readonly window = new OutboxWindow();
  private readonly lanes = new Map<number, OutboxLane>();
  /** There may be entries behind those in the window. */
  private isBehind = false;
  private isReading = false;
  /** What completions put there while a page was being read: it may or may not be in the page. */
  private late: OutboxEntry[] = [];
  /** Entries whose removal is on its way to the store. */
  private removing = 0;
  /** Entries that went past the window and were not read since. */
  private unread = 0;
  private readonly unsent = new Set<OutboxLane>();
  private idleWaiters: (() => void)[] = [];
  private isRunning = false;
  private timer: TimerHandle | undefined;

  constructor(private readonly options: OutboxOptions) {}

  /** Nothing is in the outbox, as far as this owner knows. */
  get isIdle(): boolean {
    return !this.isRunning || (this.window.length === 0 && this.removing === 0 && !this.isBehind && !this.isReading);
  }

  /** Begins to relay, with what is there already. */
  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.isBehind = true;
    this.readOn();
  }

  /** Stops at once; an answer that is on its way changes nothing. */
  stop(): void {
    this.isRunning = false;
    for (const lane of this.lanes.values()) lane.stop();
    this.lanes.clear();
    this.window.clear();
    this.late = [];
    if (this.timer !== undefined) this.options.timers.clear(this.timer);
    this.timer = undefined;
    this.looked();
  }

  /** Resolves when nothing is left to relay, or when this owner does not relay any more. */
  whenIdle(): Promise<void> {
    return this.isIdle ? Promise.resolve() : new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /** @throws AtomicQueuesError `QUEUE_DEPTH_EXCEEDED` when as much waits here to be taken as may wait anywhere. */
  admit(subject: ErrorSubject): void {
    const { depthMax, shard } = this.options;
    const waiting = this.window.length + this.unread;
    if (depthMax === 0 || waiting < depthMax) return;
    throw new AtomicQueuesError(
      'QUEUE_DEPTH_EXCEEDED',
      `${waiting} outgoing messages of shard ${shard} wait for being taken by other shards and maxTotalQueueDepth is ${depthMax}. Try again later.`,
      { subject },
    );
  }

  /** A completion is durable, and this became of what it took with it. */
  sent(sent: readonly Sent[]): void {
    for (const each of sent) {
      if (each.type === 'arrived') this.options.arrived(each);
      else this.entered(each.entry);
    }
  }

  private entered(entry: OutboxEntry): void {
    if (!this.isRunning) return;
    if (this.isReading && this.late.length < PAGE) this.late.push(entry);
    else if (this.isReading || this.isBehind || !this.window.hasRoom) {
      this.isBehind = true;
      this.unread += 1;
    } else this.hold(entry);
  }

  private hold(entry: OutboxEntry): boolean {
    const held = this.window.add(entry);
    if (held === undefined) return false;
    const lane = this.laneTo(entry.targetShard);
    lane.push(held);
    // All that one commit has put there goes together.
    if (this.unsent.size === 0) this.options.detached(() => queueMicrotask(this.send));
    this.unsent.add(lane);
    return true;
  }

  private readonly send = (): void => {
    const lanes = [...this.unsent];
    this.unsent.clear();
    for (const lane of lanes) lane.send();
  };

  private laneTo(targetShard: number): OutboxLane {
    let lane = this.lanes.get(targetShard);
    if (lane === undefined) {
      const { wal, clock, timers, logger, shard, depthMax, ownerOf, offeredHere, lost } = this.options;
      lane = new OutboxLane({
        wal,
        clock,
        timers,
        logger,
        sourceShard: shard,
        targetShard,
        depthMax,
        owner: () => ownerOf(targetShard),
        acknowledged: (held) => {
          for (const each of held) this.window.acknowledged(each);
          if (targetShard === shard) offeredHere();
          this.remove();
        },
        gapFilled: (countMax) => lost(targetShard, countMax),
      });
      this.lanes.set(targetShard, lane);
    }
    return lane;
  }

  /** Takes out of the store what the targets have, from the oldest on. */
  private remove(): void {
    const count = this.window.takeRelayed();
    if (count > 0) {
      this.removing += count;
      this.options.commit({ type: 'relayed', count }, this);
    }
    if (this.isBehind) this.readOn();
  }

  committed(_outcome: unknown, transition: Transition): void {
    if (transition.type === 'relayed') this.removing -= transition.count;
    if (!this.isRunning) return;
    if (this.isBehind) this.readOn();
    this.looked();
  }

  refused(): void {}

  private looked(): void {
    if (!this.isIdle) return;
    const waiters = this.idleWaiters;
    this.idleWaiters = [];
    for (const wake of waiters) wake();
    this.options.changed();
  }

  private readOn(): void {
    if (this.isReading || !this.isRunning || !this.window.hasRoomForPage || this.timer !== undefined) return;
    this.isReading = true;
    this.options.detached(() => void this.read());
  }

  private async read(): Promise<void> {
    const { wal, shard, timers, logger } = this.options;
    // Entries that are remembered, or are being taken out, may come first in the answer.
    const limit = this.window.length + this.removing + PAGE;
    this.isBehind = false;
    let page: readonly OutboxEntry[];
    try {
      page = await wal.outbox(shard, limit);
    } catch (error) {
      this.isReading = false;
      this.late = [];
      if (!this.isRunning) return;
      this.isBehind = true;
      logger.error(`Reading the outbox of shard ${shard} failed; it is tried again.`, error);
      this.timer = timers.set(() => {
        this.timer = undefined;
        this.readOn();
      }, READ_AGAIN_MS);
      return;
    }
    const { late } = this;
    this.late = [];
    this.isReading = false;
    if (!this.isRunning) return;
    const isWhole = page.length < limit && !this.isBehind;
    this.isBehind = !isWhole;
    let entered = 0;
    // What does not follow what is held is left to the next reading.
    for (const entry of isWhole ? [...page, ...late] : page) {
      if (!this.window.hasRoom) {
        this.isBehind = true;
        break;
      }
      if (this.hold(entry)) entered += 1;
    }
    this.unread = this.isBehind ? Math.max(0, this.unread + late.length - entered) : 0;
    if (this.isBehind) this.readOn();
    this.looked();
  }
}
