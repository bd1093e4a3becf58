/**
 * What the owners of one node's shards share: the counts that the node's limits are about. Each owner adds and takes away
 * its own; whoever makes room tells those who wait for it.
 */
import { ActorResidents } from './actor-residents.js';
import { RunningSlots } from './running-slots.js';

export interface Starving {
  /** There may be room for another worker. */
  feedBacklog(): void;
}

export class NodeShare {
  /** Messages in line on this node, queries included. */
  depth = 0;
  /** Workers that have work, and all that are in memory. */
  activeWorkers = 0;
  residentWorkers = 0;
  /** UTF-16 units of payload held in memory. */
  residentBytes = 0;
  readonly deadLettersByType = new Map<string, number>();
  readonly slots: RunningSlots;
  readonly actors: ActorResidents;
  private readonly starving = new Set<Starving>();

  /**
   * @param handlersMax handlers at work at one time; 0: unbounded.
   * @param actorsMax actors in memory at one time; 0: unbounded.
   */
  constructor(handlersMax: number, actorsMax = 0) {
    this.slots = new RunningSlots(handlersMax);
    this.actors = new ActorResidents(actorsMax);
  }

  /** Entity types with as many dead letters here as they may have (M17); a limit of 0 is none. */
  fullTypes(deadLettersMax: (entityType: string) => number): readonly string[] {
    return [...this.deadLettersByType].flatMap(([type, count]) => {
      const max = deadLettersMax(type);
      return max > 0 && count >= max ? [type] : [];
    });
  }

  /** This owner has entities in the store that found no room for a worker; or has no more. */
  isStarving(owner: Starving, isStarving: boolean): void {
    if (isStarving) this.starving.add(owner);
    else this.starving.delete(owner);
  }

  /** A worker has gone idle: the owners that wait for room are served in turn (I9). */
  madeRoom(): void {
    if (this.starving.size === 0) return;
    for (const owner of [...this.starving]) {
      this.starving.delete(owner);
      owner.feedBacklog();
    }
  }
}
