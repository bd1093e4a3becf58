import { describe, expect, it } from 'vitest';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';

describe('VirtualRuntime', () => {
  it('runs timers in order of their due time, each at its own time', async () => {
    const runtime = new VirtualRuntime({ startAtMs: 1_000 });
    const seen: string[] = [];
    const note = (name: string) => () => seen.push(`${name}@${runtime.clock.monotonic()}/${runtime.clock.now()}`);
    runtime.timers.set(note('late'), 30);
    runtime.timers.set(note('first'), 10);
    runtime.timers.set(note('second'), 10);
    runtime.timers.clear(runtime.timers.set(note('never'), 20));
    await runtime.advance(29);
    expect(seen).toEqual(['first@10/1010', 'second@10/1010']);
    await runtime.advance(1);
    expect(seen.at(-1)).toBe('late@30/1030');
    expect(runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });

  it('settles every chain of promises before the next timer fires', async () => {
    const runtime = new VirtualRuntime();
    const seen: string[] = [];
    runtime.timers.set(() => {
      void (async () => {
        for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
        seen.push('chain');
      })();
    }, 5);
    runtime.timers.set(() => seen.push('timer'), 5);
    await runtime.advance(5);
    expect(seen).toEqual(['chain', 'timer']);
  });

  it('runs deferred callbacks, and those that they defer, without moving time', async () => {
    const runtime = new VirtualRuntime();
    const seen: number[] = [];
    const again = (left: number) => {
      seen.push(runtime.clock.monotonic());
      if (left > 0) runtime.timers.defer(() => again(left - 1));
    };
    runtime.timers.defer(() => again(3));
    await runtime.settle();
    expect(seen).toEqual([0, 0, 0, 0]);
  });

  it('jumps the wall clock without touching timers or the monotonic clock', async () => {
    const runtime = new VirtualRuntime({ startAtMs: 5_000 });
    let fired = false;
    runtime.timers.set(() => {
      fired = true;
    }, 10);
    runtime.jumpWallClock(-3_000);
    await runtime.settle();
    expect([runtime.clock.now(), runtime.clock.monotonic(), fired]).toEqual([2_000, 0, false]);
  });

  it('gives the same numbers and identifiers for the same seed, and others for another', () => {
    const draw = (seed: number) => {
      const { random, freshId } = new VirtualRuntime({ seed });
      return [random.next(), random.next(), freshId(), freshId()];
    };
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
    expect(draw(3)[2]).toMatch(/^[0-9a-z]{16}$/);
    expect(draw(3)[2]).not.toBe(draw(3)[3]);
  });

  it('says so when a run never comes to rest', async () => {
    const runtime = new VirtualRuntime({ stepsMax: 100 });
    const forever = () => runtime.timers.defer(forever);
    runtime.timers.defer(forever);
    await expect(runtime.settle()).rejects.toThrow('does not come to rest');
  });

  it('refuses two moves at a time and a move backwards', async () => {
    const runtime = new VirtualRuntime();
    const first = runtime.advance(1);
    await expect(runtime.advance(1)).rejects.toThrow('already moving');
    await first;
    await expect(runtime.advance(-1)).rejects.toThrow('forward');
  });

  it('keeps the order of a thousand timers, whatever was taken back', async () => {
    const runtime = new VirtualRuntime({ seed: 9 });
    const fired: number[] = [];
    const handles = Array.from({ length: 1_000 }, () => {
      const dueMs = 1 + Math.floor(runtime.random.next() * 200);
      return runtime.timers.set(() => fired.push(runtime.clock.monotonic()), dueMs);
    });
    for (let index = 0; index < handles.length; index += 3) runtime.timers.clear(handles[index] as object);
    await runtime.runUntilIdle(1_000);
    expect(fired).toHaveLength(1_000 - 334);
    expect(fired).toEqual([...fired].sort((a, b) => a - b));
  });
});
