/**
 * Nest's machinery around handlers, and the enhancers of the whole application in it: those of `APP_GUARD`,
 * `APP_INTERCEPTOR`, `APP_PIPE` and `APP_FILTER`, and of `app.useGlobalGuards(…)` and the like.
 */
import { ApplicationConfig, ExternalContextCreator, type ModulesContainer, type NestContainer } from '@nestjs/core';
import { moduleRefOf } from './providers.js';

export interface NestContexts {
  readonly creator: ExternalContextCreator;
  /** Undefined where it cannot be read: then anything may be in it. */
  readonly config: ApplicationConfig | undefined;
}

/** @param globalEnhancers false leaves those of the whole application out. */
export function nestContexts(
  creator: ExternalContextCreator,
  modules: ModulesContainer,
  globalEnhancers: boolean,
): NestContexts {
  const container = containerOf(modules);
  if (globalEnhancers || container === undefined) return { creator, config: container?.applicationConfig };
  const config = new ApplicationConfig();
  const withoutGlobals = Object.create(container, { applicationConfig: { value: config } }) as NestContainer;
  return { creator: ExternalContextCreator.fromContainer(withoutGlobals), config };
}

/** Nest hands its container to nobody; a module's `ModuleRef` has it. */
function containerOf(modules: ModulesContainer): NestContainer | undefined {
  for (const module of modules.values()) {
    return (moduleRefOf({ module }) as unknown as { readonly container?: NestContainer }).container;
  }
  return undefined;
}
