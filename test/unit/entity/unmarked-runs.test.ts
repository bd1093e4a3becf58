import { expect, it } from 'vitest';
import type { EntityWorker } from '../../../src/entity/entity-worker.js';
import type { Item } from '../../../src/entity/item.js';
import { UnmarkedRuns } from '../../../src/entity/unmarked-runs.js';

it('keeps what it promised to the next commit while the answer of the one before is being heard (I5)', () => {
  const runs = new UnmarkedRuns();
  const advanced: string[] = [];
  const worker = { advance: () => advanced.push('looked') } as unknown as EntityWorker;
  const item = (seq: number): Item => ({ seq, id: `m${seq}`, worker, isUnmarked: true }) as unknown as Item;
  expect(runs.asked(5, 'm5')).toBe(false);
  let afterwards = (): void => {};
  runs.answered((callback) => {
    afterwards = callback;
  });
  // A store that asks at once does so before everybody has heard the answer.
  expect(runs.asked(6, 'm6')).toBe(false);
  expect([runs.begin(item(5)), runs.begin(item(6))]).toEqual([false, false]);
  afterwards();
  expect([runs.begin(item(5)), runs.begin(item(6)), advanced]).toEqual([true, false, ['looked']]);
});

it('tells by its id of a message that runs while its append is on the way, and by its place afterwards', () => {
  const runs = new UnmarkedRuns();
  const item = { seq: 0, id: 'm', isUnmarked: true } as unknown as Item;
  runs.beginUnplaced(item);
  expect([runs.asked(7, 'm'), runs.asked(7, 'other')]).toEqual([true, false]);
  item.seq = 7;
  runs.placed(item);
  expect(runs.asked(7, '')).toBe(true);
  runs.over(item);
  expect(runs.asked(7, 'm')).toBe(false);
});
