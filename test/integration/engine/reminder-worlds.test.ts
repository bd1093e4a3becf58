import { describe, expect, it } from 'vitest';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import type { ActorBinding, ActorCall, ActorInstance } from '../../../src/entity/actor-port.js';
import { type Random, seededRandom } from '../../../src/runtime/random.js';
import { createTestApp, type TestApp } from '../../../src/testing/test-app.js';
import type { CommitRequest, Wal } from '../../../src/wal/wal.js';

/**
 * Reminders while the process is killed at any commit, the store fails and loses answers, the wall clock jumps, and lines are
 * paused. Each of their times has one run, neither lost nor double: those that may be counted in advance are.
 */

const TIMES = 12;
const ENDS_AT = 5;

/** Counts its runs in its state; `last` forgets its reminder with its fifth. */
class CountingActor implements ActorInstance {
  private count: number;
  private keptCount: number;

  constructor(
    stored: string | undefined,
    private readonly entityId: string,
    private readonly app: () => TestApp,
  ) {
    this.keptCount = Number(stored ?? '0');
    this.count = this.keptCount;
  }

  run({ context }: ActorCall): unknown {
    this.count += 1;
    if (this.entityId !== 'last' || this.count < ENDS_AT) return context.id;
    const forgotten = this.app().bus.forEntity('counter', this.entityId).forgetReminder('r');
    return forgotten.then(() => context.id);
  }

  snapshot(): string | undefined {
    return this.count === this.keptCount ? undefined : String(this.count);
  }

  kept(): void {
    this.keptCount = this.count;
  }

  restore(): void {
    this.count = this.keptCount;
  }
}

class World {
  app!: TestApp;
  private killIn = Number.POSITIVE_INFINITY;
  private jumpedMs = 0;

  constructor(private readonly random: Random) {}

  async begin(): Promise<void> {
    const actor: ActorBinding = {
      persistence: true,
      stateTtlMs: undefined,
      effects: 'state',
      idleTimeoutMs: 150,
      wake: (_type, id, stored) => new CountingActor(stored, id, () => this.app),
    };
    const run = (): never => {
      throw new Error('An actor runs its messages itself.');
    };
    this.app = await createTestApp({
      setup: (node: AtomicQueuesNode) => {
        node.addHandler('counter', 'Tick', { kind: 'command', label: 'Tick', run, actor });
        node.handle('plain', 'Tick', () => undefined);
      },
      wrapWal: (wal) => this.mortal(wal),
    });
    const { bus } = this.app;
    for (const id of ['all', 'also'])
      await this.app.drive(
        bus.forEntity('counter', id).remind('r', 'Tick', {}, { everyMs: 100, times: TIMES, missed: 'all' }),
      );
    await this.app.drive(bus.forEntity('counter', 'last').remind('r', 'Tick', {}, { everyMs: 100 }));
    await this.app.drive(
      bus.forEntity('plain', 'p').remind('r', 'Tick', {}, { everyMs: 130, times: TIMES, missed: 'all' }),
    );
  }

  /** Dies before or after one of the next commits. */
  private mortal(wal: Wal): Wal {
    const commit = async (request: CommitRequest) => {
      this.killIn -= 1;
      if (this.killIn === 0) return this.die();
      const answer = await wal.commit(request);
      this.killIn -= 1;
      return this.killIn === 0 ? this.die() : answer;
    };
    return new Proxy(wal, {
      get: (target, name) => {
        if (name === 'commit') return commit;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  private die(): Promise<never> {
    this.app.crash();
    return new Promise(() => {});
  }

  async run(): Promise<void> {
    const below = (max: number): number => Math.floor(this.random.next() * max);
    for (let step = 0; step < 25; step += 1) {
      const { app } = this;
      const chance = this.random.next();
      if (chance < 0.25) this.killIn = 1 + below(8);
      else if (chance < 0.4)
        app.wal.fail('commit', { when: this.random.next() < 0.5 ? 'before' : 'after', times: 1 + below(2) });
      else if (chance < 0.5) {
        const jumpMs = this.jumpedMs > 0 ? -this.jumpedMs : below(400);
        this.jumpedMs += jumpMs;
        app.runtime.jumpWallClock(jumpMs);
      } else if (chance < 0.6)
        void app.bus
          .forEntity('counter')
          .pause()
          .catch(() => {});
      else if (chance < 0.7)
        void app.bus
          .forEntity('counter')
          .resume()
          .catch(() => {});
      else if (chance < 0.75) app.wal.fail('due');
      await app.advance(below(250));
      if (this.killIn <= 0) {
        this.killIn = Number.POSITIVE_INFINITY;
        await app.advance(below(3) * 150);
        this.app = await this.app.restart();
      }
    }
    this.killIn = Number.POSITIVE_INFINITY;
    this.app.wal.heal();
    await this.app.advance(500);
    await this.app.drive(this.app.bus.forEntity('counter').resume());
    await this.app.advance(10_000);
  }

  async faults(): Promise<string[]> {
    const { wal } = this.app.wal;
    const ids = ['all', 'also', 'last'];
    const states = await wal.actorStates(
      0,
      ids.map((entityId) => ({ entityType: 'counter', entityId })),
    );
    const faults = ids.flatMap((id, index) => {
      const expected = id === 'last' ? ENDS_AT : TIMES;
      return states[index] === String(expected) ? [] : [`${id} ran ${states[index] ?? 'never'}, not ${expected} times`];
    });
    const left = await wal.reminders(0, { limit: 10 });
    if (left.length > 0) faults.push(`${left.length} reminders are left`);
    const counts = await wal.counts(0);
    const plain = counts.completed + counts.interrupted - 2 * TIMES - ENDS_AT;
    if (plain !== TIMES) faults.push(`the plain one ran ${plain} times`);
    if (counts.pending > 0) faults.push(`${counts.pending} are pending`);
    return faults;
  }
}

const FIRST = Number(process.env['SEED'] ?? 1);
const SEEDS = Number(process.env['SEEDS'] ?? (process.env['SEED'] === undefined ? 20 : 1));

describe('reminders in a world of trouble', () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    it(`have one run for each of their times (I7), seed ${seed}`, async () => {
      const world = new World(seededRandom(seed));
      await world.begin();
      await world.run();
      const faults = await world.faults();
      expect(faults, `SEED=${seed} npx vitest run test/integration/engine/reminder-worlds.test.ts`).toEqual([]);
      await world.app.stop();
    });
  }
});
