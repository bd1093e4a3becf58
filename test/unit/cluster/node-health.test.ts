import { afterEach, describe, expect, it } from 'vitest';
import { afterPing, healthy, NodeHealth } from '../../../src/cluster/node-health.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';

type Answer = 'answers' | 'fails' | 'throws' | 'hangs' | 'is late';

class Server {
  readonly runtime = new VirtualRuntime();
  answer: Answer = 'answers';
  pings = 0;
  readonly told: string[] = [];
  readonly health = new NodeHealth({
    timers: this.runtime.timers,
    checkEveryMs: 1_000,
    timeoutMs: 500,
    failureThreshold: 3,
    ping: () => this.ping(),
  });

  constructor() {
    this.health.events.on('degraded', ({ failures }) => this.told.push(`degraded after ${failures}`));
    this.health.events.on('recovered', () => this.told.push('recovered'));
  }

  private ping(): Promise<void> {
    this.pings += 1;
    switch (this.answer) {
      case 'answers':
        return Promise.resolve();
      case 'fails':
        return Promise.reject(new Error('connection is closed'));
      case 'throws':
        throw new Error('no client');
      case 'hangs':
        return new Promise(() => {});
      case 'is late':
        return new Promise((resolve) => {
          this.runtime.timers.set(resolve, 700);
        });
    }
  }
}

const servers: Server[] = [];
function server(): Server {
  const made = new Server();
  servers.push(made);
  made.health.start();
  return made;
}

afterEach(() => {
  for (const each of servers.splice(0)) {
    each.health.stop();
    each.health.stop();
    expect(each.runtime.pending.deferred).toBe(0);
  }
});

describe('node health', () => {
  it('counts failures in a row up to the threshold, and one answer ends them', () => {
    let health = healthy;
    for (const [answered, failures, degraded] of [
      [false, 1, false],
      [true, 0, false],
      [false, 1, false],
      [false, 2, true],
      [false, 2, true],
      [true, 0, false],
    ] as const) {
      health = afterPing(health, answered, 2);
      expect(health).toEqual({ failures, degraded });
    }
  });

  it('pings at once and then every interval, and says nothing while the server answers', async () => {
    const redis = server();
    await redis.runtime.advance(10_000);
    expect(redis.pings).toBe(11);
    expect(redis.health.degraded).toBe(false);
    expect(redis.told).toEqual([]);
  });

  it.each(['fails', 'throws', 'hangs', 'is late'] as const)(
    'is degraded when a PING %s three times in a row',
    async (how) => {
      const redis = server();
      await redis.runtime.advance(100);
      redis.answer = how;
      await redis.runtime.advance(3_000);
      const beforeThird = how === 'fails' || how === 'throws' ? 3 : 2;
      expect(redis.told).toEqual(beforeThird === 3 ? ['degraded after 3'] : []);
      await redis.runtime.advance(2_000);
      expect(redis.told).toEqual(['degraded after 3']);
      expect(redis.health.degraded).toBe(true);
      redis.answer = 'answers';
      await redis.runtime.advance(3_000);
      expect(redis.told).toEqual(['degraded after 3', 'recovered']);
      expect(redis.health.degraded).toBe(false);
    },
  );

  it('does not gather PINGs without limit on a server that hangs', async () => {
    const redis = server();
    redis.answer = 'hangs';
    await redis.runtime.advance(100_000);
    // The first one was answered.
    expect(redis.pings).toBe(11);
    expect(redis.told).toEqual(['degraded after 3']);
  });

  it('hears an answer that came while the event loop stood still', async () => {
    const redis = server();
    await redis.runtime.settle();
    let resolve = () => {};
    const health = new NodeHealth({
      // The timer of the time-out fires first, and the socket is read in the same turn.
      timers: {
        ...redis.runtime.timers,
        defer: (callback) => {
          resolve();
          redis.runtime.timers.defer(callback);
        },
      },
      checkEveryMs: 1_000,
      timeoutMs: 500,
      failureThreshold: 1,
      ping: () =>
        new Promise<void>((settle) => {
          resolve = settle;
        }),
    });
    const told: string[] = [];
    health.events.on('degraded', () => told.push('degraded'));
    health.start();
    await redis.runtime.advance(600);
    health.stop();
    expect(told).toEqual([]);
  });

  it('leaves no timer behind and says nothing after it was stopped', async () => {
    const redis = server();
    redis.health.start();
    redis.answer = 'is late';
    await redis.runtime.advance(1_100);
    redis.health.stop();
    await redis.runtime.advance(10_000);
    expect(redis.runtime.pending).toEqual({ timers: 0, deferred: 0 });
    expect(redis.told).toEqual([]);
    expect(() => new NodeHealth({ ...redis.health['options'], failureThreshold: 0 })).toThrow(RangeError);
  });
});
