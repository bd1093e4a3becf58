/**
 * Which guards, pipes, interceptors and filters concern a handler: those that decorators have bound to its class or its
 * method, and those of the whole application. It only tells; `handler-pipeline.ts` runs them.
 */
import 'reflect-metadata';
import type { ApplicationConfig } from '@nestjs/core';
import { type ClassReference, classLabel } from '../message/class-reference.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { HandlerMethod } from './handler-method.js';
import { type FoundProvider, type ProviderWrapper, providerLabel } from './providers.js';

/** Where Nest's decorators keep what they bind, in version 11 as in version 12. */
const BOUND = {
  guard: '__guards__',
  pipe: '__pipes__',
  interceptor: '__interceptors__',
  filter: '__exceptionFilters__',
};
const ACTS_BY = { guard: 'canActivate', pipe: 'transform', interceptor: 'intercept', filter: 'catch' } as const;
export const PARAMETERS_METADATA = '__routeArguments__';
/** Part of the key under which a decorator made with `createParamDecorator` stands in that metadata. */
export const CUSTOM_PARAMETER = '__customRouteArgs__';

type EnhancerKind = keyof typeof BOUND;

export interface HandlerEnhancers {
  /** Nothing at all: the handler is called as it is. */
  readonly isBare: boolean;
  readonly hasPipes: boolean;
  readonly hasInterceptors: boolean;
  readonly hasFilters: boolean;
  /** Those of the whole application that are made per request, or per place where they are used. */
  readonly scopedGlobals: readonly ProviderWrapper[];
}

/**
 * What concerns one method of a handler, besides what the application's configuration has. Not before the application has
 * been initialised: until then it can still get enhancers of its own (`app.useGlobalGuards(…)`).
 */
export function enhancersOf(
  { cls, method }: Pick<HandlerMethod, 'cls' | 'method'>,
  config: ApplicationConfig | undefined,
): HandlerEnhancers {
  const bound = (kind: EnhancerKind): boolean => boundTo(kind, cls, method).length > 0;
  const hasPipes =
    bound('pipe') || config === undefined || config.getGlobalPipes().length + config.getGlobalRequestPipes().length > 0;
  const hasInterceptors =
    bound('interceptor') ||
    config === undefined ||
    config.getGlobalInterceptors().length + config.getGlobalRequestInterceptors().length > 0;
  const hasFilters =
    bound('filter') ||
    config === undefined ||
    config.getGlobalFilters().length + config.getGlobalRequestFilters().length > 0;
  const scopedGlobals =
    config === undefined
      ? []
      : [
          ...config.getGlobalRequestGuards(),
          ...config.getGlobalRequestPipes(),
          ...config.getGlobalRequestInterceptors(),
          ...config.getGlobalRequestFilters(),
        ];
  const isBare =
    !hasPipes &&
    !hasInterceptors &&
    !hasFilters &&
    scopedGlobals.length === 0 &&
    config.getGlobalGuards().length === 0 &&
    !bound('guard') &&
    customParameters(cls, method).length === 0;
  return { isBare, hasPipes, hasInterceptors, hasFilters, scopedGlobals };
}

/** A parameter that a decorator made with `createParamDecorator` fills. */
export interface CustomParameter {
  readonly key: string;
  readonly index: number;
  readonly data?: unknown;
  readonly factory: (data: unknown, context: object) => unknown;
  readonly pipes?: readonly unknown[];
}

export function customParameters(cls: ClassReference, method: string | symbol): CustomParameter[] {
  const found = Reflect.getMetadata(PARAMETERS_METADATA, cls, method) as Record<string, CustomParameter> | undefined;
  return Object.entries(found ?? {})
    .filter(([key]) => key.includes(CUSTOM_PARAMETER))
    .map(([key, parameter]) => ({ ...parameter, key }));
}

/**
 * Nest makes the bound classes of providers that it makes itself. Elsewhere it would leave a guard out without a word.
 * @throws AtomicQueuesError `CONFIG_INVALID` naming what would not run.
 */
export function checkBoundEnhancers(provider: FoundProvider, cls: ClassReference, method: string | symbol): void {
  for (const kind of Object.keys(BOUND) as EnhancerKind[]) {
    for (const enhancer of boundTo(kind, cls, method)) {
      if (typeof enhancer !== 'function' || provider.module.injectables.has(enhancer)) continue;
      if (ACTS_BY[kind] in enhancer) continue;
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `${providerLabel(cls, provider)}: the ${kind} ${classLabel(enhancer as ClassReference)} that is bound to it would not run, because the ` +
          'handler is not provided as a class. List the class among the providers, or bind an instance of it.',
      );
    }
  }
}

function boundTo(kind: EnhancerKind, cls: ClassReference, method: string | symbol): readonly unknown[] {
  const handler = (cls.prototype as Record<string | symbol, unknown>)[method];
  return [cls, handler].flatMap((target) =>
    typeof target === 'function' ? ((Reflect.getMetadata(BOUND[kind], target) as unknown[] | undefined) ?? []) : [],
  );
}
