/** The NestJS module: makes one node from the configuration and the providers of the application, and hands it out. */
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { ExternalContextCreator, ModulesContainer } from '@nestjs/core';
import { ActorSystem } from '../actors/actor-system.js';
import { AtomicQueuesNode } from '../bus/node.js';
import { QueueBus } from '../bus/queue-bus.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { AtomicQueuesConfig } from '../runtime/config.js';
import { type Runtime, systemRuntime } from '../runtime/runtime.js';
import { DeadLetterService } from './dead-letter-service.js';
import { AtomicQueuesEvents } from './events.js';
import { processorsOf } from './handler-explorer.js';
import { registerHandlers } from './handler-registration.js';
import { AtomicQueuesHealth } from './health.js';
import { MessageContext } from './message-context.js';
import {
  type AtomicQueuesModuleAsyncOptions,
  type AtomicQueuesModuleOptions,
  asyncConfigProviders,
  configProvider,
  type GlobalOption,
  isGlobal,
} from './module-options.js';
import { NestActors } from './nest-actors.js';
import { nestContexts } from './nest-contexts.js';
import { NestLifecycle } from './nest-lifecycle.js';
import { nestLogger } from './nest-logger.js';
import { AtomicQueuesOperations } from './operations.js';
import { withProcessorOptions } from './processor-options.js';
import { ATOMIC_QUEUES_CONFIG, ATOMIC_QUEUES_GLOBAL_ENHANCERS, ATOMIC_QUEUES_RUNTIME } from './tokens.js';

const handedOut = [
  QueueBus,
  ActorSystem,
  DeadLetterService,
  MessageContext,
  AtomicQueuesEvents,
  AtomicQueuesHealth,
  AtomicQueuesOperations,
  AtomicQueuesNode,
] as const;

@Module({})
export class AtomicQueuesModule {
  /**
   * Import it once, in the root module: its providers are global unless `isGlobal: false`.
   *
   * Messages are accepted at any time and start after every `onApplicationBootstrap` of the application; a shutdown
   * drains running handlers before anything else is destroyed. What is wrong fails the start with `CONFIG_INVALID`.
   */
  static forRoot(options: AtomicQueuesModuleOptions = {}): DynamicModule {
    return dynamicModule(options, [configProvider(options)]);
  }

  /** The same with a configuration that is made from other providers. */
  static forRootAsync(options: AtomicQueuesModuleAsyncOptions): DynamicModule {
    return dynamicModule(options, asyncConfigProviders(options), options.imports);
  }
}

function dynamicModule(
  options: GlobalOption,
  configProviders: readonly Provider[],
  imports: DynamicModule['imports'] = [],
): DynamicModule {
  return {
    module: AtomicQueuesModule,
    global: isGlobal(options),
    imports,
    providers: [
      ...configProviders,
      { provide: ATOMIC_QUEUES_RUNTIME, useValue: systemRuntime },
      { provide: ATOMIC_QUEUES_GLOBAL_ENHANCERS, useValue: options.globalEnhancers ?? true },
      {
        provide: AtomicQueuesNode,
        useFactory: makeNode,
        inject: [
          ATOMIC_QUEUES_CONFIG,
          ATOMIC_QUEUES_RUNTIME,
          ATOMIC_QUEUES_GLOBAL_ENHANCERS,
          ModulesContainer,
          ExternalContextCreator,
          NestActors,
        ],
      },
      { provide: QueueBus, useFactory: (node: AtomicQueuesNode) => node.queueBus, inject: [AtomicQueuesNode] },
      {
        provide: ActorSystem,
        useFactory: (node: AtomicQueuesNode) => new ActorSystem(node),
        inject: [AtomicQueuesNode],
      },
      { provide: AtomicQueuesEvents, useFactory: (node: AtomicQueuesNode) => node.events, inject: [AtomicQueuesNode] },
      {
        provide: DeadLetterService,
        useFactory: (node: AtomicQueuesNode) => new DeadLetterService(node),
        inject: [AtomicQueuesNode],
      },
      {
        provide: AtomicQueuesHealth,
        useFactory: (node: AtomicQueuesNode) => new AtomicQueuesHealth(node),
        inject: [AtomicQueuesNode],
      },
      {
        provide: AtomicQueuesOperations,
        useFactory: (bus: QueueBus) => new AtomicQueuesOperations(bus),
        inject: [QueueBus],
      },
      MessageContext,
      NestActors,
      NestLifecycle,
    ],
    exports: [...handedOut],
  };
}

function makeNode(
  config: AtomicQueuesConfig,
  runtime: Runtime,
  globalEnhancers: boolean,
  modules: ModulesContainer,
  creator: ExternalContextCreator,
  actors: NestActors,
): AtomicQueuesNode {
  const count = [...modules.values()].filter((module) => module.providers.has(AtomicQueuesNode)).length;
  if (count > 1) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `AtomicQueuesModule is set up ${count} times in this application. Call forRoot or forRootAsync once, in the root ` +
        'module; where isGlobal is false, import that one result wherever it is needed.',
    );
  }
  const logger = nestLogger(config.verbose === true);
  const node = new AtomicQueuesNode({ config: withProcessorOptions(config, processorsOf(modules)), runtime, logger });
  const contexts = nestContexts(creator, modules, globalEnhancers);
  node.beforeOpen = () => {
    registerHandlers(node, modules, contexts, logger);
    actors.register(node, modules, contexts, logger);
  };
  return node;
}
