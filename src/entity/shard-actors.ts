/**
 * The actors of one shard: which instance runs a message, and what becomes of its state with the message's outcome. In
 * memory an instance has the state that is durable or on its way to the store, and nothing else: a failed handler's changes
 * are taken back, and an instance that somebody may still write to is thrown away.
 *
 * Owns nothing but the shard's place among the residents of the node, until the shard has gone.
 */
import { type EntityKey, splitEntityKey } from '../message/entity-key.js';
import type { Clock } from '../runtime/clock.js';
import type { Completion } from '../wal/transition.js';
import type { ActorBinding, ActorInstance } from './actor-port.js';
import { type ActorResidents, type Lodger, type PassivationReason, ResidentActor } from './actor-residents.js';
import type { Item } from './item.js';

export interface ShardActorsOptions {
  readonly residents: ActorResidents;
  readonly clock: Clock;
  /** Wall time as the store tells it. */
  readonly now: () => number;
  readonly isAtWork: (key: EntityKey) => boolean;
  readonly woken: (entityType: string, entityId: string) => void;
  readonly passivated: (entityType: string, entityId: string, reason: PassivationReason) => void;
}

export class ShardActors implements Lodger {
  private hasLeft = false;

  constructor(private readonly options: ShardActorsOptions) {}

  /** Whether the entity's instance is in memory, with a state that the store has not forgotten meanwhile. */
  has(key: EntityKey): boolean {
    return this.find(key) !== undefined;
  }

  /** Gives the item its entity's instance; false when it has to be woken first. */
  board(item: Item): boolean {
    const resident = this.find(item.worker.key);
    if (resident === undefined) return false;
    item.actor = resident;
    this.options.residents.used(resident, this.options.clock.monotonic());
    return true;
  }

  /** A woken instance for the item's entity. @param stored whether its state came from the store. */
  moveIn(item: Item, binding: ActorBinding, instance: ActorInstance, stored: boolean): void {
    const { residents, clock, woken } = this.options;
    const resident = new ResidentActor(item.worker.key, this, binding, instance);
    item.actor = resident;
    // The shard went while it was woken: the instance of whoever has it now stays in its place.
    if (this.hasLeft) return;
    // The store does not say how long it keeps a state that it had already: the next message looks again.
    if (stored && binding.stateTtlMs !== undefined) resident.stateExpiresAt = Number.NEGATIVE_INFINITY;
    residents.add(resident, clock.monotonic());
    woken(item.worker.entityType, item.worker.entityId);
  }

  /**
   * The item's handler has succeeded: its changes stay. Those of a query do not.
   * @throws AtomicQueuesError `STATE_INVALID`; nothing was kept then.
   */
  keep(item: Item): void {
    const { actor } = item;
    if (actor === undefined) return;
    const { instance, binding } = actor;
    if (item.kind === 'query') {
      this.undo(item);
      return;
    }
    if (binding.persistence) {
      item.actorState = instance.snapshot();
      if (item.actorState !== undefined) actor.stateExpiresAt = Number.POSITIVE_INFINITY;
    }
    instance.kept();
  }

  /** The item's handler has failed: the state is as it was before. */
  undo(item: Item): void {
    try {
      item.actor?.instance.restore();
    } catch {
      this.discard(item);
    }
  }

  /** The item's handler is still at work and nobody waits for it: what it does to its instance must not be seen. */
  discard(item: Item): void {
    if (item.actor !== undefined) this.options.residents.remove(item.actor, 'released');
    item.actor = undefined;
  }

  /** The outcome of a start is durable. */
  committed(item: Item, completion: Completion | undefined, now: number): void {
    const { actor } = item;
    if (actor === undefined) return;
    item.actor = undefined;
    if (completion?.state === undefined || completion.state === null) return;
    if (completion.stateTtlMs !== undefined) actor.stateExpiresAt = now + completion.stateTtlMs;
  }

  /** The entity's instance has seen what never was. */
  forget(key: EntityKey): void {
    const resident = this.options.residents.find(key, this);
    if (resident !== undefined) this.options.residents.remove(resident, 'released');
  }

  leave(): void {
    this.hasLeft = true;
    this.options.residents.leave(this);
  }

  isAtWork(key: EntityKey): boolean {
    return this.options.isAtWork(key);
  }

  passivated(key: EntityKey, reason: PassivationReason): void {
    const { entityType, entityId } = splitEntityKey(key);
    this.options.passivated(entityType, entityId, reason);
  }

  private find(key: EntityKey): ResidentActor | undefined {
    const { residents, now } = this.options;
    const resident = residents.find(key, this);
    if (resident === undefined) return undefined;
    // Nearly all states are kept for ever, and then the clock is not asked.
    if (resident.stateExpiresAt === Number.POSITIVE_INFINITY || now() < resident.stateExpiresAt) return resident;
    residents.remove(resident, 'expired');
    return undefined;
  }
}
