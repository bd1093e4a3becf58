/**
 * The door: what is refused before anything is kept (I8). Three levels of back-pressure (per entity, workers, all
 * messages), the state of the store and of the node. Owns the count of pending messages; changes nothing else.
 */

import type { EntityKey } from '../message/entity-key.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { NodeShare } from './node-share.js';
import type { WorkerDirectory } from './worker-directory.js';

export interface DoorLimits {
  readonly depthMax: number;
  readonly workersMax: number;
  readonly workerDepthMax: (entityType: string) => number;
  readonly deadLettersMax: (entityType: string) => number;
}

export class Door {
  /** Messages in line in this shard, queries included. Delayed ones wait in the store and are not counted. */
  depth = 0;
  /** This shard's dead letters; the limit is on those of all shards of the node. */
  readonly deadLettersByType = new Map<string, number>();
  private hasLeft = false;

  constructor(
    private readonly share: NodeShare,
    private readonly limits: DoorLimits,
    private readonly directory: WorkerDirectory,
    private readonly depthOf: (key: EntityKey) => number,
  ) {}

  changeDepth(difference: number): void {
    if (this.hasLeft) return;
    this.depth += difference;
    this.share.depth += difference;
  }

  /** The shard is opened: these letters are there. */
  deadLettersAre(byType: Readonly<Record<string, number>>): void {
    for (const [type, count] of Object.entries(byType)) this.changeDeadLetters(type, count);
  }

  /** The shard is not this node's any more: nothing of it counts, and what is still under way changes nothing. */
  leave(): void {
    this.changeDepth(-this.depth);
    for (const [type, count] of [...this.deadLettersByType]) this.changeDeadLetters(type, -count);
    this.hasLeft = true;
  }

  /**
   * @param count messages for this entity, `total` messages, and `entities` without a worker, that come in together.
   * @throws AtomicQueuesError when they do not fit.
   */
  admit(
    key: EntityKey,
    subject: ErrorSubject & { readonly entityType: string },
    count: number,
    total: number,
    entities: number,
  ): void {
    const { depthMax, workersMax } = this.limits;
    if (depthMax > 0 && this.share.depth + total > depthMax) {
      throw new AtomicQueuesError(
        'QUEUE_DEPTH_EXCEEDED',
        `This node holds ${this.share.depth} pending messages and maxTotalQueueDepth is ${depthMax}; ${total} more do not fit. Try again later.`,
        { subject },
      );
    }
    const workerDepthMax = this.limits.workerDepthMax(subject.entityType);
    if (workerDepthMax > 0) {
      const depth = this.depthOf(key);
      if (depth + count > workerDepthMax) {
        throw new AtomicQueuesError(
          'QUEUE_DEPTH_EXCEEDED',
          `${subject.entityType} "${subject.entityId ?? ''}" has ${depth} pending messages and workerMaxQueueDepth is ${workerDepthMax}; ${count} more do not fit.`,
          { subject },
        );
      }
    }
    if (workersMax > 0 && this.share.activeWorkers + entities > workersMax && !this.directory.hasWork(key)) {
      throw new AtomicQueuesError(
        'WORKER_LIMIT_EXCEEDED',
        `${this.share.activeWorkers} entities have work on this node and maxTotalWorkers is ${workersMax}. Messages for those entities are still accepted.`,
        { subject },
      );
    }
  }

  /** @throws AtomicQueuesError `STORE_DEGRADED` when the type's dead letters are full (M17). */
  admitDeadLetters(entityType: string): void {
    const max = this.limits.deadLettersMax(entityType);
    const count = this.share.deadLettersByType.get(entityType) ?? 0;
    if (max > 0 && count >= max) {
      throw new AtomicQueuesError(
        'STORE_DEGRADED',
        `Entity type "${entityType}" has ${count} dead letters and deadLettersMax is ${max}. Replay or purge some; new messages of this type are refused until then.`,
        { subject: { entityType } },
      );
    }
  }

  /** Counts a dead letter more or less; returns whether the type has just reached its limit. */
  countDeadLetter(entityType: string, difference: 1 | -1): boolean {
    if (difference === -1 && (this.deadLettersByType.get(entityType) ?? 0) === 0) return false;
    this.changeDeadLetters(entityType, difference);
    const count = this.share.deadLettersByType.get(entityType);
    return difference === 1 && count === this.limits.deadLettersMax(entityType);
  }

  private changeDeadLetters(entityType: string, difference: number): void {
    if (this.hasLeft) return;
    for (const counts of [this.deadLettersByType, this.share.deadLettersByType]) {
      const count = (counts.get(entityType) ?? 0) + difference;
      if (count === 0) counts.delete(entityType);
      else counts.set(entityType, count);
    }
  }
}
