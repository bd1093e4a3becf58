/**
 * What an item needs before its handler can start: its payload, when that is in the store only, and its actor, when that
 * is not in memory. What is asked for in one turn is read together.
 *
 * Owns: the items that are being prepared. An item that was given back meanwhile is not started.
 */
import type { Deadlines } from '../runtime/deadlines.js';
import type { StoredMessage } from '../wal/transition.js';
import { type EntityRef, StoreUnavailableError } from '../wal/wal.js';
import type { ActorBinding, ActorInstance } from './actor-port.js';
import type { HandlerEntry } from './handler-table.js';
import type { Item } from './item.js';
import type { ShardActors } from './shard-actors.js';

export interface PreparationOptions {
  readonly deadlines: Deadlines;
  readonly actors: ShardActors;
  readonly findHandler: (item: Item) => HandlerEntry | undefined;
  readonly load: (seqs: readonly number[]) => Promise<readonly StoredMessage[]>;
  readonly loadStates: (entities: readonly EntityRef[]) => Promise<readonly (string | undefined)[]>;
  /** The item's payload is in memory again. */
  readonly loaded: (item: Item) => void;
  /** False once this node may start nothing more, because it has lost the shard (I3). */
  readonly mayStart: () => boolean;
  /** What an item needs cannot be read from the store, and trying again will not help. */
  readonly loadFailed: (items: readonly Item[], error: Error) => void;
  /** The item can start; `fault`: its actor cannot be made. */
  readonly ready: (item: Item, fault?: { readonly error: unknown }) => void;
}

/** While the store cannot be read, it is tried again this often, milliseconds. */
const LOAD_RETRY_MS = 100;

export class Preparation {
  private readonly underWay = new Set<Item>();

  constructor(private readonly options: PreparationOptions) {}

  get size(): number {
    return this.underWay.size;
  }

  /** Whether nothing is missing; the item has its actor then, if it is a message of one. */
  isReady(item: Item): boolean {
    return item.payload !== undefined && !this.isAsleep(item);
  }

  begin(items: readonly Item[]): void {
    const missing: Item[] = [];
    const asleep: Item[] = [];
    for (const item of items) {
      this.underWay.add(item);
      if (item.payload === undefined) missing.push(item);
      else asleep.push(item);
    }
    if (missing.length > 0) void this.load(missing);
    if (asleep.length > 0) void this.wake(asleep);
  }

  /** Gives back the items that are being prepared: their handlers will not begin. */
  giveBack(): Item[] {
    const items = [...this.underWay];
    this.underWay.clear();
    return items;
  }

  private async load(asked: readonly Item[]): Promise<void> {
    const items = asked.filter((item) => this.underWay.has(item));
    if (items.length === 0) return;
    const bySeq = new Map(items.map((item) => [item.seq, item]));
    const stored = await this.read(
      items,
      () => this.options.load([...bySeq.keys()].sort((a, b) => a - b)),
      (again) => this.load(again),
    );
    const asleep: Item[] = [];
    for (const message of stored ?? []) {
      const item = bySeq.get(message.seq);
      if (item === undefined) continue;
      bySeq.delete(message.seq);
      if (!this.underWay.has(item)) continue;
      item.adopt(message);
      this.options.loaded(item);
      if (this.isAsleep(item)) asleep.push(item);
      else this.done(item);
    }
    if (asleep.length > 0) void this.wake(asleep);
    const gone = stored === undefined ? [] : [...bySeq.values()].filter((item) => this.underWay.delete(item));
    if (gone.length > 0)
      this.options.loadFailed(gone, new Error('The store no longer has a message that it had marked as started.'));
  }

  private isAsleep(item: Item): boolean {
    const { actors, findHandler } = this.options;
    return findHandler(item)?.actor !== undefined && !actors.board(item);
  }

  private async wake(asked: readonly Item[]): Promise<void> {
    const items = asked.filter((item) => this.underWay.has(item));
    const { findHandler, loadStates } = this.options;
    const stored: Item[] = [];
    for (const item of items) {
      const binding = findHandler(item)?.actor;
      if (binding === undefined) this.done(item);
      else if (binding.persistence) stored.push(item);
      else this.make(item, binding, undefined);
    }
    if (stored.length === 0) return;
    const refs = stored.map(({ worker: { entityType, entityId } }) => ({ entityType, entityId }));
    const states = await this.read(
      stored,
      () => loadStates(refs),
      (again) => this.wake(again),
    );
    if (states === undefined) return;
    stored.forEach((item, index) => {
      const binding = findHandler(item)?.actor;
      if (this.underWay.has(item) && binding !== undefined) this.make(item, binding, states[index]);
    });
  }

  /** Makes the instance; who makes them may take time. */
  private make(item: Item, binding: ActorBinding, stored: string | undefined): void {
    const { entityType, entityId } = item.worker;
    const made = (instance: ActorInstance): void => {
      if (!this.underWay.has(item)) return;
      this.options.actors.moveIn(item, binding, instance, stored !== undefined);
      this.done(item);
    };
    const failed = (error: unknown): void => this.done(item, { error });
    let woken: ActorInstance | Promise<ActorInstance>;
    try {
      woken = binding.wake(entityType, entityId, stored);
    } catch (error) {
      failed(error);
      return;
    }
    if (woken instanceof Promise) void woken.then(made).catch(failed);
    else made(woken);
  }

  private done(item: Item, fault?: { readonly error: unknown }): void {
    if (this.underWay.delete(item)) this.options.ready(item, fault);
  }

  /** Undefined: it is tried again later, or never. */
  private async read<T>(
    items: readonly Item[],
    read: () => Promise<T>,
    again: (items: readonly Item[]) => Promise<void>,
  ): Promise<T | undefined> {
    const { deadlines, mayStart, loadFailed } = this.options;
    try {
      return await read();
    } catch (error) {
      if (error instanceof StoreUnavailableError && error.recoverable && mayStart()) {
        deadlines.set({ deadlinePassed: () => void again(items) }, LOAD_RETRY_MS);
        return undefined;
      }
      for (const item of items) this.underWay.delete(item);
      loadFailed(items, error as Error);
      return undefined;
    }
  }
}
