/**
 * Which fields of an actor are its state. Everything that an instance owns after its constructor is, but for what came in
 * from outside: objects that were handed to the constructor, parameters of the constructor that became fields, what was
 * injected into properties, and what is marked with `@Transient()`. Found once for each class, on an instance of it.
 */
import type { ClassReference } from '../message/class-reference.js';
import { constructorParameterNames } from '../message/parameter-property.js';
import type { StateOwner } from './state-fault.js';
import { unstorable } from './state-fault.js';

/** How instances of an actor's class are made. */
export interface ActorMaking {
  readonly cls: ClassReference;
  /** What the constructor gets: the same for every entity. */
  readonly dependencies: readonly unknown[];
  /** What is put into fields after the constructor. */
  readonly injected: ReadonlyMap<string | symbol, unknown>;
}

export interface StateFieldNames {
  /** Fields that are not state. */
  readonly excluded: ReadonlySet<string>;
  /** Those of them that were handed in, with what they hold: it is the same in every instance, and stays so. */
  readonly handedIn: ReadonlyMap<string, unknown>;
  /** Fields of the state that the constructor makes. */
  readonly initial: ReadonlySet<string>;
}

/** A new instance: the constructor runs, so that its defaults are the initial state. */
export function makeInstance({ cls, dependencies, injected }: ActorMaking): object {
  const constructor = cls as unknown as new (...dependencies: readonly unknown[]) => object;
  const instance = new constructor(...dependencies);
  for (const [field, value] of injected) (instance as Record<string | symbol, unknown>)[field] = value;
  return instance;
}

/** @throws AtomicQueuesError `STATE_INVALID` for a field with a symbol as its name, which has no place in a state. */
export function stateFieldsOf(
  instance: object,
  making: ActorMaking,
  transient: ReadonlySet<string>,
  owner: StateOwner,
): StateFieldNames {
  const { cls, dependencies, injected } = making;
  const objects = new Set(dependencies.filter(isObject));
  const parameters = constructorParameterNames(cls) ?? [];
  const handedIn = new Map<string, unknown>();
  for (const [field, value] of Object.entries(instance)) {
    // Of a number or a text nobody can tell where it comes from, except by the name that parameter and field share.
    const isHandedIn =
      injected.has(field) || objects.has(value as object) || isParameter(field, value, parameters, dependencies);
    if (isHandedIn && !transient.has(field)) handedIn.set(field, value);
  }
  const excluded = new Set([...transient, ...handedIn.keys()]);
  for (const field of Object.getOwnPropertySymbols(instance)) {
    if (injected.has(field) || !Object.prototype.propertyIsEnumerable.call(instance, field)) continue;
    throw unstorable(owner, `[${String(field)}]`, 'is a field with a symbol as its name, which cannot be stored');
  }
  return { excluded, handedIn, initial: new Set(Object.keys(instance).filter((field) => !excluded.has(field))) };
}

/**
 * Private fields (`#balance = 0`) that a class fills by itself: nothing outside of it can read them, so they are never state,
 * which may not be what was meant. Those that the constructor fills hold what it was given. Read from the class's source.
 */
export function privateFieldsOf(cls: ClassReference): string[] {
  const found = new Set<string>();
  for (let at: unknown = cls; typeof at === 'function' && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
    const source = Function.prototype.toString.call(at);
    for (const [, name = ''] of source.matchAll(/(?:^|[{};\n])[ \t]*(#[A-Za-z_$][\w$]*)[ \t]*=(?!=)/g)) found.add(name);
  }
  return [...found];
}

function isParameter(
  field: string,
  value: unknown,
  parameters: readonly string[],
  dependencies: readonly unknown[],
): boolean {
  const index = parameters.indexOf(field);
  return index !== -1 && index < dependencies.length && Object.is(dependencies[index], value);
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
