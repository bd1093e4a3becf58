/** `atomic-queues/core`: the library without NestJS. */

export { Actor } from './actors/actor.js';
export type { ActorOptions, StateUpgrade } from './actors/actor-options.js';
export { ActorSystem } from './actors/actor-system.js';
export { On, type OnOptions } from './actors/on.js';
export { type ActorClass, registerActor } from './actors/register-actor.js';
export { Transient } from './actors/transient.js';
export { EntityScope, EntityTypeScope } from './bus/entity-scope.js';
export {
  AtomicQueuesNode,
  createNode,
  type HandleOptions,
  type Handler,
  type NodeOptions,
  type SharedParts,
} from './bus/node.js';
export { type MessageStatus, QueueBus } from './bus/queue-bus.js';
export { type Reminder, type ReminderFilter, Reminders } from './bus/reminders.js';
export type {
  BlockedFilter,
  BlockedListOptions,
  BlockedMessage,
  BlockedPage,
  PausedLine,
} from './bus/stopped-lines.js';
export type { ClusterDescription } from './cluster/cluster-description.js';
export type { HandlerSchemas } from './contracts/contract-book.js';
export type { ContractRegistry, RegistryReading } from './contracts/contract-registry.js';
export type {
  ContractSnapshot,
  EntityContract,
  JsonSchema,
  MessageContract,
  ServiceRecord,
} from './contracts/contract-snapshot.js';
export { Introspection, type IntrospectionPart, type ServiceView } from './contracts/introspection.js';
export type { ContractConflict, ContractWarning } from './contracts/merge-records.js';
export { MessageSchema, ReplySchema, type SchemaOptions } from './contracts/message-schema.js';
export type { StandardSchema } from './contracts/standard-schema.js';
export {
  type DeadLetter,
  type DeadLetterFilter,
  type DeadLetterPage,
  DeadLetters,
  type ListOptions,
} from './dead-letter/dead-letters.js';
export type { HandlerEntry } from './entity/handler-table.js';
export type { LifecycleEvents, MessageSubject } from './entity/lifecycle-events.js';
export { currentMessage, type MessageContext, outsideMessage } from './entity/message-context.js';
export type { RecoveryReport } from './entity/recovery.js';
export type { ReminderSchedule } from './entity/reminder-schedule.js';
export type { StopReport } from './entity/shutdown.js';
export type { EnqueueOptions, Receipt, WaitOptions } from './entity/submission.js';
export { EntityType, QueueEntity } from './message/entity-type.js';
export type { ErrorDescription, MessageHeaders, MessageKind } from './message/envelope.js';
export {
  AtomicQueuesError,
  type ErrorCode,
  type ErrorSubject,
  errorCodes,
  isAtomicQueuesError,
} from './message/errors.js';
export { JobCommand, JobQuery } from './message/job-decorators.js';
export { QueueEntityId } from './message/queue-entity-id.js';
export { Reply, type ReplyOf } from './message/reply.js';
export type {
  AtomicQueuesConfig,
  EntityConfig,
  RegistryConfig,
  RetryPolicy,
  StoreConfig,
  WalConfig,
} from './runtime/config.js';
export type { ClusterConfig } from './runtime/config-cluster.js';
export type { RedisConfig, RedisOptions } from './runtime/config-redis.js';
export { type Logger, silentLogger } from './runtime/logger.js';
export type { Listener, TypedEvents } from './runtime/typed-events.js';
export type { DeadLetterReason, FinalState, PendingState } from './wal/transition.js';
