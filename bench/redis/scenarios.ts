/** The scenarios on Redis, with the systems that are compared in each, and what is asked of this library (2 cores). */
import type { Figures, RunContext } from '../run.js';
import type { Asked, Scenario } from '../scenario.js';
import { measureInChild } from '../spawn.js';
import { compareReplies, compareRows } from './compare.js';
import { BARE_RTT, OURS, OURS_ACTORS, OURS_AHEAD, OURS_STATE_ONLY, SCRIPT_LOOP } from './described.js';
import { figuresOfPhase } from './orders/orders-figures.js';
import type { Phase } from './orders/workload.js';

const PER_SECOND = { figure: 'messagesPerSecond' } as const;
const CALLED = ['bullmq-per-entity', 'groupmq', 'redlock', 'postgres'];
const ORDERS_ASKED = 1_700;
const ORDERS_AHEAD_ASKED = 3_300;

function rows(scenario: string): Scenario['run'] {
  return (context, system) => measureInChild({ ...context, name: `${scenario}@${system}` });
}

function times(what: string, figure: string, atLeast: number): Asked {
  return { what: `  times ${what}`, figure, atLeast, limit: `≥ ${atLeast} ×`, digits: 1 };
}

function roundTrips(where: string, atMost: number): Asked {
  return {
    what: `enqueueAndWait one at a time, owner ${where}, p50 in round trips of a bare commit`,
    figure: 'p50RoundTrips',
    atMost,
    limit: `≤ ${atMost}`,
    digits: 1,
  };
}

/** All three phases are one run, made when the first of them is asked for. */
const orders = new Map<string, Promise<readonly Figures[]>>();

function phase(name: Phase): Scenario['run'] {
  return async (context: RunContext, system) => {
    const run = orders.get(system) ?? measureInChild({ ...context, name: `orders@${system}` });
    orders.set(system, run);
    return (await run).map((figures) => figuresOfPhase(figures, name));
  };
}

function ordersScenario(name: Phase, about: string): Scenario {
  const of = (system: string, figure: string): Pick<Asked, 'figure' | 'system'> => ({ figure, system });
  return {
    name: `orders-${name}`,
    about,
    systems: [OURS, OURS_AHEAD],
    asked: [
      {
        ...of(OURS, 'ordersPerSecond'),
        what: `orders, ${name}`,
        atLeast: ORDERS_ASKED,
        limit: `≥ ${ORDERS_ASKED.toLocaleString('en-US')} /s`,
      },
      {
        ...of(OURS_AHEAD, 'ordersPerSecond'),
        what: `orders, ${name}, dispatchAhead 32`,
        atLeast: ORDERS_AHEAD_ASKED,
        limit: `≥ ${ORDERS_AHEAD_ASKED.toLocaleString('en-US')} /s`,
      },
      { ...of(OURS, 'drift'), what: '  drift', atMost: 0, limit: '0' },
      { ...of(OURS, 'nodesThatTookPart'), what: '  nodes that took part', atLeast: 5, limit: '5' },
    ],
    run: phase(name),
    compare: compareRows,
  };
}

export const redisScenarios: readonly Scenario[] = [
  {
    name: 'redis-fire',
    about: 'nobody waits, 1,000 entities, one process',
    systems: [SCRIPT_LOOP, OURS, 'bullmq', 'bullmq-per-entity', 'groupmq', 'redlock', 'postgres'],
    asked: [
      { ...PER_SECOND, what: 'enqueue → completed, Redis, one node', atLeast: 50_000, limit: '≥ 50,000 /s' },
      times('GroupMQ’s processing', 'times:groupmq', 4),
      times('BullMQ’s processing', 'times:bullmq', 4),
      {
        what: '  as a share of the bare script loop',
        figure: 'shareOfScriptLoop',
        atLeast: 0.25,
        limit: '≥ 0.25',
        digits: 2,
      },
      {
        what: '  commands to Redis per message',
        figure: 'commandsPerMessage',
        atMost: 0.2,
        limit: '≤ 0.2',
        digits: 3,
      },
      { what: '  connections of the node', figure: 'connections', atMost: 4, limit: '≤ 4' },
    ],
    run: rows('redis-fire'),
    compare: compareRows,
  },
  {
    name: 'redis-hot-entity',
    about: 'one entity, 64 waiting callers',
    systems: [OURS, ...CALLED],
    asked: [
      { ...PER_SECOND, what: 'one hot entity, 64 waiting callers', atLeast: 5_000, limit: '≥ 5,000 /s' },
      times('the best ordered peer', 'timesBestOrderedPeer', 1.5),
    ],
    run: rows('redis-hot-entity'),
    compare: compareRows,
  },
  {
    name: 'redis-hot-entity-ahead',
    about: 'the same with dispatchAhead 32',
    systems: [OURS_AHEAD],
    asked: [
      {
        ...PER_SECOND,
        system: OURS_AHEAD,
        what: 'the same with dispatchAhead 32',
        atLeast: 40_000,
        limit: '≥ 40,000 /s',
      },
    ],
    run: rows('redis-hot-entity-ahead'),
    compare: compareRows,
  },
  {
    name: 'redis-waiting-256',
    about: '256 waiting callers over 1,000 entities, one process',
    systems: [OURS, 'bullmq', ...CALLED],
    asked: [
      { ...PER_SECOND, what: '256 waiting callers, 1,000 entities', atLeast: 40_000, limit: '≥ 40,000 /s' },
      times('the best queue that keeps its messages', 'timesBestQueue', 8),
      times('the best peer, locks without a queue included', 'timesBestPeer', 8),
    ],
    run: rows('redis-waiting-256'),
    compare: compareRows,
  },
  {
    name: 'redis-reply-local',
    about: 'one waiting caller, one message at a time, entities owned in this process',
    systems: [BARE_RTT, OURS, 'bullmq', 'redlock', 'postgres'],
    asked: [roundTrips('here', 3)],
    run: rows('redis-reply-local'),
    compare: compareReplies,
  },
  {
    name: 'redis-reply-remote',
    about: 'the same, entities owned by a node in another process',
    systems: [BARE_RTT, OURS],
    asked: [roundTrips('on another node', 6)],
    run: rows('redis-reply-remote'),
    compare: compareReplies,
  },
  {
    name: 'redis-memory',
    about: 'memory of Redis before and after 1,000,000 waiting messages are worked off (quick: 100,000)',
    systems: [OURS],
    asked: [
      {
        what: 'Redis memory after the drain, above the start',
        figure: 'memoryAboveStartMiB',
        atMost: 2,
        limit: '≤ 2 MiB',
        digits: 2,
      },
    ],
    run: rows('redis-memory'),
  },
  {
    name: 'actor-state-redis',
    about: 'actors with a stored state of 1 KiB, nobody waits, 1,000 entities, one process',
    systems: [OURS_ACTORS],
    asked: [
      {
        ...PER_SECOND,
        system: OURS_ACTORS,
        what: 'actors with 1 KiB of stored state, 1,000 entities, Redis',
        atLeast: 30_000,
        limit: '≥ 30,000 /s',
      },
      {
        system: OURS_ACTORS,
        figure: 'commandsPerMessage',
        what: '  commands to Redis per message',
        atMost: 0.2,
        limit: '≤ 0.2',
        digits: 3,
      },
    ],
    run: rows('actor-state-redis'),
  },
  {
    name: 'actor-hot-state-only-redis',
    about: 'one state-only actor, 64 waiting callers',
    systems: [OURS_STATE_ONLY],
    asked: [
      {
        ...PER_SECOND,
        system: OURS_STATE_ONLY,
        what: 'one hot state-only actor, 64 waiting callers, Redis',
        atLeast: 40_000,
        limit: '≥ 40,000 /s',
      },
    ],
    run: rows('actor-hot-state-only-redis'),
  },
  ordersScenario('flood', '5 node processes, 20 products: 10,000 orders in 50 waves of 200'),
  ordersScenario('draining', '300 orders at once, 1,000 more while those drain'),
  ordersScenario('cold', '1,000 orders at once on five new nodes'),
];
