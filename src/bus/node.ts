/**
 * A node: one process running the library, put together from its parts. `atomic-queues/core` users make it with
 * `createNode`; the NestJS module makes it for its users.
 *
 * Life: made → open (messages are accepted) → started (messages run) → stopped. Each step is idempotent; the constructor
 * does no I/O.
 */
import { ClusterEngine } from '../cluster/cluster-engine.js';
import { BindingConflictError, type ClusterStore } from '../cluster/cluster-store.js';
import { nodeLost } from '../cluster/node-refusals.js';
import type { Transport } from '../cluster/transport/transport.js';
import type { HandlerSchemas } from '../contracts/contract-book.js';
import type { ContractRegistry } from '../contracts/contract-registry.js';
import { FileRegistry } from '../contracts/file-registry.js';
import { NodeContracts } from '../contracts/node-contracts.js';
import { DeadLetters } from '../dead-letter/dead-letters.js';
import type { Engine } from '../entity/engine.js';
import { type HandlerEntry, HandlerTable, WILDCARD } from '../entity/handler-table.js';
import type { LifecycleEvents } from '../entity/lifecycle-events.js';
import { LocalEngine } from '../entity/local-engine.js';
import type { MessageContext } from '../entity/message-context.js';
import type { RecoveryReport } from '../entity/recovery.js';
import { shuttingDown } from '../entity/refusals.js';
import { ShardOwner } from '../entity/shard-owner.js';
import type { StopReport } from '../entity/shutdown.js';
import type { ClassReference } from '../message/class-reference.js';
import type { MessageKind } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';
import { checkEntityType, checkWireName } from '../message/message-name.js';
import { MessageRegistry } from '../message/message-registry.js';
import { type AtomicQueuesConfig, type ResolvedConfig, resolveConfig } from '../runtime/config.js';
import { guardedLogger, type Logger, silentLogger } from '../runtime/logger.js';
import { nearestName } from '../runtime/nearest-name.js';
import { type Runtime, systemRuntime } from '../runtime/runtime.js';
import { TypedEvents } from '../runtime/typed-events.js';
import { VERSION } from '../runtime/version.js';
import type { SharedWal } from '../wal/shared-wal.js';
import { StoreUnavailableError, type Wal } from '../wal/wal.js';
import { openShared } from './open-shared.js';
import { openStore } from './open-store.js';
import { QueueBus } from './queue-bus.js';

export interface NodeOptions {
  readonly config?: AtomicQueuesConfig | undefined;
  readonly runtime?: Runtime | undefined;
  readonly logger?: Logger | undefined;
  /** A store to use instead of the configured one. The node starts and stops it. */
  readonly wal?: Wal | undefined;
  /**
   * What the nodes of a cluster share, instead of what `config.redis` names; the configuration needs `redis` all the same.
   * For tests and simulations. The node starts and stops it.
   */
  readonly shared?: SharedParts | undefined;
}

export interface SharedParts {
  readonly wal: SharedWal;
  readonly store: ClusterStore;
  readonly transport: Transport;
  /** What services publish. Default: nothing is. */
  readonly registry?: ContractRegistry | undefined;
  /** Called before anything else is used, and when all has stopped. */
  readonly connect?: (() => Promise<void>) | undefined;
  readonly disconnect?: (() => Promise<void>) | undefined;
  /** Whether the server answers, for the health check. Default: nobody asks. */
  readonly ping?: (() => Promise<unknown>) | undefined;
}

/** How long a start waits for a store that another process uses, and how often it looks, milliseconds. */
const STORE_IN_USE_MS = 2_000;
const STORE_LOOK_AGAIN_MS = 50;

/** Of a message that is known by name only; a class says it with its decorators. */
export interface HandleOptions extends HandlerSchemas {
  /** Default `command`. */
  readonly kind?: MessageKind | undefined;
}

export type Handler<M> = (message: M, context: MessageContext) => unknown;

export class AtomicQueuesNode {
  readonly config: ResolvedConfig;
  readonly events: TypedEvents<LifecycleEvents>;
  readonly handlers = new HandlerTable();
  readonly registry: MessageRegistry;
  /** What messages look like, here and at other services. */
  readonly contracts: NodeContracts;
  readonly queueBus: QueueBus;
  readonly deadLetters: DeadLetters;
  readonly engine: Engine;
  readonly wal: Wal;
  readonly runtime: Runtime;
  /** Called once before the store is opened; the NestJS module finds its handlers here. */
  beforeOpen: () => void | Promise<void> = () => {};
  private readonly logger: Logger;
  private opening: Promise<void> | undefined;
  private starting: Promise<RecoveryReport> | undefined;
  private stopping: Promise<StopReport> | undefined;
  /** Called when the node has stopped. */
  private readonly whenStopped = new Set<() => void>();
  private letProcessEnd: () => void = () => {};

  constructor(options: NodeOptions = {}) {
    this.config = resolveConfig(options.config ?? {});
    this.runtime = options.runtime ?? systemRuntime;
    this.logger = guardedLogger(options.logger ?? silentLogger);
    this.events = new TypedEvents<LifecycleEvents>((error, event) =>
      this.logger.error(`A listener of the event "${event}" threw.`, error),
    );
    this.registry = new MessageRegistry(this.config);
    const shared = options.shared ?? openShared(this.config, this.runtime, this.logger);
    const hasFile = shared === undefined && options.wal === undefined && this.config.wal.enabled;
    this.contracts = new NodeContracts({
      runtime: this.runtime,
      config: this.config,
      logger: this.logger,
      messages: this.registry,
      handlers: this.handlers,
      registry: hasFile ? new FileRegistry(this.config.store.path) : shared?.registry,
      isShared: shared !== undefined,
    });
    this.registry.checks = this.contracts;
    // A node that cannot go on takes nothing more.
    this.events.on('fatal', () => void this.contracts.close());
    this.wal = shared?.wal ?? options.wal ?? openStore(this.config, this.runtime);
    this.engine = shared === undefined ? this.makeLocalEngine() : this.makeClusterEngine(shared);
    this.queueBus = new QueueBus(this);
    const letterActions = {
      call: <T>(action: () => Promise<T>) => this.call(action),
      replay: (id: string, shard?: number) => this.call(() => this.engine.operations.replay(id, shard)),
      purge: (id: string, shard?: number) => this.call(() => this.engine.operations.purgeDeadLetter(id, shard)),
    };
    this.deadLetters = new DeadLetters(this.wal, letterActions, () => this.engine.shards());
  }

  /** The owner of the one shard of a node that is alone. @throws Error on a node of a cluster, which has many or none. */
  get owner(): ShardOwner {
    if (this.engine instanceof LocalEngine) return this.engine.owner;
    throw new Error('A node of a cluster has no single owner; see node.engine.');
  }

  /** Whether messages go straight in; otherwise `whenOpen` first. */
  get isOpen(): boolean {
    const { phase } = this.engine;
    return (phase !== 'closed' && phase !== 'recovering') || this.stopping !== undefined;
  }

  /**
   * Registers a handler for a message class, or for a wire name (`'*'`: for every name that has no handler of its own).
   * Before the node is opened: a message in the store that has no handler by then waits until the next start.
   * @throws AtomicQueuesError `CONFIG_INVALID` for a second handler of the same message.
   */
  handle<M extends object>(
    cls: ClassReference<M>,
    handler: Handler<M>,
    options?: { readonly kind?: MessageKind | undefined },
  ): this;
  handle(entityType: string, name: string, handler: Handler<unknown>, options?: HandleOptions): this;
  handle(first: ClassReference | string, second: unknown, third?: unknown, fourth?: unknown): this {
    if (typeof first === 'string') {
      const handler = third as Handler<unknown>;
      checkEntityType(first, 'node.handle');
      if (second !== WILDCARD) checkWireName(second, 'node.handle');
      const { kind = 'command', ...schemas } = (fourth ?? {}) as HandleOptions;
      this.contracts.declare(first, second as string, schemas);
      return this.addHandler(first, second as string, entry(handler, kind));
    }
    const { entityType, name, kind } = this.registry.register(first);
    const options = third as { kind?: MessageKind } | undefined;
    return this.addHandler(entityType, name, entry(second as Handler<unknown>, options?.kind ?? kind ?? 'command'));
  }

  addHandler(entityType: string, name: string, handler: HandlerEntry): this {
    this.handlers.add(entityType, name, handler);
    return this;
  }

  /**
   * Opens the store, settles what an earlier process left half done, and gives everything in line its place again. New
   * messages are accepted from then on, behind that, and start after `start`.
   */
  open(): Promise<void> {
    if (this.stopping !== undefined && this.opening === undefined) return Promise.reject(shuttingDown());
    this.opening ??= this.openOnce();
    return this.opening;
  }

  whenOpen(): Promise<void> {
    if (this.stopping !== undefined) return Promise.reject(shuttingDown());
    return this.open();
  }

  /**
   * Opens if need be, and does what a caller asks of the store. What the store itself throws is nothing that callers know:
   * they hear a code.
   * @throws AtomicQueuesError (as a rejection) `STORE_DEGRADED` when the store cannot be read, `SHUTTING_DOWN` when the node
   *   stops meanwhile, and what `action` throws.
   */
  async call<T>(action: () => T | Promise<T>): Promise<T> {
    await this.whenOpen();
    return this.reading(action);
  }

  /** The same for a node that is open, or is just about to stop. */
  async reading<T>(action: () => T | Promise<T>): Promise<T> {
    const { engine } = this;
    // A file that takes no more commits can still be read.
    if (engine.phase === 'lost' && !(engine instanceof LocalEngine)) throw nodeLost(engine.lostWith);
    try {
      return await action();
    } catch (error) {
      const isGone = error instanceof StoreUnavailableError && !error.recoverable && this.stopping !== undefined;
      if (!isGone) throw storeNotUsable(error, 'The store could not be read: ');
      throw new AtomicQueuesError('SHUTTING_DOWN', 'This node is shutting down, and its store is not read any more.', {
        cause: error,
      });
    }
  }

  /**
   * Opens if need be, and starts messages.
   * @throws AtomicQueuesError (as a rejection) `SHUTTING_DOWN` once `stop` was called: a node lives once.
   */
  start(): Promise<RecoveryReport> {
    if (this.stopping !== undefined) {
      return Promise.reject(
        new AtomicQueuesError('SHUTTING_DOWN', 'This node has been stopped; make a new one.', { retryable: false }),
      );
    }
    this.starting ??= this.startOnce();
    return this.starting;
  }

  /** Takes nothing new, lets running handlers end within `shutdownTimeout`, closes the store. */
  stop(): Promise<StopReport> {
    this.stopping ??= this.stopOnce();
    return this.stopping;
  }

  /**
   * Resolves when nothing is in line, running, or on its way to the store (delayed messages apart), or when the node has
   * stopped.
   */
  async whenIdle(): Promise<void> {
    await this.open();
    let look = (): void => {};
    const lookAgain = (): void => look();
    const listening = [this.events.on('idle', lookAgain), this.events.on('fatal', lookAgain)];
    this.whenStopped.add(lookAgain);
    try {
      while (!this.engine.isIdle && this.engine.phase !== 'lost' && this.engine.phase !== 'closed') {
        await new Promise<void>((resolve) => {
          look = resolve;
        });
      }
    } finally {
      for (const stopListening of listening) stopListening();
      this.whenStopped.delete(lookAgain);
    }
  }

  private makeClusterEngine({ wal, store, transport, ping, connect, disconnect }: SharedParts): Engine {
    const { runtime, config, handlers, registry, events, logger } = this;
    return new ClusterEngine({
      runtime,
      config,
      wal,
      startStore: async () => {
        await connect?.();
        await this.startStore();
        await this.contracts.open();
      },
      stopStore: async () => {
        await this.contracts.close();
        await wal.stop();
        await disconnect?.();
      },
      store,
      transport,
      ping,
      handlers,
      registry,
      events,
      logger,
      version: VERSION,
    });
  }

  private makeLocalEngine(): Engine {
    const { runtime, wal, config, handlers, registry, events, logger } = this;
    const owner = new ShardOwner({ runtime, wal, shard: 0, config, handlers, registry, events, logger });
    return new LocalEngine(owner, async () => {
      await this.startStore();
      await this.contracts.open();
    });
  }

  private async openOnce(): Promise<void> {
    await this.beforeOpen();
    this.warnOfStrayOptions();
    const openingIsOver = this.runtime.timers.keepAlive();
    try {
      await this.engine.open();
    } catch (error) {
      throw storeNotUsable(error);
    } finally {
      openingIsOver();
    }
  }

  /** Only a warning: a process that just sends may learn of a type with its first message. */
  private warnOfStrayOptions(): void {
    const known = [...this.handlers.entityTypes(), ...this.registry.entityTypes];
    for (const type of Object.keys(this.config.entities)) {
      if (known.includes(type)) continue;
      const near = nearestName(type, known);
      this.logger.warn(
        `entities.${type} has options, but no handler or message class here is for that entity type.${near === undefined ? '' : ` Did you mean "${near}"?`}`,
      );
    }
  }

  /**
   * Starts the store. One that is in use is tried again for a moment: a former process of this application may be on its
   * way out, or a command line at work for the blink of an eye.
   */
  private async startStore(): Promise<void> {
    const { clock, timers } = this.runtime;
    const until = clock.monotonic() + STORE_IN_USE_MS;
    for (;;) {
      try {
        return await this.wal.start();
      } catch (error) {
        const isPassing = error instanceof StoreUnavailableError && error.recoverable;
        if (!isPassing || this.stopping !== undefined || clock.monotonic() >= until) throw error;
        await new Promise<void>((resolve) => timers.set(resolve, STORE_LOOK_AGAIN_MS));
      }
    }
  }

  private async startOnce(): Promise<RecoveryReport> {
    await this.open();
    // A process that only consumes has nothing else that keeps it alive.
    this.letProcessEnd = this.runtime.timers.keepAlive();
    this.events.on('fatal', this.letProcessEnd);
    return this.engine.start();
  }

  private async stopOnce(): Promise<StopReport> {
    try {
      await (this.starting ?? this.opening);
    } catch {
      // A node that failed to start has nothing to drain; what it opened is closed below.
    }
    try {
      return await this.engine.stop(this.config.shutdownTimeout);
    } catch (error) {
      throw storeNotUsable(error);
    } finally {
      this.letProcessEnd();
      for (const tell of this.whenStopped) tell();
    }
  }
}

/** What the user hears when the store cannot be used: the code, and the store's own words. */
function storeNotUsable(error: unknown, intro = ''): unknown {
  if (error instanceof BindingConflictError)
    return new AtomicQueuesError('CONFIG_INVALID', error.message, { cause: error });
  if (!(error instanceof StoreUnavailableError)) return error;
  return new AtomicQueuesError('STORE_DEGRADED', `${intro}${error.message}`, {
    cause: error,
    retryable: error.recoverable,
  });
}

function entry(handler: Handler<unknown>, kind: MessageKind): HandlerEntry {
  return {
    kind,
    label: handler.name === '' ? 'a function' : handler.name,
    run: ({ message, context }) => handler(message, context),
  };
}

export function createNode(options: NodeOptions = {}): AtomicQueuesNode {
  return new AtomicQueuesNode(options);
}
