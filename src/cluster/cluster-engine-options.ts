/** What the engine of a node in a cluster is made of, and what it is told. */
import type { HandlerTable } from '../entity/handler-table.js';
import type { LifecycleEvents } from '../entity/lifecycle-events.js';
import type { MessageRegistry } from '../message/message-registry.js';
import type { ResolvedConfig } from '../runtime/config.js';
import type { Logger } from '../runtime/logger.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TypedEvents } from '../runtime/typed-events.js';
import type { SharedWal } from '../wal/shared-wal.js';
import type { ClusterStore } from './cluster-store.js';
import type { Transport } from './transport/transport.js';

export interface ClusterEngineOptions {
  readonly runtime: Runtime;
  readonly config: ResolvedConfig;
  readonly wal: SharedWal;
  /** Starts (stops) the write-ahead log and what it stands on. */
  readonly startStore: () => Promise<void>;
  readonly stopStore: () => Promise<void>;
  readonly store: ClusterStore;
  readonly transport: Transport;
  /** Whether the server answers. Default: nobody asks. */
  readonly ping?: (() => Promise<unknown>) | undefined;
  readonly handlers: HandlerTable;
  readonly registry: MessageRegistry;
  readonly events: TypedEvents<LifecycleEvents>;
  readonly logger: Logger;
  /** Of the package. */
  readonly version: string;
}
