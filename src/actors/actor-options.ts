/** The options of `@Actor`, checked where they are declared, with their defaults. */
import { AtomicQueuesError } from '../message/errors.js';
import { optionNames } from '../runtime/config-schema.js';
import { nearestName } from '../runtime/nearest-name.js';

export interface ActorOptions {
  /**
   * The state is stored together with each message's completion, and read again when the entity is next needed. False: it
   * lasts as long as the instance is in memory. Default true.
   */
  readonly statePersistence?: boolean | undefined;
  /** Seconds after its last change at which the store forgets a state. Default: never. */
  readonly stateTTL?: number | undefined;
  /** Milliseconds without a message after which an instance leaves the memory. Default 120000. */
  readonly actorIdleTimeout?: number | undefined;
  /**
   * `state`: the methods do nothing but change the state, enqueue messages and return a reply. Then they need no durable
   * start and many messages share one commit; after a crash they run again. An outside effect (a mail, a payment, a
   * database) in such a method may happen twice. Default `any`.
   */
  readonly effects?: 'any' | 'state' | undefined;
  /** `atomic`: what a method enqueues becomes durable together with its completion, or not at all. Default: at once. */
  readonly outbox?: 'atomic' | undefined;
  /** The version of the state's shape, a whole number from 1 on. Default 1. */
  readonly stateVersion?: number | undefined;
  /**
   * Makes the state of an older version one of this version; what it returns are the fields. Default: the static method
   * `upgrade` of the class. Without one, a state of an older version is refused with `STATE_INVALID`.
   */
  readonly upgrade?: StateUpgrade | undefined;
}

/** `state` may be changed and returned. */
export type StateUpgrade = (state: Record<string, unknown>, fromVersion: number) => Record<string, unknown>;

export interface ResolvedActorOptions {
  readonly persistence: boolean;
  readonly stateTtlMs: number | undefined;
  readonly idleTimeoutMs: number;
  readonly effects: 'any' | 'state';
  readonly outbox: 'atomic' | undefined;
  readonly version: number;
  readonly upgrade: StateUpgrade | undefined;
}

const IDLE_TIMEOUT_MS = 120_000;
const TTL_SECONDS_MAX = 9_007_199_254_740;
/** The longest wait of a timer. */
const IDLE_MS_MAX = 2_147_483_647;

interface Rule {
  readonly holds: (value: unknown) => boolean;
  readonly expected: string;
}

const RULES: Readonly<Record<keyof ActorOptions, Rule>> = {
  statePersistence: { holds: (value) => typeof value === 'boolean', expected: 'true or false' },
  stateTTL: {
    holds: (value) => typeof value === 'number' && value > 0 && value <= TTL_SECONDS_MAX,
    expected: 'a number of seconds above 0; leave it out to keep states for ever',
  },
  actorIdleTimeout: {
    holds: (value) => isWhole(value) && value >= 0 && value <= IDLE_MS_MAX,
    expected: `a whole number of milliseconds from 0 to ${IDLE_MS_MAX}`,
  },
  effects: { holds: (value) => value === 'any' || value === 'state', expected: "'any' or 'state'" },
  outbox: { holds: (value) => value === 'atomic', expected: "'atomic'; leave it out to send at once" },
  stateVersion: { holds: (value) => isWhole(value) && value >= 1, expected: 'a whole number from 1 on' },
  upgrade: { holds: (value) => typeof value === 'function', expected: 'a function (state, fromVersion) => state' },
};

/** @throws AtomicQueuesError `CONFIG_INVALID` for the first option that is not known or has no possible value. */
export function checkActorOptions(options: unknown, where: string): ActorOptions {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new AtomicQueuesError('CONFIG_INVALID', `${where}: the options must be an object.`);
  }
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(RULES, key)) {
      const known = Object.keys(RULES);
      if ((optionNames.entity as readonly string[]).includes(key)) {
        throw new AtomicQueuesError(
          'CONFIG_INVALID',
          `${where}: ${key} is an option of the entity type: entities.<type>.${key} in the configuration.`,
        );
      }
      const near = nearestName(key, known);
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `${where}: there is no option ${key}.${near === undefined ? '' : ` Did you mean ${near}?`} Known: ${known.join(', ')}.`,
      );
    }
    const { holds, expected } = RULES[key as keyof ActorOptions];
    if (value !== undefined && !holds(value)) {
      throw new AtomicQueuesError('CONFIG_INVALID', `${where}: ${key} is ${shown(value)}; expected ${expected}.`);
    }
  }
  const { statePersistence, stateTTL } = options as ActorOptions;
  if (statePersistence === false && stateTTL !== undefined) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${where}: stateTTL is ${stateTTL} and statePersistence is false, so there is no stored state to forget. Keep one.`,
    );
  }
  return options;
}

export function resolveActorOptions(
  options: ActorOptions,
  staticUpgrade: StateUpgrade | undefined,
): ResolvedActorOptions {
  return {
    persistence: options.statePersistence ?? true,
    stateTtlMs: options.stateTTL === undefined ? undefined : Math.max(1, Math.round(options.stateTTL * 1_000)),
    idleTimeoutMs: options.actorIdleTimeout ?? IDLE_TIMEOUT_MS,
    effects: options.effects ?? 'any',
    outbox: options.outbox,
    version: options.stateVersion ?? 1,
    upgrade: options.upgrade ?? staticUpgrade,
  };
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.slice(0, 60));
    case 'number':
    case 'boolean':
      return String(value);
    default:
      return value === null ? 'null' : `a value of type ${typeof value}`;
  }
}
