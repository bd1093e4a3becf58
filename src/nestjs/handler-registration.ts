/**
 * Makes the handlers that were found known to the node, in their order of precedence: the `@JobHandler` that names a
 * message, else its CQRS handler, else `@JobHandler('*')` of its type. Two of the same rank are refused.
 */
import type { ModulesContainer } from '@nestjs/core';
import type { AtomicQueuesNode } from '../bus/node.js';
import { type HandlerEntry, HandlerTable, WILDCARD } from '../entity/handler-table.js';
import { type ClassReference, isClass } from '../message/class-reference.js';
import type { MessageKind } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { MessageClass } from '../message/message-class.js';
import type { Logger } from '../runtime/logger.js';
import { checkBoundEnhancers } from './enhancers.js';
import { type CqrsHandler, explore, type Processor } from './handler-explorer.js';
import { type HandlerMethod, messageItself } from './handler-method.js';
import { runOn } from './handler-source.js';
import { toJob } from './job-handler.js';
import type { NestContexts } from './nest-contexts.js';
import type { JobMethod } from './processor-metadata.js';
import { providerLabel } from './providers.js';

/** @throws AtomicQueuesError `CONFIG_INVALID` for handlers that contradict each other or cannot work. */
export function registerHandlers(
  node: AtomicQueuesNode,
  modules: ModulesContainer,
  contexts: NestContexts,
  logger: Logger,
): void {
  const { cqrsHandlers, processors, messages } = explore(modules);
  for (const message of messages) node.registry.register(message);
  const cqrs = new HandlerTable();
  for (const handler of cqrsHandlers) addCqrsHandler(node, cqrs, handler, contexts);
  const jobs = new HandlerTable();
  for (const processor of processors) {
    addProcessor(node, jobs, cqrs, processor, contexts);
    if (processor.description.methods.length > 0) continue;
    const { cls, provider } = processor;
    logger.warn(
      `${providerLabel(cls, provider)} has @WorkerProcessor but no @JobHandler method, so it takes no message.`,
    );
  }
  for (const table of [jobs, cqrs]) {
    for (const type of table.entityTypes()) {
      for (const name of table.names(type)) {
        const entry = table.find(type, name);
        if (entry === undefined) continue;
        if (table === cqrs && jobs.names(type).includes(name)) {
          logger.debug(`${type}/${name}: a @JobHandler takes it, so ${entry.label} does not.`);
          continue;
        }
        node.addHandler(type, name, entry);
        logger.debug(`${type}/${name} goes to ${entry.label}.`);
      }
    }
  }
}

function addCqrsHandler(
  node: AtomicQueuesNode,
  table: HandlerTable,
  handler: CqrsHandler,
  contexts: NestContexts,
): void {
  const { provider, cls, kind } = handler;
  const message = node.registry.register(handler.message);
  const label = providerLabel(cls, provider);
  checkKind(message, kind, label);
  checkMethod(cls.prototype, 'execute', label);
  // The handler itself is called, not the bus: docs/decisions/003-handlers-are-called-directly.md.
  const method = {
    provider,
    cls,
    method: 'execute',
    messageClass: handler.message,
    parameters: [messageItself],
  } as const;
  table.add(message.entityType, message.name, entryOf(kind, label, method, contexts));
}

function addProcessor(
  node: AtomicQueuesNode,
  table: HandlerTable,
  cqrs: HandlerTable,
  processor: Processor,
  contexts: NestContexts,
): void {
  const { cls, provider, description } = processor;
  const { options, methods } = description;
  const label = providerLabel(cls, provider);
  if (options === undefined) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${label} has @JobHandler methods but no @WorkerProcessor, which says whose messages they take. Add @WorkerProcessor({ entityType: '...' }).`,
    );
  }
  const { entityType } = options;
  for (const { method, takes } of methods) {
    const name = wireName(node, entityType, takes, label);
    const methodLabel = `${label}.${String(method)}`;
    checkMethod(cls.prototype, method, label);
    const known = name === WILDCARD ? undefined : node.registry.find(entityType, name);
    // The message's own mark says what it is; without one, the CQRS handler that this method takes it from.
    const kind =
      known?.kind ??
      (cqrs.names(entityType).includes(name) ? cqrs.find(entityType, name)?.kind : undefined) ??
      'command';
    const messageClass = isClass(takes) ? takes : known?.cls;
    table.add(entityType, name, entryOf(kind, methodLabel, jobMethod(processor, method, messageClass), contexts));
  }
}

function jobMethod(
  { provider, cls }: Processor,
  method: string | symbol,
  messageClass?: ClassReference,
): HandlerMethod {
  return { provider, cls, method, messageClass, parameters: [toJob, (_message, { entityId }) => entityId] };
}

function entryOf(kind: MessageKind, label: string, handler: HandlerMethod, contexts: NestContexts): HandlerEntry {
  checkBoundEnhancers(handler.provider, handler.cls, handler.method);
  return { kind, label, run: runOn(handler, contexts) };
}

function wireName(node: AtomicQueuesNode, entityType: string, takes: JobMethod['takes'], label: string): string {
  if (takes === WILDCARD || typeof takes === 'string') return takes;
  const message = node.registry.register(takes);
  if (message.entityType === entityType) return message.name;
  throw new AtomicQueuesError(
    'CONFIG_INVALID',
    `${label} is for entity type '${entityType}', but has a @JobHandler for ${message.name} of entity type '${message.entityType}'.`,
    { subject: { entityType, name: message.name } },
  );
}

function checkKind(message: MessageClass, kind: MessageKind, label: string): void {
  if (message.kind === undefined || message.kind === kind) return;
  const [mark, decorator] =
    message.kind === 'query' ? ['@JobQuery', '@CommandHandler'] : ['@JobCommand', '@QueryHandler'];
  throw new AtomicQueuesError(
    'CONFIG_INVALID',
    `${message.name} is marked with ${mark}, but ${label} handles it as a ${kind} (${decorator}). Change one of them.`,
    { subject: { entityType: message.entityType, name: message.name } },
  );
}

function checkMethod(prototype: object, method: string | symbol, label: string): void {
  if (typeof (prototype as Record<string | symbol, unknown>)[method] === 'function') return;
  throw new AtomicQueuesError('CONFIG_INVALID', `${label} has no method ${String(method)}.`);
}
