/** `atomic-queues`: what a NestJS application imports. It contains all of `atomic-queues/core`. */
export * from './core.js';
export { AtomicQueuesModule } from './nestjs/atomic-queues.module.js';
export { DeadLetterService } from './nestjs/dead-letter-service.js';
export { AtomicQueuesEvents } from './nestjs/events.js';
export { type AtomicQueuesClusterHealth, AtomicQueuesHealth, type AtomicQueuesHealthReport } from './nestjs/health.js';
export { type Job, JobHandler } from './nestjs/job-handler.js';
// Takes the place of the core's type of the same name: an application injects it by its class.
export { MessageContext } from './nestjs/message-context.js';
export {
  ATOMIC_QUEUES_CONTEXT,
  type AtomicQueuesContextType,
  type HandledMessage,
  messageOf,
} from './nestjs/message-host.js';
export { MessageRequest } from './nestjs/message-request.js';
export type {
  AtomicQueuesConfigFactory,
  AtomicQueuesModuleAsyncOptions,
  AtomicQueuesModuleOptions,
} from './nestjs/module-options.js';
export { AtomicQueuesOperations } from './nestjs/operations.js';
export { ATOMIC_QUEUES_CONFIG, ATOMIC_QUEUES_RUNTIME } from './nestjs/tokens.js';
export { WorkerProcessor, type WorkerProcessorOptions } from './nestjs/worker-processor.js';
