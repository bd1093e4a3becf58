import { describe, expect, it } from 'vitest';
import { RunningSlots } from '../../../src/entity/running-slots.js';

function taker(name: string, granted: string[]) {
  return { slotGranted: () => void granted.push(name) };
}

describe('running slots', () => {
  it('are granted in the order of asking (I9)', () => {
    const granted: string[] = [];
    const slots = new RunningSlots(1);
    expect(slots.take(taker('a', granted))).toBe(true);
    const [b, c] = [taker('b', granted), taker('c', granted)];
    expect([slots.take(b), slots.take(c), slots.contended]).toEqual([false, false, true]);
    slots.giveBack();
    slots.giveBack();
    expect(granted).toEqual(['b', 'c']);
    expect(slots.contended).toBe(false);
  });

  it('are lent once by a handler, however many waits it has, and taken back after the last', () => {
    const granted: string[] = [];
    const slots = new RunningSlots(1);
    const handler = {};
    slots.take(taker('a', granted));
    slots.take(taker('b', granted));
    slots.take(taker('c', granted));
    slots.waitBegan(handler);
    slots.waitBegan(handler);
    expect(granted).toEqual(['b']);
    slots.waitEnded(handler);
    slots.waitEnded(handler);
    slots.waitEnded(handler);
    // `a` and `b` run now, one above the limit; `c` comes when both are through.
    slots.giveBack();
    expect(granted).toEqual(['b']);
    slots.giveBack();
    expect(granted).toEqual(['b', 'c']);
  });

  it('of a handler that settles without having awaited its waits count again', () => {
    const slots = new RunningSlots(2);
    const handler = {};
    slots.take(taker('a', []));
    slots.waitBegan(handler);
    slots.handlerEnded(handler);
    slots.giveBack();
    slots.waitEnded(handler);
    expect([slots.take(taker('x', [])), slots.take(taker('y', [])), slots.take(taker('z', []))]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('are without number when the limit is 0', () => {
    const slots = new RunningSlots(0);
    for (let n = 0; n < 100; n += 1) expect(slots.take(taker('x', []))).toBe(true);
    slots.waitBegan({});
    slots.giveBack();
    expect(slots.contended).toBe(false);
  });
});
