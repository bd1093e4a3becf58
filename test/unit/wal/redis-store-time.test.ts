/** What a node takes the server's time to be. */
import { describe, expect, it } from 'vitest';
import { StoreTime } from '../../../src/wal/redis/store-time.js';

class LocalClock {
  wallMs = 1_000_000;
  monotonicMs = 0;

  now(): number {
    return this.wallMs;
  }

  monotonic(): number {
    return this.monotonicMs;
  }

  pass(ms: number): void {
    this.wallMs += ms;
    this.monotonicMs += ms;
  }
}

describe('the guess of the server time', () => {
  it('starts at the local time and moves to what an answer tells (M14)', () => {
    const local = new LocalClock();
    const time = new StoreTime(local);
    expect(time.now()).toBe(1_000_000);
    local.pass(10);
    time.learn(5_000_000, 0);
    expect(time.now()).toBeGreaterThanOrEqual(5_000_000);
    expect(time.now()).toBeLessThanOrEqual(5_000_011);
    local.pass(100);
    expect(time.now()).toBeGreaterThanOrEqual(5_000_100);
  });

  it('stays as it is while answers agree with it, however slow they are', () => {
    const local = new LocalClock();
    const time = new StoreTime(local);
    time.learn(5_000_000, 0);
    const offset = time.now() - local.monotonic();
    for (const delayMs of [1, 500, 3, 2_000]) {
      const sentAt = local.monotonic();
      const serverMs = Math.floor(offset + sentAt + delayMs / 2);
      local.pass(delayMs);
      time.learn(serverMs, sentAt);
      expect(time.now() - local.monotonic()).toBe(offset);
    }
  });

  it('does not follow jumps of the local wall clock, and follows those of the server', () => {
    const local = new LocalClock();
    const time = new StoreTime(local);
    time.learn(5_000_000, 0);
    local.wallMs += 3_600_000;
    expect(time.now()).toBeLessThanOrEqual(5_000_001);
    time.learn(4_000_000, local.monotonic());
    expect(time.now()).toBeLessThanOrEqual(4_000_001);
  });
});
