/**
 * The providers of an application as this module looks at them: which class stands behind each, and in which module.
 * Reads Nest's container and changes nothing.
 */
import { ModuleRef, type ModulesContainer } from '@nestjs/core';
import { type ClassReference, classLabel, isClass } from '../message/class-reference.js';

export type NestModule = ModulesContainer extends Map<string, infer Module> ? Module : never;
export type ProviderWrapper = NestModule['providers'] extends Map<unknown, infer Wrapper> ? Wrapper : never;

export interface FoundProvider {
  readonly wrapper: ProviderWrapper;
  readonly module: NestModule;
  /** Classes that may carry decorators, the likeliest first. */
  readonly classes: readonly ClassReference[];
}

/** All providers but aliases, which stand for a provider that is found by itself. */
export function* allProviders(modules: ModulesContainer): Generator<FoundProvider> {
  for (const module of modules.values()) {
    for (const wrapper of module.providers.values()) {
      if (!wrapper.isAlias) yield { wrapper, module, classes: classesOf(wrapper) };
    }
  }
}

/**
 * The class of the instance comes first: a factory may make it. Then the provider's own class, and at last its token,
 * which keeps the decorators of a class that a test has replaced with a value.
 */
function classesOf(wrapper: ProviderWrapper): ClassReference[] {
  const instance: unknown = wrapper.instance;
  const made: unknown =
    typeof instance === 'object' && instance !== null ? (instance as { constructor?: unknown }).constructor : instance;
  const isFactory = Array.isArray(wrapper.inject);
  const candidates = new Set<unknown>([made, isFactory ? undefined : wrapper.metatype, wrapper.token]);
  return [...candidates].filter((candidate) => isClass(candidate));
}

/** The provider in words for people: its class, and its module where that helps to find it. */
export function providerLabel(cls: ClassReference, { module }: FoundProvider): string {
  return `${classLabel(cls)} (in ${module.metatype.name})`;
}

/** The `ModuleRef` of the provider's own module, which finds it whatever other modules call theirs. */
export function moduleRefOf({ module }: Pick<FoundProvider, 'module'>): ModuleRef {
  return (module.providers.get(ModuleRef) as { readonly instance: ModuleRef }).instance;
}
