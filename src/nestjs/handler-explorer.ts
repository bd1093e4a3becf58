/**
 * Finds the handlers of an application: classes with `@CommandHandler` or `@QueryHandler` of @nestjs/cqrs whose message
 * is decorated with `@EntityType`, and `@WorkerProcessor` classes. It reads the metadata that @nestjs/cqrs leaves and
 * never loads that package, which an application with processors only need not have.
 */
import 'reflect-metadata';
import type { ModulesContainer } from '@nestjs/core';
import { type ClassReference, isClass } from '../message/class-reference.js';
import type { MessageKind } from '../message/envelope.js';
import { readMessageClass } from '../message/message-class.js';
import { type ProcessorDescription, readProcessor } from './processor-metadata.js';
import { allProviders, type FoundProvider } from './providers.js';

/** Where `@CommandHandler` and `@QueryHandler` keep the class of the message, in version 11 as in version 12. */
const CQRS_METADATA = { command: '__commandHandler__', query: '__queryHandler__' } as const satisfies Record<
  MessageKind,
  string
>;

export interface CqrsHandler {
  readonly provider: FoundProvider;
  readonly cls: ClassReference;
  readonly kind: MessageKind;
  readonly message: ClassReference;
}

export interface Processor {
  readonly provider: FoundProvider;
  readonly cls: ClassReference;
  readonly description: ProcessorDescription;
}

export interface Explored {
  readonly cqrsHandlers: readonly CqrsHandler[];
  readonly processors: readonly Processor[];
  /** Decorated message classes that are listed as providers. */
  readonly messages: readonly ClassReference[];
}

export function explore(modules: ModulesContainer): Explored {
  const cqrsHandlers: CqrsHandler[] = [];
  const messages: ClassReference[] = [];
  for (const provider of allProviders(modules)) {
    for (const kind of ['command', 'query'] as const) {
      const handler = cqrsHandler(provider, kind);
      if (handler !== undefined) cqrsHandlers.push(handler);
    }
    messages.push(...provider.classes.filter((cls) => readMessageClass(cls) !== undefined));
  }
  return { cqrsHandlers, messages, processors: processorsOf(modules) };
}

/** Processors alone; their options are needed before there are any instances. */
export function processorsOf(modules: ModulesContainer): Processor[] {
  const processors: Processor[] = [];
  for (const provider of allProviders(modules)) {
    for (const cls of provider.classes) {
      const description = readProcessor(cls);
      if (description === undefined) continue;
      processors.push({ provider, cls, description });
      break;
    }
  }
  return processors;
}

function cqrsHandler(provider: FoundProvider, kind: MessageKind): CqrsHandler | undefined {
  for (const cls of provider.classes) {
    const message: unknown = Reflect.getMetadata(CQRS_METADATA[kind], cls);
    if (!isClass(message)) continue;
    // A message that is not addressed to an entity is left to CQRS.
    return readMessageClass(message) === undefined ? undefined : { provider, cls, kind, message };
  }
  return undefined;
}
