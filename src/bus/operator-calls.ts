/**
 * What operators ask of the bus: to stop lines and let them go on, to empty them, to see what stands still and to decide
 * about it. Each resolves when it is durable.
 */
import { checkedId, checkedScope, type Scope, unknownEntityType } from './call-arguments.js';
import type { AtomicQueuesNode } from './node.js';
import { remindersPart } from './reminders.js';
import {
  type BlockedFilter,
  type BlockedListOptions,
  type BlockedPage,
  type PausedLine,
  StoppedLines,
} from './stopped-lines.js';

export abstract class OperatorCalls {
  private readonly stopped: StoppedLines;

  constructor(protected readonly node: AtomicQueuesNode) {
    this.stopped = new StoppedLines(node.wal, () => node.engine.shards());
    node.contracts.addPart('paused', () => this.stopped.pausedPart());
    node.contracts.addPart('blocked', () => this.stopped.blockedPart());
    node.contracts.addPart('reminders', () => remindersPart(node.wal, node.engine.shards()));
  }

  /**
   * Starts no more messages of an entity, or of a whole type, until `resume`. New ones are accepted and wait. Durable.
   * @throws AtomicQueuesError (as a rejection), as `resume` and `purge`: `UNKNOWN_ENTITY_TYPE` for a type that nothing here
   *   knows, `INVALID_PAYLOAD` or `ENTITY_ID_MISSING` for what cannot be a type or an id. An `entityId` that is given but
   *   undefined is refused, because without one the call is for the whole type.
   */
  async pause(...args: [entityType: string, entityId?: string]): Promise<void> {
    await this.inScope(args, 'pause', ({ entityType, entityId }) =>
      this.node.engine.operations.setPaused(true, entityType, entityId),
    );
  }

  async resume(...args: [entityType: string, entityId?: string]): Promise<void> {
    await this.inScope(args, 'resume', ({ entityType, entityId }) =>
      this.node.engine.operations.setPaused(false, entityType, entityId),
    );
  }

  /** Paused types and paused entities, by their names: of all nodes, and of those that run no more. */
  async paused(): Promise<readonly PausedLine[]> {
    return this.node.call(() => this.stopped.paused());
  }

  /** Withdraws every message of an entity, or of a type, that has not started; returns how many. */
  async purge(...args: [entityType: string, entityId?: string]): Promise<number> {
    return this.inScope(args, 'purge', ({ entityType, entityId }) =>
      this.node.engine.operations.purge(entityType, entityId),
    );
  }

  /**
   * A page of the messages that block their lines (`onFailure: 'block'`).
   * @throws AtomicQueuesError (as a rejection) `INVALID_PAYLOAD` for options that make no sense, also a filter with a key
   *   whose value is undefined.
   */
  async blocked(options?: BlockedListOptions): Promise<BlockedPage> {
    return this.node.call(() => this.stopped.blocked(options));
  }

  /** How many messages block their lines; with a filter: how many of those. */
  async blockedCount(filter?: BlockedFilter): Promise<number> {
    return this.node.call(() => this.stopped.count(filter));
  }

  /**
   * Gives a blocked message another attempt, in its place. False when it is not blocked (any more).
   * @throws AtomicQueuesError (as a rejection), as `skipBlocked`: `INVALID_PAYLOAD` for an id that cannot be one.
   */
  async retryBlocked(id: string): Promise<boolean> {
    checkedId(id, 'retryBlocked');
    return this.node.call(() => this.node.engine.operations.unblock(id));
  }

  /**
   * Moves a blocked message to the dead letters, with what blocked it as the reason; its line goes on. False when it is not
   * blocked (any more).
   */
  async skipBlocked(id: string): Promise<boolean> {
    checkedId(id, 'skipBlocked');
    return this.node.call(() => this.node.engine.operations.skip(id));
  }

  /**
   * Gives up a handler that does not settle: its message becomes `interrupted`, its entity goes on. Whatever the handler
   * still does is guarded by its fencing token only. False when this node runs no handler for the message.
   */
  async release(id: string): Promise<boolean> {
    checkedId(id, 'release');
    return this.node.call(() => this.node.engine.operations.release(id));
  }

  private async inScope<T>(args: readonly unknown[], method: string, action: (scope: Scope) => Promise<T>): Promise<T> {
    const scope = checkedScope(args, method);
    return this.node.call(async () => action(await this.known(scope)));
  }

  private async known(scope: Scope): Promise<Scope> {
    const { handlers, registry, config, engine } = this.node;
    const { entityType } = scope;
    const known = [...handlers.entityTypes(), ...registry.entityTypes, ...Object.keys(config.entities)];
    // A call for a type that nothing knows is a slip, which done in silence would seem to have worked; unless the store
    // holds messages of that type, left by an earlier version of the application.
    if (known.includes(entityType) || (await engine.knowsType(entityType))) return scope;
    throw unknownEntityType(entityType, known);
  }
}
