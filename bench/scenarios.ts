/** The scenarios in the order in which they run, and what is asked of each (2 cores). */

import { actorScenarios } from './actors/scenarios.js';
import { runRecovery } from './recovery.js';
import { redisScenarios } from './redis/scenarios.js';
import type { Asked, Scenario } from './scenario.js';
import { measureInChild } from './spawn.js';

const PER_SECOND = { figure: 'messagesPerSecond' } as const;

function inChild(name: string): Scenario['run'] {
  return (context) => measureInChild({ ...context, name });
}

function heldBy(store: string, figure: string): Asked {
  return { what: `event loop held by the store, p99.9, ${store}`, figure, atMost: 10, limit: '≤ 10 ms', digits: 2 };
}

export const embeddedScenarios: readonly Scenario[] = [
  {
    name: 'core-commit',
    about: '1,000 accounts, durability commit, 8,192 under way',
    asked: [
      { ...PER_SECOND, what: 'enqueue → completed, core, commit', atLeast: 60_000, limit: '≥ 60,000 /s' },
      {
        ...PER_SECOND,
        what: '  as a share of the bare loop',
        atLeast: 0.25,
        limit: '≥ 25 %',
        shareOf: 'ceilingPerSecond',
      },
      {
        what: '  CPU per message, load generator included',
        figure: 'cpuMicrosPerMessage',
        atMost: 20,
        limit: '≤ 20 µs',
        digits: 1,
      },
    ],
    run: inChild('core-commit'),
  },
  {
    name: 'nest-commit',
    about: 'the same through the Nest module and a @CommandHandler',
    asked: [{ ...PER_SECOND, what: 'the same through Nest', atLeast: 40_000, limit: '≥ 40,000 /s' }],
    run: inChild('nest-commit'),
  },
  {
    name: 'core-fsync',
    about: '1,000 accounts, durability fsync, 256 waiting callers',
    asked: [{ ...PER_SECOND, what: 'fsync, 256 waiting clients', atLeast: 30_000, limit: '≥ 30,000 /s' }],
    run: inChild('core-fsync'),
  },
  {
    name: 'hot-entity',
    about: 'one account, commit, 4,096 under way',
    asked: [{ ...PER_SECOND, what: 'one hot entity', atLeast: 20_000, limit: '≥ 20,000 /s' }],
    run: inChild('hot-entity'),
  },
  {
    name: 'hot-entity-ahead',
    about: 'the same with dispatchAhead 32',
    asked: [{ ...PER_SECOND, what: 'one hot entity, dispatchAhead 32', atLeast: 50_000, limit: '≥ 50,000 /s' }],
    run: inChild('hot-entity-ahead'),
  },
  {
    name: 'reply-serial',
    about: 'enqueueAndWait one at a time, commit',
    asked: [
      { what: 'enqueueAndWait, one at a time, p50', figure: 'p50Ms', atMost: 0.15, limit: '≤ 0.15 ms', digits: 3 },
    ],
    run: inChild('reply-serial'),
  },
  {
    name: 'query-serial',
    about: 'volatile query one at a time',
    asked: [
      { what: 'volatile query, one at a time, p50', figure: 'p50Ms', atMost: 0.03, limit: '≤ 0.03 ms', digits: 3 },
    ],
    run: inChild('query-serial'),
  },
  {
    name: 'reminders',
    about: '100,000 reminders due within a minute (quick: 5,000 within 3 s), each exactly once',
    asked: [{ what: 'reminders: how late, p99', figure: 'p99Ms', atMost: 1_000, limit: '≤ 1,000 ms', digits: 1 }],
    run: inChild('reminders'),
  },
  {
    name: 'validation',
    about: 'a message of ten fields with a zod schema: checked where it is sent, and again before its handler',
    asked: [
      { what: 'validation of a 10-field message', figure: 'arrivalMicros', atMost: 5, limit: '≤ 5 µs', digits: 2 },
      {
        what: '  where it is sent, with reading its text',
        figure: 'sendMicros',
        atMost: 5,
        limit: '≤ 5 µs',
        digits: 2,
      },
      {
        what: '  also by what a service published',
        figure: 'publishedMicros',
        atMost: 10,
        limit: '≤ 10 µs',
        digits: 2,
      },
    ],
    run: inChild('validation'),
  },
  {
    name: 'recovery-million',
    about: '1,000,000 pending over 100,000 accounts after kill -9; messages/s is the drain',
    asked: [
      {
        what: 'first handler after start, 1,000,000 pending',
        figure: 'firstHandlerMs',
        atMost: 3_000,
        limit: '≤ 3,000 ms',
      },
      { what: '  peak RSS', figure: 'rssPeakMiB', atMost: 600, limit: '≤ 600 MiB' },
    ],
    run: runRecovery,
  },
  {
    name: 'event-loop',
    slow: true,
    about: 'full load with commit, with fsync, and with the command line at work on the store',
    asked: [
      heldBy('commit', 'commitHeldP999Ms'),
      heldBy('fsync', 'fsyncHeldP999Ms'),
      heldBy('commit, with the CLI at work', 'cliHeldP999Ms'),
    ],
    run: inChild('event-loop'),
  },
  {
    name: 'idle-million',
    about: '1,000,000 accounts touched once, then idle',
    slow: true,
    asked: [
      {
        what: '1,000,000 entities touched once, then idle: RSS above start',
        figure: 'rssAboveStartMiB',
        atMost: 64,
        limit: '≤ 64 MiB',
      },
    ],
    run: inChild('idle-million'),
  },
  ...actorScenarios,
];

export const scenarios: readonly Scenario[] = [...embeddedScenarios, ...redisScenarios];

export const scenarioNames: readonly string[] = scenarios.map(({ name }) => name);
