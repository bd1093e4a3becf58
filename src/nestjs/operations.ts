/** What operators do to lines and messages, for injection where the whole bus would be too much. */
import type { QueueBus } from '../bus/queue-bus.js';
import type { BlockedFilter, BlockedListOptions, BlockedPage, PausedLine } from '../bus/stopped-lines.js';

/**
 * The same calls as those of `QueueBus`. Works from the first moment: it opens the store if need be. All that it changes
 * is durable when it resolves.
 */
export class AtomicQueuesOperations {
  constructor(private readonly bus: QueueBus) {}

  /** Starts no more messages of an entity, or of a whole type, until `resume`. New ones are accepted and wait. */
  pause(...line: [entityType: string, entityId?: string]): Promise<void> {
    return this.bus.pause(...line);
  }

  resume(...line: [entityType: string, entityId?: string]): Promise<void> {
    return this.bus.resume(...line);
  }

  /** Paused types and paused entities, by their names. */
  paused(): Promise<readonly PausedLine[]> {
    return this.bus.paused();
  }

  /** Withdraws every message of an entity, or of a type, that has not started; resolves to their number. */
  purge(...line: [entityType: string, entityId?: string]): Promise<number> {
    return this.bus.purge(...line);
  }

  /** A page of the messages that block their lines (`onFailure: 'block'`). */
  blocked(options?: BlockedListOptions): Promise<BlockedPage> {
    return this.bus.blocked(options);
  }

  /** How many messages block their lines; with a filter: how many of those. */
  blockedCount(filter?: BlockedFilter): Promise<number> {
    return this.bus.blockedCount(filter);
  }

  /** Gives a blocked message another attempt, in its place. False when it is not blocked (any more). */
  retryBlocked(id: string): Promise<boolean> {
    return this.bus.retryBlocked(id);
  }

  /** Moves a blocked message to the dead letters; its line goes on. False when it is not blocked (any more). */
  skipBlocked(id: string): Promise<boolean> {
    return this.bus.skipBlocked(id);
  }

  /** Withdraws a message that has not started. False when it has started, ended, or is unknown. */
  cancel(id: string): Promise<boolean> {
    return this.bus.cancel(id);
  }

  /** Gives up a handler on this node that does not settle; its message becomes `interrupted`. */
  release(id: string): Promise<boolean> {
    return this.bus.release(id);
  }
}
