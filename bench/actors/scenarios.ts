/** What is asked of actors on the embedded store. Those on Redis stand with the other scenarios there. */
import type { Scenario } from '../scenario.js';
import { measureInChild } from '../spawn.js';

function inChild(name: string): Scenario['run'] {
  return (context) => measureInChild({ ...context, name });
}

export const actorScenarios: readonly Scenario[] = [
  {
    name: 'actor-state-embedded',
    about: '1,000 actors with a stored state of 1 KiB, commit, 1,000 under way',
    asked: [
      {
        figure: 'messagesPerSecond',
        what: 'actors with 1 KiB of stored state, 1,000 entities, embedded',
        atLeast: 40_000,
        limit: '≥ 40,000 /s',
      },
    ],
    run: inChild('actor-state-embedded'),
  },
  {
    name: 'actor-hot-state-only-embedded',
    about: 'one state-only actor, commit, 64 waiting callers',
    asked: [
      {
        figure: 'messagesPerSecond',
        what: 'one hot state-only actor, 64 waiting callers, embedded',
        atLeast: 50_000,
        limit: '≥ 50,000 /s',
      },
    ],
    run: inChild('actor-hot-state-only-embedded'),
  },
  {
    name: 'actor-resident-bytes',
    about: '100,000 resident actors without state (quick: 30,000)',
    asked: [
      { figure: 'bytesPerActor', what: 'a resident actor, empty state', atMost: 1_024, limit: '≤ 1 KiB', digits: 0 },
    ],
    run: inChild('actor-resident-bytes'),
  },
  {
    name: 'actor-million',
    about: '1,000,000 actors touched, 10,000 resident at most; messages/s is that of 1,000 warm ones afterwards',
    slow: true,
    asked: [
      { figure: 'rssPeakMiB', what: '1,000,000 actors touched: peak RSS', atMost: 300, limit: '≤ 300 MiB' },
      {
        figure: 'warmShareOfSmall',
        what: '  warm actors, as a share of before',
        atLeast: 0.8,
        limit: '≥ 80 %',
        digits: 2,
      },
    ],
    run: inChild('actor-million'),
  },
];
