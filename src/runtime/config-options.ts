/** The options: what a user may write, with units and defaults, and what they become once resolved. */
import type { ClusterConfig, GrpcConfig, ResolvedCluster } from './config-cluster.js';
import type { RedisConfig, ResolvedRedis } from './config-redis.js';

/** How often and when a failed message runs again. */
export interface RetryPolicy {
  /** Starts of the handler in all, the first one included. Default 1: no retry. */
  readonly maxAttempts?: number | undefined;
  /** `fixed`: always `backoffDelay`. `exponential`: doubled after each attempt, up to `maxDelay`. Default `exponential`. */
  readonly backoff?: 'fixed' | 'exponential' | undefined;
  /** Milliseconds before the second attempt. Default 1000. */
  readonly backoffDelay?: number | undefined;
  /** Milliseconds that a delay grows to at most. Default 30000. */
  readonly maxDelay?: number | undefined;
}

export interface EntityConfig {
  /** The property that holds the entity id in messages without `@QueueEntityId`. Default: none. */
  readonly defaultEntityId?: string | undefined;
  /** What becomes of a message that may have started when its owner was lost. Default `dead-letter`. */
  readonly onInterrupt?: 'dead-letter' | 'retry' | undefined;
  /** Interruptions after which `onInterrupt: 'retry'` gives up and makes a dead letter. Default 3. */
  readonly maxInterruptions?: number | undefined;
  /**
   * What becomes of a message whose attempts are used up, or that was interrupted. `dead-letter`: the entity goes on without
   * it. `block`: it stays at the head and its entity waits until somebody retries or skips it. Default `dead-letter`.
   */
  readonly onFailure?: 'dead-letter' | 'block' | undefined;
  /**
   * `atomic`: what a handler enqueues becomes durable together with its completion, or not at all. Default: at once, whatever
   * becomes of the handler.
   */
  readonly outbox?: 'atomic' | undefined;
  /** Milliseconds after which a worker without messages is removed. Default 30000. */
  readonly workerIdleTimeout?: number | undefined;
  /** Messages that may wait for one entity. Default 0: unbounded. */
  readonly workerMaxQueueDepth?: number | undefined;
  /** Milliseconds that `enqueueAndWait` waits. Default: the root's `replyTimeout`. 0: without limit. */
  readonly replyTimeout?: number | undefined;
  /** Milliseconds after which a running handler's signal is aborted. Default 0: never. */
  readonly handlerTimeout?: number | undefined;
  /** Fields that are left out come from the root's `retry`. */
  readonly retry?: RetryPolicy | undefined;
  /** Waiting messages of an entity that one commit marks as started, 1 to 1024. Default 1. */
  readonly dispatchAhead?: number | undefined;
  /** `volatile`: queries are not written to the store. `durable`: like commands. Default `volatile`. */
  readonly queries?: 'volatile' | 'durable' | undefined;
  /** Dead letters of this type before new messages are refused with `STORE_DEGRADED`. Default 1000000. 0: unbounded. */
  readonly deadLettersMax?: number | undefined;
}

export interface StoreConfig {
  /** File of the embedded store. Default `atomic-queues.db` in the working directory. Not with `redis`. */
  readonly path?: string | undefined;
  /**
   * Of the embedded store: `commit` survives the end of the process, `fsync` a power loss too; default `commit`. With `redis`:
   * `async` survives what the server's persistence does, `replicated(n)` also the loss of the server while n replicas, 1 to
   * 9, have it; default `async`.
   */
  readonly durability?: 'commit' | 'fsync' | 'async' | `replicated(${number})` | undefined;
  /** A SQLite driver to use instead of the built-in choice: an object or a function. */
  readonly driver?: object | undefined;
}

export interface WalConfig {
  /** False keeps everything in memory, for tests. Default true. */
  readonly enabled?: boolean | undefined;
  /** Milliseconds between two cleanups of what nobody can ask for any more. Default 5000. */
  readonly cleanupInterval?: number | undefined;
  /** Seconds that a verdict is kept for those who may still ask. Default 86400. */
  readonly entryTTL?: number | undefined;
  /** Kept verdicts per shard. Default 1000000. */
  readonly verdictsMax?: number | undefined;
}

export interface RegistryConfig {
  /** False: nothing is published, and nothing is learned of other services. Default true. */
  readonly enabled?: boolean | undefined;
  /** All processes with one name are one service. Default: the `serviceGroup`, and `default` without `redis`. */
  readonly serviceName?: string | undefined;
  /** False: no message and no reply is checked against a schema on this node. Default true. */
  readonly schemaValidation?: boolean | undefined;
  /** Milliseconds between two signs of life, and between two looks at what others publish. Default 10000. */
  readonly heartbeatInterval?: number | undefined;
  /** Seconds after its last sign of life at which a process's record is gone. Default 30. */
  readonly registrationTTL?: number | undefined;
}

/** What `AtomicQueuesModule.forRoot` takes. Everything has a default. */
export interface AtomicQueuesConfig {
  /**
   * The Redis or Valkey that the nodes share: a URL, an object with options, or a ready client of ioredis. Default: none,
   * the store is embedded and this node is alone.
   */
  readonly redis?: RedisConfig | undefined;
  /** How nodes share the work. Only with `redis`. */
  readonly cluster?: ClusterConfig | undefined;
  /** Options of `cluster` under their older names. */
  readonly grpc?: GrpcConfig | undefined;
  readonly store?: StoreConfig | undefined;
  /** Options by entity type. Types that are not listed are legal and have the defaults. */
  readonly entities?: Readonly<Record<string, EntityConfig>> | undefined;
  /** Begins every name in the store. Default `aq`. */
  readonly keyPrefix?: string | undefined;
  /** Entities with work at one time. Default 10000. 0: unbounded. */
  readonly maxTotalWorkers?: number | undefined;
  /** Actors in memory at one time; past it the least recently used ones go. Default 10000. 0: unbounded. */
  readonly maxResidentActors?: number | undefined;
  /** Messages waiting on this node. Default 100000. 0: unbounded. */
  readonly maxTotalQueueDepth?: number | undefined;
  /** Handlers running at one time. Default 0: unbounded. */
  readonly maxRunningHandlers?: number | undefined;
  /** Milliseconds that `enqueueAndWait` waits. Default 5000. 0: without limit. */
  readonly replyTimeout?: number | undefined;
  readonly retry?: RetryPolicy | undefined;
  readonly wal?: WalConfig | undefined;
  /** What services tell each other of their entity types, messages and schemas. */
  readonly registry?: RegistryConfig | undefined;
  /** UTF-8 bytes of a payload's JSON text. Default 1048576. */
  readonly payloadBytesMax?: number | undefined;
  /** Levels that a payload may be nested. Default 100. */
  readonly payloadDepthMax?: number | undefined;
  /** Payload bytes of waiting messages kept in memory; the rest waits in the store. Default 67108864. */
  readonly residentBytesMax?: number | undefined;
  /** Places in line kept in memory when a backlog is taken over, about 16 bytes each; the rest is read later. Default 4000000. */
  readonly residentPlacesMax?: number | undefined;
  /** Milliseconds that a shutdown waits for running handlers. Default 10000. */
  readonly shutdownTimeout?: number | undefined;
  /** More words in the log. Default false. */
  readonly verbose?: boolean | undefined;
}

export interface ResolvedRetryPolicy {
  readonly maxAttempts: number;
  readonly backoff: 'fixed' | 'exponential';
  readonly backoffDelay: number;
  readonly maxDelay: number;
}

export interface ResolvedEntityOptions {
  readonly defaultEntityId: string | undefined;
  readonly onInterrupt: 'dead-letter' | 'retry';
  readonly maxInterruptions: number;
  readonly onFailure: 'dead-letter' | 'block';
  readonly outbox: 'atomic' | undefined;
  readonly workerIdleTimeout: number;
  readonly workerMaxQueueDepth: number;
  readonly replyTimeout: number;
  readonly handlerTimeout: number;
  readonly retry: ResolvedRetryPolicy;
  readonly dispatchAhead: number;
  readonly queries: 'volatile' | 'durable';
  readonly deadLettersMax: number;
}

export interface ResolvedConfig {
  /** Undefined: the store is embedded. A client in it, and what is handed on to TLS, are not frozen. */
  readonly redis: ResolvedRedis | undefined;
  /** There exactly if `redis` is. */
  readonly cluster: ResolvedCluster | undefined;
  /** Of the embedded store; without meaning with `redis`. */
  readonly store: {
    readonly path: string;
    readonly durability: 'commit' | 'fsync';
    readonly driver: object | undefined;
  };
  /** The options of the listed types. `entityType()` answers for every type. */
  readonly entities: Readonly<Record<string, ResolvedEntityOptions>>;
  readonly keyPrefix: string;
  readonly maxTotalWorkers: number;
  readonly maxResidentActors: number;
  readonly maxTotalQueueDepth: number;
  readonly maxRunningHandlers: number;
  readonly replyTimeout: number;
  readonly retry: ResolvedRetryPolicy;
  readonly wal: Readonly<Required<{ [K in keyof WalConfig]: NonNullable<WalConfig[K]> }>>;
  readonly registry: Readonly<Required<{ [K in keyof RegistryConfig]: NonNullable<RegistryConfig[K]> }>>;
  readonly payloadBytesMax: number;
  readonly payloadDepthMax: number;
  readonly residentBytesMax: number;
  readonly residentPlacesMax: number;
  readonly shutdownTimeout: number;
  readonly verbose: boolean;
  /** The options of an entity type; a type that is not listed has the defaults. */
  readonly entityType: (type: string) => ResolvedEntityOptions;
}
