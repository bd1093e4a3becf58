/** What `forRoot` and `forRootAsync` take, and how the two become providers of the configuration. */
import type { ModuleMetadata, Provider } from '@nestjs/common';
import { AtomicQueuesError } from '../message/errors.js';
import type { AtomicQueuesConfig } from '../runtime/config.js';
import { ATOMIC_QUEUES_CONFIG } from './tokens.js';

/** Whether every module sees the providers without importing `AtomicQueuesModule`. Both names mean the same. */
export interface GlobalOption {
  /** Default true. */
  readonly isGlobal?: boolean | undefined;
  /** Default true. */
  readonly global?: boolean | undefined;
  /**
   * Whether guards, interceptors, pipes and filters of the whole application (`APP_GUARD` and so on) run for messages too,
   * as they do for GraphQL. False leaves messages to those that are bound to their handlers. Default true.
   */
  readonly globalEnhancers?: boolean | undefined;
}

export interface AtomicQueuesModuleOptions extends AtomicQueuesConfig, GlobalOption {}

/** For `useClass` and `useExisting`: a provider that makes the configuration. */
export interface AtomicQueuesConfigFactory {
  createAtomicQueuesConfig(): AtomicQueuesConfig | Promise<AtomicQueuesConfig>;
}

type Constructor<T> = new (...args: never[]) => T;
type FactoryToken =
  | Constructor<AtomicQueuesConfigFactory>
  | (abstract new (
      ...args: never[]
    ) => object)
  | string
  | symbol;

/** Exactly one of `useFactory`, `useClass` and `useExisting`. */
export interface AtomicQueuesModuleAsyncOptions extends GlobalOption {
  readonly imports?: ModuleMetadata['imports'];
  /** What `useFactory` is called with. */
  readonly inject?: readonly InjectedToken[] | undefined;
  readonly useFactory?: ((...args: never[]) => AtomicQueuesConfig | Promise<AtomicQueuesConfig>) | undefined;
  /** A class that is made for this. */
  readonly useClass?: Constructor<AtomicQueuesConfigFactory> | undefined;
  /** The token of a provider that `imports` bring. */
  readonly useExisting?: FactoryToken | undefined;
}

export type InjectedToken = NonNullable<Extract<Provider, { readonly inject?: unknown }>['inject']>[number];

/** @throws AtomicQueuesError `CONFIG_INVALID` when the two names of the option contradict each other. */
export function isGlobal({ isGlobal: first, global: second }: GlobalOption): boolean {
  if (first !== undefined && second !== undefined && first !== second) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `isGlobal is ${first} and global is ${second}, but they are one option. Keep one of them.`,
    );
  }
  return first ?? second ?? true;
}

export function configProvider({
  isGlobal: _first,
  global: _second,
  globalEnhancers: _third,
  ...config
}: AtomicQueuesModuleOptions): Provider {
  return { provide: ATOMIC_QUEUES_CONFIG, useValue: config };
}

/** @throws AtomicQueuesError `CONFIG_INVALID` unless exactly one way of making the configuration is given. */
export function asyncConfigProviders(options: AtomicQueuesModuleAsyncOptions): Provider[] {
  const ways = (['useFactory', 'useClass', 'useExisting'] as const).filter((way) => options[way] !== undefined);
  const [way] = ways;
  if (way === undefined || ways.length > 1) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `AtomicQueuesModule.forRootAsync takes exactly one of useFactory, useClass and useExisting; ` +
        `got ${ways.length === 0 ? 'none' : ways.join(' and ')}.`,
    );
  }
  const { useFactory, useClass, useExisting } = options;
  if (useFactory !== undefined) {
    const make = useFactory as (...args: unknown[]) => unknown;
    return [
      {
        provide: ATOMIC_QUEUES_CONFIG,
        useFactory: async (...args: unknown[]) => checked(await make(...args), 'useFactory'),
        inject: [...(options.inject ?? [])],
      },
    ];
  }
  const token = (useClass ?? useExisting) as InjectedToken & (string | symbol);
  const config: Provider = {
    provide: ATOMIC_QUEUES_CONFIG,
    useFactory: async (factory: Partial<AtomicQueuesConfigFactory>) => {
      if (typeof factory.createAtomicQueuesConfig !== 'function') {
        throw new AtomicQueuesError(
          'CONFIG_INVALID',
          `What ${way} of AtomicQueuesModule.forRootAsync names has no method createAtomicQueuesConfig.`,
        );
      }
      return checked(await factory.createAtomicQueuesConfig(), 'createAtomicQueuesConfig');
    },
    inject: [token],
  };
  return useClass === undefined ? [config] : [{ provide: useClass, useClass }, config];
}

function checked(config: unknown, source: string): object {
  if (typeof config === 'object' && config !== null) return config;
  throw new AtomicQueuesError(
    'CONFIG_INVALID',
    `${source} of AtomicQueuesModule.forRootAsync returned ${config === null ? 'null' : `a value of type ${typeof config}`}; expected the configuration, an object.`,
  );
}
