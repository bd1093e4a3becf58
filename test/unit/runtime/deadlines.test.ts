import { describe, expect, it } from 'vitest';
import { type Deadline, Deadlines } from '../../../src/runtime/deadlines.js';
import { seededRandom } from '../../../src/runtime/random.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';

function make() {
  const runtime = new VirtualRuntime();
  const deadlines = new Deadlines(runtime.clock, runtime.timers);
  const passed: [string, number][] = [];
  const deadline = (name: string): Deadline => ({
    deadlinePassed: () => void passed.push([name, runtime.clock.monotonic()]),
  });
  return { runtime, deadlines, passed, deadline };
}

describe('deadlines', () => {
  it('pass once, each at its time, behind one timer', async () => {
    const { runtime, deadlines, passed, deadline } = make();
    deadlines.set(deadline('late'), 300);
    deadlines.set(deadline('early'), 100);
    deadlines.set(deadline('same'), 100);
    deadlines.set(deadline('now'), 0);
    expect(runtime.pending.timers).toBe(1);
    await runtime.advance(1_000);
    expect(passed).toEqual([
      ['now', 1],
      ['early', 100],
      ['same', 100],
      ['late', 300],
    ]);
    expect(runtime.pending.timers).toBe(0);
  });

  it('do not pass when they were taken back, also from inside another one', async () => {
    const { runtime, deadlines, passed, deadline } = make();
    const gone = deadline('gone');
    deadlines.clear(gone, deadlines.set(gone, 50));
    const second = deadline('second');
    const key = { value: 0 };
    deadlines.set({ deadlinePassed: () => deadlines.clear(second, key.value) }, 60);
    key.value = deadlines.set(second, 60);
    await runtime.advance(100);
    expect(passed).toEqual([]);
  });

  it('may set new ones while they pass', async () => {
    const { runtime, deadlines, passed, deadline } = make();
    deadlines.set({ deadlinePassed: () => void deadlines.set(deadline('next'), 10) }, 10);
    await runtime.advance(100);
    expect(passed).toEqual([['next', 20]]);
  });

  it('are all dropped by stop, and none is set any more, e.g. by an answer that comes late', async () => {
    const { runtime, deadlines, passed, deadline } = make();
    deadlines.set(deadline('a'), 10);
    deadlines.stop();
    expect(runtime.pending.timers).toBe(0);
    await runtime.advance(100);
    expect(passed).toEqual([]);
    deadlines.set(deadline('b'), 10);
    expect(runtime.pending.timers).toBe(0);
    await runtime.advance(10);
    expect(passed).toEqual([]);
  });

  it('hold no memory once they were taken back, however far off they are (I10)', () => {
    const { deadlines, deadline } = make();
    for (let n = 0; n < 50_000; n += 1) {
      const each = deadline('x');
      deadlines.clear(each, deadlines.set(each, 1_000_000 + n));
    }
    const { buckets, heap } = deadlines as unknown as { buckets: Map<number, unknown>; heap: number[] };
    expect(buckets.size).toBeLessThan(3_000);
    expect(heap.length).toBeLessThan(3_000);
  });

  it('keep to their times in any mixture of setting and taking back', async () => {
    const { runtime, deadlines, passed } = make();
    const random = seededRandom(7);
    const expected = new Map<string, number>();
    const live: { name: string; deadline: Deadline; key: number }[] = [];
    for (let n = 0; n < 5_000; n += 1) {
      const delayMs = Math.floor(random.next() * 3_000);
      const name = `d${n}`;
      const deadline: Deadline = { deadlinePassed: () => void passed.push([name, runtime.clock.monotonic()]) };
      live.push({ name, deadline, key: deadlines.set(deadline, delayMs) });
      expected.set(name, runtime.clock.monotonic() + Math.max(1, delayMs));
      if (random.next() < 0.6) {
        const victim = live.splice(Math.floor(random.next() * live.length), 1)[0];
        if (victim !== undefined && !passed.some(([done]) => done === victim.name)) {
          deadlines.clear(victim.deadline, victim.key);
          expected.delete(victim.name);
        }
      }
      if (n % 50 === 0) await runtime.advance(7);
    }
    await runtime.advance(10_000);
    expect(passed).toHaveLength(expected.size);
    for (const [name, at] of passed) expect(Math.abs((expected.get(name) ?? 0) - at)).toBeLessThanOrEqual(1);
  });
});
