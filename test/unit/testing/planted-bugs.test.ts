import { describe, expect, it } from 'vitest';
import { checkHistory } from '../../../src/testing/history-checker.js';
import { explain } from '../../../src/testing/history-report.js';
import { BUGS, type Bug } from './toy-bugs.js';
import { runToy } from './toy-engine.js';
import { TOY_RULES } from './toy-world.js';

/** One seed alone: `TOY_SEED=17 npx vitest run test/unit/testing/planted-bugs.test.ts`. */
const onlySeed = process.env.TOY_SEED === undefined ? undefined : Number(process.env.TOY_SEED);

/** Of these the toy counts only the cases that must be found; others may be found as well. */
const SHOWS_BY_CHANCE = new Set<Bug>(['retry at the back of the line', 'delayed message blocks others']);

function seeds(count: number): number[] {
  return onlySeed === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [onlySeed];
}

function repeat(seed: number): string {
  return `seed ${seed}; repeat with TOY_SEED=${seed} npx vitest run test/unit/testing/planted-bugs.test.ts`;
}

describe('a history without a fault', () => {
  it('gives no violation, whatever was retried, delayed, cancelled, replayed or crashed', { timeout: 60_000 }, () => {
    const seen = new Set<string>();
    for (const seed of seeds(600)) {
      const { events } = runToy(seed);
      for (const event of events) seen.add(event.type === 'ended' ? event.state : event.type);
      const report = checkHistory(events, TOY_RULES);
      expect(report.ok, `${repeat(seed)}\n${explain(report)}`).toBe(true);
      expect({ seed, notes: report.notes }).toEqual({ seed, notes: [] });
    }
    if (onlySeed === undefined) {
      expect([...seen]).toEqual(
        expect.arrayContaining([
          'completed',
          'failed',
          'interrupted',
          'expired',
          'cancelled',
          'retried',
          'blocked',
          'promoted',
          'replayed',
          'purged',
          'crashed',
          'quiescent',
        ]),
      );
    }
  });

  it('gives no violation when the logs of the nodes are only put one behind the other', { timeout: 60_000 }, () => {
    for (const seed of seeds(200)) {
      const { events } = runToy(seed);
      // A verdict of the whole log comes last; the rest is cut apart by node.
      const merged = [
        ...events.filter((event) => event.node === 'a' && event.type !== 'final'),
        ...events.filter((event) => event.node === 'b'),
        ...events.filter((event) => event.type === 'final'),
      ];
      const report = checkHistory(merged, { ...TOY_RULES, commonOrder: false });
      expect(report.ok, `${repeat(seed)}\n${explain(report)}`).toBe(true);
    }
  });
});

describe('a planted bug', () => {
  for (const [bug, [invariant, words]] of Object.entries(BUGS) as [Bug, (typeof BUGS)[Bug]][]) {
    it(`is found: ${bug} (${invariant})`, () => {
      let planted = 0;
      let found = 0;
      for (const seed of seeds(60)) {
        const run = runToy(seed, { bug });
        const report = checkHistory(run.events, TOY_RULES);
        if (run.planted === 0) {
          if (!SHOWS_BY_CHANCE.has(bug)) expect(report.ok, `${repeat(seed)}\n${explain(report)}`).toBe(true);
          if (report.ok) continue;
        }
        planted += 1;
        const fitting = report.violations.find((each) => each.invariant === invariant && words.test(each.words));
        expect(fitting, `${repeat(seed)}\n${explain(report)}`).toBeDefined();
        expect(fitting?.proof.length).toBeGreaterThan(0);
        expect(explain(report)).toContain(fitting?.words);
        found += 1;
      }
      if (onlySeed === undefined) expect(planted).toBeGreaterThan(4);
      expect(found).toBe(planted);
    });
  }
});

describe('the cost of a check', () => {
  it('grows as the history does: ten times the events, ten times the steps', () => {
    const short = checkHistory(runToy(7, { steps: 2_000 }).events, TOY_RULES).counts;
    const long = checkHistory(runToy(7, { steps: 20_000 }).events, TOY_RULES).counts;
    expect(short.steps / short.events).toBeLessThan(3);
    expect(long.steps / long.events).toBeLessThan(3);
    expect(long.events / short.events).toBeGreaterThan(5);
  });
});
