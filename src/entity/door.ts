/**
 * The door: what is refused before anything is kept (I8). Three levels of back-pressure (per entity, workers, all
 * messages), the state of the store and of the node. Owns the count of pending messages; changes nothing else.
 */

import type { EntityKey } from '../message/entity-key.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { WorkerDirectory } from './worker-directory.js';

export interface DoorLimits {
  readonly depthMax: number;
  readonly workersMax: number;
  readonly workerDepthMax: (entityType: string) => number;
  readonly deadLettersMax: (entityType: string) => number;
}

export class Door {
  /** Messages in line on this node, queries included. Delayed ones wait in the store and are not counted. */
  depth = 0;
  readonly deadLettersByType = new Map<string, number>();

  constructor(
    private readonly limits: DoorLimits,
    private readonly directory: WorkerDirectory,
    private readonly depthOf: (key: EntityKey) => number,
  ) {}

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
    if (depthMax > 0 && this.depth + total > depthMax) {
      throw new AtomicQueuesError(
        'QUEUE_DEPTH_EXCEEDED',
        `This node holds ${this.depth} pending messages and maxTotalQueueDepth is ${depthMax}; ${total} more do not fit. Try again later.`,
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
    if (workersMax > 0 && this.directory.active + entities > workersMax && !this.directory.hasWork(key)) {
      throw new AtomicQueuesError(
        'WORKER_LIMIT_EXCEEDED',
        `${this.directory.active} entities have work on this node and maxTotalWorkers is ${workersMax}. Messages for those entities are still accepted.`,
        { subject },
      );
    }
  }

  /** @throws AtomicQueuesError `STORE_DEGRADED` when the type's dead letters are full (M17). */
  admitDeadLetters(entityType: string): void {
    const max = this.limits.deadLettersMax(entityType);
    const count = this.deadLettersByType.get(entityType) ?? 0;
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
    const count = Math.max(0, (this.deadLettersByType.get(entityType) ?? 0) + difference);
    this.deadLettersByType.set(entityType, count);
    return difference === 1 && count === this.limits.deadLettersMax(entityType);
  }
}
