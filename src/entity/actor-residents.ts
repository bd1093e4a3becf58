/**
 * Which actors are in memory on this node: at most so many, the least recently used go first, and those that were not used
 * for their idle timeout go by themselves. What goes is rebuilt from the store by the next message.
 *
 * Owns: the instances of all shards of the node, in the order of their last use. One that is at work, or whose last changes
 * are not durable, stays. There is no timer here: the owners sweep now and then, and a resident costs a few references.
 */
import type { EntityKey } from '../message/entity-key.js';
import type { ActorBinding, ActorInstance } from './actor-port.js';

/** Why an actor went out of memory: `stopped` stands for a shard that was handed over, lost or closed. */
export type PassivationReason = 'idle' | 'evicted' | 'released' | 'expired' | 'stopped';

/** One shard's side of it. */
export interface Lodger {
  /** The actor's handler is at work, or what it did is not durable yet. */
  isAtWork(key: EntityKey): boolean;
  passivated(key: EntityKey, reason: PassivationReason): void;
}

export class ResidentActor {
  /** Monotonic milliseconds. */
  usedAt = 0;
  /** Wall time of the store at which it forgets the state that the instance has. */
  stateExpiresAt = Number.POSITIVE_INFINITY;
  isGone = false;

  constructor(
    readonly key: EntityKey,
    readonly lodger: Lodger,
    readonly binding: ActorBinding,
    readonly instance: ActorInstance,
  ) {}
}

/** How many of the least recently used are looked at to make room for one more, when those are at work. */
const EVICTION_LOOKS_MAX = 64;

export class ActorResidents {
  private readonly byKey = new Map<EntityKey, ResidentActor>();
  /** By idle timeout; each in the order of last use. Few types, few timeouts: who is next is among the first of each. */
  private readonly byTimeout = new Map<number, Map<EntityKey, ResidentActor>>();
  private newest: ResidentActor | undefined;

  /** @param max 0: unbounded. */
  constructor(private readonly max: number) {}

  get size(): number {
    return this.byKey.size;
  }

  find(key: EntityKey, lodger: Lodger): ResidentActor | undefined {
    const resident = this.byKey.get(key);
    return resident?.lodger === lodger ? resident : undefined;
  }

  /** Takes an instance in, for which another one goes if need be. */
  add(resident: ResidentActor, now: number): void {
    const former = this.byKey.get(resident.key);
    if (former !== undefined) this.remove(former, 'stopped');
    if (this.max > 0 && this.byKey.size >= this.max) this.evict();
    this.byKey.set(resident.key, resident);
    this.used(resident, now);
  }

  /** It was used just now. */
  used(resident: ResidentActor, now: number): void {
    resident.usedAt = now;
    if (resident.isGone || this.newest === resident) return;
    const { idleTimeoutMs } = resident.binding;
    let list = this.byTimeout.get(idleTimeoutMs);
    if (list === undefined) this.byTimeout.set(idleTimeoutMs, (list = new Map()));
    list.delete(resident.key);
    list.set(resident.key, resident);
    this.newest = resident;
  }

  remove(resident: ResidentActor, reason: PassivationReason): void {
    if (resident.isGone) return;
    resident.isGone = true;
    this.byKey.delete(resident.key);
    this.byTimeout.get(resident.binding.idleTimeoutMs)?.delete(resident.key);
    if (this.newest === resident) this.newest = undefined;
    resident.lodger.passivated(resident.key, reason);
  }

  /** Lets those go that were not used for their idle timeout. */
  sweep(now: number): void {
    for (const [idleTimeoutMs, list] of this.byTimeout) {
      for (const resident of list.values()) {
        if (now - resident.usedAt < idleTimeoutMs || resident.usedAt >= now) break;
        if (resident.lodger.isAtWork(resident.key)) this.used(resident, now);
        else this.remove(resident, 'idle');
      }
    }
  }

  /** The shard goes: so do its actors. */
  leave(lodger: Lodger): void {
    for (const resident of [...this.byKey.values()]) if (resident.lodger === lodger) this.remove(resident, 'stopped');
  }

  /** Makes room for one. When the least recently used are all at work, there is one more for a while. */
  private evict(): void {
    for (let looks = 0; looks < EVICTION_LOOKS_MAX; looks += 1) {
      const oldest = this.leastRecentlyUsed();
      if (oldest === undefined) return;
      if (!oldest.lodger.isAtWork(oldest.key)) {
        this.remove(oldest, 'evicted');
        // What was taken in above the limit, while none could go, goes when it can.
        if (this.byKey.size < this.max) return;
      } else this.used(oldest, oldest.usedAt);
    }
  }

  private leastRecentlyUsed(): ResidentActor | undefined {
    let oldest: ResidentActor | undefined;
    for (const list of this.byTimeout.values()) {
      const first = list.values().next();
      if (first.done !== true && (oldest === undefined || first.value.usedAt < oldest.usedAt)) oldest = first.value;
    }
    return oldest;
  }
}
