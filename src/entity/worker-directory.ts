/**
 * Every worker of this node, and the backlog of entities that have messages in the store but no worker yet.
 *
 * Owns: spawning on the first message, removal when idle, eviction of idle workers to make room, and the order in which
 * backlog entities get a worker. A single sweep finds idle workers; an idle entity has no timer of its own.
 */

import type { EntityKey } from '../message/entity-key.js';
import type { Clock } from '../runtime/clock.js';
import type { TimerHandle, Timers } from '../runtime/timers.js';
import type { EntityWorker } from './entity-worker.js';
import type { NodeShare } from './node-share.js';

export interface DirectoryOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly share: NodeShare;
  /** Workers with work; 0: unbounded. Idle ones are evicted before the limit refuses. */
  readonly workersMax: number;
  readonly make: (key: EntityKey) => EntityWorker;
  /** Whether an entity of the backlog could start its first message, by that message's place. */
  readonly isStartable: (key: EntityKey, place: number) => boolean;
  readonly idleTimeoutMs: (worker: EntityWorker) => number;
  readonly spawned: (worker: EntityWorker) => void;
  readonly removed: (worker: EntityWorker, reason: 'idle' | 'evicted' | 'stopped') => void;
}

/** Idle workers kept at most, whatever the limit on workers: keeping one saves little. */
const IDLE_WORKERS_MAX = 10_000;
/** How often idle workers are looked for, milliseconds; an idle worker lives at most this much past its timeout. */
const SWEEP_INTERVAL_MS = 1000;

export class WorkerDirectory {
  private readonly workers = new Map<EntityKey, EntityWorker>();
  /** Idle workers with the monotonic time since when, longest idle first. */
  private readonly idle = new Map<EntityWorker, number>();
  /** Places of the messages of entities without a worker, in order. */
  private readonly backlog = new Map<EntityKey, number[]>();
  /** Backlog of entities that cannot start anything now (paused, parked): it takes no worker from others (I9). */
  private readonly held = new Map<EntityKey, number[]>();
  private sweepTimer: TimerHandle | undefined;

  /** Where workers are counted: with the node's, until the shard has gone. */
  private share: Pick<NodeShare, 'activeWorkers' | 'residentWorkers'>;
  private isStopped = false;

  constructor(private readonly options: DirectoryOptions) {
    this.share = options.share;
  }

  /** Workers that have work. */
  get active(): number {
    return this.workers.size - this.idle.size;
  }

  get resident(): number {
    return this.workers.size;
  }

  get backlogEntities(): number {
    return this.backlog.size + this.held.size;
  }

  get isFull(): boolean {
    return this.options.workersMax > 0 && this.options.share.activeWorkers >= this.options.workersMax;
  }

  find(key: EntityKey): EntityWorker | undefined {
    return this.workers.get(key);
  }

  /** Whether a new message for this entity needs no further worker. */
  hasWork(key: EntityKey): boolean {
    const worker = this.workers.get(key);
    return (worker !== undefined && !this.idle.has(worker)) || this.backlogOf(key) !== undefined;
  }

  /** The entity's worker, made if need be, with the entity's backlog in its line. It counts as active from now on. */
  activate(key: EntityKey): EntityWorker {
    let worker = this.workers.get(key);
    const { share } = this;
    const { workersMax, make, spawned } = this.options;
    if (worker !== undefined) {
      this.wake(worker);
      return worker;
    }
    if (workersMax > 0 && share.residentWorkers >= workersMax) this.evictLongestIdle();
    worker = make(key);
    this.workers.set(key, worker);
    share.activeWorkers += 1;
    share.residentWorkers += 1;
    spawned(worker);
    const places = this.backlogOf(key)?.get(key);
    if (places !== undefined) {
      this.backlogOf(key)?.delete(key);
      worker.depth += places.length;
      for (const place of places) worker.mailbox.push(place);
    }
    return worker;
  }

  /** Adds the place of a stored message to its entity's line, without making a worker for it. */
  addToBacklog(key: EntityKey, place: number): void {
    const worker = this.workers.get(key);
    if (worker !== undefined) {
      this.wake(worker);
      worker.depth += 1;
      worker.mailbox.push(place);
      return;
    }
    const places = this.backlogOf(key)?.get(key);
    if (places === undefined) this.backlog.set(key, [place]);
    else places.push(place);
  }

  /** Messages in line of an entity, whether it has a worker or not. */
  depthOf(key: EntityKey): number {
    return this.workers.get(key)?.depth ?? this.backlogOf(key)?.get(key)?.length ?? 0;
  }

  /** Whether the message at this place is in memory as a place only. */
  hasPlace(key: EntityKey, place: number): boolean {
    const worker = this.workers.get(key);
    if (worker !== undefined) return typeof worker.mailbox.find(place) === 'number';
    return this.backlogOf(key)?.get(key)?.includes(place) ?? false;
  }

  /** Takes a place out of the backlog; false when it is not there. */
  removeFromBacklog(key: EntityKey, place: number): boolean {
    const places = this.backlogOf(key)?.get(key);
    const index = places?.indexOf(place) ?? -1;
    if (places === undefined || index < 0) return false;
    places.splice(index, 1);
    const wasHeld = this.held.delete(key);
    if (places.length === 0) this.backlog.delete(key);
    // What is behind a head that could not start may be able to.
    else if (wasHeld) this.backlog.set(key, places);
    return true;
  }

  /** Gives backlog entities their workers while there is room; returns those workers. */
  activateBacklog(): EntityWorker[] {
    const activated: EntityWorker[] = [];
    while (this.backlog.size > 0 && !this.isFull) {
      const [key, places] = this.backlog.entries().next().value as [EntityKey, number[]];
      if (this.options.isStartable(key, places[0] as number)) activated.push(this.activate(key));
      else {
        this.backlog.delete(key);
        this.held.set(key, places);
      }
    }
    return activated;
  }

  /** Whether entities of the backlog that could start found no room. */
  get hasUnfed(): boolean {
    return this.backlog.size > 0;
  }

  /** Something was resumed: what could not start is looked at again when there is room. */
  reconsiderHeld(): void {
    for (const [key, places] of this.held) this.backlog.set(key, places);
    this.held.clear();
  }

  /** Whether messages of this entity wait in the store without a worker. */
  hasBacklog(key: EntityKey): boolean {
    return this.backlogOf(key) !== undefined;
  }

  private backlogOf(key: EntityKey): Map<EntityKey, number[]> | undefined {
    if (this.backlog.has(key)) return this.backlog;
    return this.held.has(key) ? this.held : undefined;
  }

  becameIdle(worker: EntityWorker): void {
    if (this.idle.has(worker) || this.workers.get(worker.key) !== worker) return;
    this.idle.set(worker, this.options.clock.monotonic());
    this.share.activeWorkers -= 1;
    if (this.isStopped) return;
    if (this.idle.size > IDLE_WORKERS_MAX) this.evictLongestIdle();
    this.sweepTimer ??= this.options.timers.set(this.sweep, SWEEP_INTERVAL_MS);
  }

  all(): IterableIterator<EntityWorker> {
    return this.workers.values();
  }

  stop(): void {
    if (this.sweepTimer !== undefined) this.options.timers.clear(this.sweepTimer);
    this.sweepTimer = undefined;
    for (const worker of [...this.workers.values()]) this.options.removed(worker, 'stopped');
    this.share.activeWorkers -= this.active;
    this.share.residentWorkers -= this.workers.size;
    // An answer that comes late may still make a worker; it is no business of the node's any more.
    this.share = { activeWorkers: 0, residentWorkers: 0 };
    this.isStopped = true;
    this.workers.clear();
    this.idle.clear();
    this.backlog.clear();
    this.held.clear();
  }

  private evictLongestIdle(): void {
    const longest = this.idle.keys().next();
    if (longest.done !== true) this.remove(longest.value, 'evicted');
  }

  private wake(worker: EntityWorker): void {
    if (this.idle.delete(worker)) this.share.activeWorkers += 1;
  }

  /** Only idle workers are removed. */
  private remove(worker: EntityWorker, reason: 'idle' | 'evicted'): void {
    this.idle.delete(worker);
    this.workers.delete(worker.key);
    this.share.residentWorkers -= 1;
    this.options.removed(worker, reason);
  }

  private readonly sweep = (): void => {
    this.sweepTimer = undefined;
    const now = this.options.clock.monotonic();
    for (const [worker, since] of this.idle) {
      if (now - since >= this.options.idleTimeoutMs(worker)) this.remove(worker, 'idle');
    }
    if (this.idle.size > 0) this.sweepTimer = this.options.timers.set(this.sweep, SWEEP_INTERVAL_MS);
  };
}
