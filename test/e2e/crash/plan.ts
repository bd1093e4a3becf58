/**
 * What a campaign of kills does, drawn from its seed: the store and the load of the campaign, and for each round where
 * in its life the process is killed.
 */
import type { AtomicQueuesConfig, EntityConfig } from '../../../src/runtime/config.js';
import type { Random } from '../../../src/runtime/random.js';

export type PlantedBug = 'forget' | 'forget-starts';

/** What the child is told; its own half is `child.mjs`. */
export interface ChildPlan {
  readonly folder: string;
  readonly mode: 'load' | 'drain';
  /** 1 for the first process on the store. */
  readonly life: number;
  readonly seed: number;
  readonly config: AtomicQueuesConfig;
  readonly durability: 'commit' | 'fsync';
  readonly logBytes: number;
  readonly verifyLineOrder: boolean;
  readonly entities: number;
  /** Share of the calls that go to two entities of a type. */
  readonly hotShare: number;
  readonly clients: number;
  /** Commands handed in before the node is open, and as many before it has started. */
  readonly earlyCalls: number;
  /** The process stands still for ever right after it has written this event of its history. */
  readonly haltAtEvent?: number;
  /** `stop` is called after this event. */
  readonly stopAtEvent?: number;
  /** The process stands still this many events after `stop` was called. */
  readonly haltAfterStop?: number;
  readonly bug?: PlantedBug;
}

/** When the parent kills: at a sign of the child, `turns` turns of the parent's event loop later. */
export interface Kill {
  /** A letter of the child (see `child.mjs`); a process that halts is killed there anyway. */
  readonly sign: 'i' | 'o' | 's' | 'x' | 'h' | '.';
  /** How many such letters. */
  readonly count: number;
  readonly turns: number;
}

export interface Round {
  readonly name: string;
  readonly child: Partial<ChildPlan>;
  readonly kill: Kill;
}

/** The entity types of the load, each with another promise to keep. */
export const ENTITIES = {
  plain: {},
  hot: { dispatchAhead: 8 },
  again: { onInterrupt: 'retry' },
  flaky: { retry: { maxAttempts: 3, backoff: 'fixed', backoffDelay: 8 } },
  mixed: { dispatchAhead: 4, onInterrupt: 'retry', retry: { maxAttempts: 2, backoffDelay: 4 } },
  durable: { queries: 'durable' },
  chain: {},
} as const satisfies Record<string, EntityConfig>;

/** What stays the same on one store. */
export function campaignPlan(random: Random, folder: string): Omit<ChildPlan, 'mode' | 'life' | 'seed' | 'clients'> {
  return {
    folder,
    durability: chance(random, 0.25) ? 'fsync' : 'commit',
    logBytes: pick(random, [64 * 1024, 512 * 1024, 16 * 1024 * 1024]),
    verifyLineOrder: chance(random, 0.5),
    entities: pick(random, [3, 30, 300]),
    hotShare: pick(random, [0.1, 0.4, 0.8]),
    earlyCalls: 0,
    config: {
      entities: ENTITIES,
      // A waiting client of a slow handler must not decide how long a round takes.
      shutdownTimeout: pick(random, [10, 1_000]),
      maxTotalWorkers: pick(random, [0, 40]),
      maxRunningHandlers: pick(random, [0, 0, 3]),
      residentBytesMax: pick(random, [0, 20_000, 67_108_864]),
    },
  };
}

/** Where the next process dies. */
export function roundPlan(random: Random): Round {
  const shape = {
    clients: pick(random, [1, 8, 40]),
    earlyCalls: chance(random, 0.4) ? below(random, 30) : 0,
  };
  const turns = pick(random, [0, 1, below(random, 20), below(random, 400)]);
  const dice = random.next();
  if (dice < 0.1)
    return { name: 'while it opens', child: shape, kill: { sign: pick(random, ['i', 'o']), count: 1, turns } };
  if (dice < 0.25) {
    const haltAtEvent = 1 + below(random, pick(random, [6, 40]));
    return { name: `at event ${haltAtEvent}, as it recovers`, child: { ...shape, haltAtEvent }, kill: halted };
  }
  if (dice < 0.5) {
    const haltAtEvent = 40 + below(random, pick(random, [200, 1_000, 4_000]));
    return { name: `at event ${haltAtEvent}, under load`, child: { ...shape, haltAtEvent }, kill: halted };
  }
  if (dice < 0.8) {
    const count = 1 + below(random, pick(random, [20, 250]));
    return { name: `around event ${count * 16}`, child: shape, kill: { sign: '.', count, turns } };
  }
  const stopAtEvent = 1 + below(random, pick(random, [30, 1_500]));
  if (dice < 0.9) {
    const haltAfterStop = 1 + below(random, pick(random, [8, 60]));
    const name = `${haltAfterStop} events after it was stopped at event ${stopAtEvent}`;
    return { name, child: { ...shape, stopAtEvent, haltAfterStop }, kill: halted };
  }
  return {
    name: `after it was stopped at event ${stopAtEvent}`,
    child: { ...shape, stopAtEvent },
    kill: { sign: 'x', count: 1, turns },
  };
}

const halted: Kill = { sign: 'h', count: 1, turns: 0 };

export function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit);
}

function chance(random: Random, share: number): boolean {
  return random.next() < share;
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[below(random, choices.length)] as T;
}
