import { describe, expect, it } from 'vitest';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import type { ActorBinding, ActorCall, ActorInstance } from '../../../src/entity/actor-port.js';
import { type Random, seededRandom } from '../../../src/runtime/random.js';
import { createTestApp, type TestApp } from '../../../src/testing/test-app.js';
import type { CommitRequest, Wal } from '../../../src/wal/wal.js';

/**
 * A process is killed at every step between handler, state, outbox and reply, one after the other: before a handler does
 * anything, when it has done half, when it has done all, before a commit reaches the store, and when the store has applied it
 * and the answer is on its way. After the restart, of each transfer all is there or nothing: the payer's state, the message
 * to the payee, the payee's state, the reply and the acknowledgement.
 */

const ENTITIES = ['a', 'b', 'c'];

interface Transfer {
  readonly n: number;
  readonly to: string;
  /** Attempts that throw, after half of the work. */
  readonly failures: number;
  /** Milliseconds of work; 0: it is done in the turn in which it begins. */
  readonly ms: number;
}

interface Purse {
  paid: number[];
  got: number[];
}

/** Counts the steps of one life, and ends it at the one that was chosen. */
class Killer {
  steps = 0;
  kill: () => void = () => {};

  constructor(private readonly killAt: number) {}

  step(): boolean {
    this.steps += 1;
    if (this.steps === this.killAt) this.kill();
    return this.isDead;
  }

  get isDead(): boolean {
    return this.steps >= this.killAt;
  }
}

/** Each commit is two steps: before the store hears of it, and before its answer is heard. */
function killing(wal: Wal, killer: () => Killer): Wal {
  const commit = async (request: CommitRequest) => {
    const mine = killer();
    if (mine.step()) await new Promise(() => {});
    const answer = await wal.commit(request);
    if (mine.step()) await new Promise(() => {});
    return answer;
  };
  return new Proxy(wal, {
    get: (target, name) => {
      if (name === 'commit') return commit;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

class PurseActor implements ActorInstance {
  private purse: Purse;
  private keptText: string;

  constructor(
    stored: string | undefined,
    private readonly world: World,
  ) {
    this.keptText = stored ?? '{"paid":[],"got":[]}';
    this.purse = JSON.parse(this.keptText) as Purse;
  }

  run({ name, message, context }: ActorCall): unknown {
    const { world } = this;
    const transfer = message as Transfer;
    world.killer.step();
    if (name === 'Credit') {
      this.purse.got.push(transfer.n);
      world.killer.step();
      return undefined;
    }
    this.purse.paid.push(transfer.n);
    void world.app.bus.enqueue('purse', 'Credit', transfer.to, { n: transfer.n }).catch(() => {});
    world.killer.step();
    if (context.attempt <= transfer.failures) throw new Error(`attempt ${context.attempt}`);
    if (transfer.ms === 0) return `paid ${transfer.n}`;
    return new Promise((resolve) => {
      world.app.runtime.timers.set(() => {
        world.killer.step();
        resolve(`paid ${transfer.n}`);
      }, transfer.ms);
    });
  }

  snapshot(): string | undefined {
    const text = JSON.stringify(this.purse);
    return text === this.keptText ? undefined : text;
  }

  kept(): void {
    this.keptText = JSON.stringify(this.purse);
  }

  restore(): void {
    this.purse = JSON.parse(this.keptText) as Purse;
  }
}

interface World {
  app: TestApp;
  killer: Killer;
  readonly replies: Map<number, unknown>;
  readonly accepted: Map<number, string>;
}

interface Plan {
  readonly effects: 'any' | 'state';
  readonly onFailure: 'dead-letter' | 'block';
  readonly maxAttempts: number;
  readonly transfers: readonly (Transfer & { readonly from: string; readonly waits: boolean })[];
}

function planOf(random: Random): Plan {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T;
  return {
    effects: pick(['any', 'state', 'state']),
    onFailure: pick(['dead-letter', 'dead-letter', 'block']),
    maxAttempts: pick([1, 2, 3]),
    transfers: Array.from({ length: 6 }, (_, n) => ({
      n,
      from: pick(ENTITIES.slice(0, 2)),
      to: pick(ENTITIES),
      failures: pick([0, 0, 0, 1, 9]),
      ms: pick([0, 0, 5]),
      waits: pick([true, true, false]),
    })),
  };
}

async function live(plan: Plan, killAt: number): Promise<{ readonly world: World; readonly wasKilled: boolean }> {
  const world = {
    killer: new Killer(killAt),
    replies: new Map(),
    accepted: new Map(),
  } as Partial<World> as World;
  const binding: ActorBinding = {
    persistence: true,
    stateTtlMs: undefined,
    effects: plan.effects,
    outbox: 'atomic',
    idleTimeoutMs: 30_000,
    wake: (_type, _id, stored) => new PurseActor(stored, world),
  };
  const setup = (node: AtomicQueuesNode): void => {
    const run = (): never => {
      throw new Error('An actor runs its messages itself.');
    };
    for (const name of ['Pay', 'Credit'])
      node.addHandler('purse', name, { kind: 'command', label: name, run, actor: binding });
  };
  world.app = await createTestApp({
    config: {
      entities: { purse: { onFailure: plan.onFailure, retry: { maxAttempts: plan.maxAttempts, backoffDelay: 20 } } },
    },
    setup,
    wrapWal: (wal) => killing(wal, () => world.killer),
    start: false,
  });
  const { killer } = world;
  killer.kill = () => world.app.crash();
  void world.app.node.start().catch(() => {});
  await world.app.settle();
  for (const { from, waits, ...transfer } of plan.transfers) {
    const { bus } = world.app;
    if (waits) {
      void bus.enqueueAndWait('purse', 'Pay', from, transfer, { timeoutMs: 0 }).then(
        (reply) => world.replies.set(transfer.n, reply),
        () => {},
      );
    } else {
      void bus.enqueue('purse', 'Pay', from, transfer).then(
        ({ id }) => world.accepted.set(transfer.n, id),
        () => {},
      );
    }
    await world.app.advance(1);
  }
  await world.app.advance(200);
  const wasKilled = killer.isDead;
  if (!wasKilled) world.app.crash();
  world.killer = new Killer(Number.POSITIVE_INFINITY);
  world.app = await world.app.restart({ start: true });
  await world.app.advance(1_000);
  return { world, wasKilled };
}

async function check({ app, replies, accepted }: World, plan: Plan, where: string): Promise<void> {
  const states = await app.wal.wal.actorStates(
    0,
    ENTITIES.map((entityId) => ({ entityType: 'purse', entityId })),
  );
  const purses = states.map((text) => JSON.parse(text ?? '{"paid":[],"got":[]}') as Purse);
  const { deadLetters, pending } = await app.inspect();
  const paid = purses.flatMap((purse) => purse.paid).sort((a, b) => a - b);
  // The message to the payee has done its work, or waits, or is a dead letter because its own handler was killed.
  const { wal } = app.wal;
  const waiting = await wal.load(
    0,
    (await wal.scan(0, 0, 1_000)).map(({ seq }) => seq),
  );
  const dead = (await wal.deadLetters(0, { limit: 1_000 })).map(({ message }) => message);
  const credits = [...waiting, ...dead].filter(({ name }) => name === 'Credit');
  const sent = [
    ...purses.flatMap((purse) => purse.got),
    ...credits.map(({ payload }) => (JSON.parse(payload) as Transfer).n),
  ].sort((a, b) => a - b);
  expect(sent, `${where}: what was sent is not what was paid`).toEqual(paid);
  expect(new Set(paid).size, `${where}: something was paid twice`).toBe(paid.length);
  for (const { n, from } of plan.transfers) {
    const isPaid = purses[ENTITIES.indexOf(from)]?.paid.includes(n) ?? false;
    if (replies.has(n))
      expect([replies.get(n), isPaid], `${where}: reply ${n} and no transfer`).toEqual([`paid ${n}`, true]);
    const id = accepted.get(n);
    if (id === undefined) continue;
    const isDead = deadLetters.some((letter) => letter.id === id);
    const isBlockedOrBehind = pending.some((message) => message.id === id);
    expect(
      [isPaid, isDead, isBlockedOrBehind].filter(Boolean).length,
      `${where}: transfer ${n} was accepted, and has vanished or ended twice`,
    ).toBe(1);
  }
  // Nothing is left in between: what waits is blocked, or stands behind something that is.
  for (const message of pending)
    expect(plan.onFailure === 'block' || message.notBefore > 0, `${where}: a message is left over`).toBe(true);
  const interrupted = deadLetters.filter(({ reason }) => reason === 'interrupted');
  if (plan.effects === 'state')
    expect(interrupted, `${where}: something that left no trace was interrupted`).toEqual([]);
}

const SEEDS = 12;
const FIRST = Number(process.env['SEED'] ?? 1);

describe('a process that is killed at any step between handler, state, outbox and reply', () => {
  for (let seed = FIRST; seed < FIRST + (process.env['SEED'] === undefined ? SEEDS : 1); seed += 1) {
    it(`leaves all of a message or nothing (I2, I5, M15), seed ${seed}`, async () => {
      const plan = planOf(seededRandom(seed));
      let killAt = 1;
      for (; ; killAt += 1) {
        const { world, wasKilled } = await live(plan, killAt);
        const where = `killed at step ${killAt} of seed ${seed} (SEED=${seed} npx vitest run test/integration/engine/actor-crash.test.ts)`;
        await check(world, plan, where);
        await world.app.stop();
        if (!wasKilled) break;
      }
      expect(killAt).toBeGreaterThan(20);
    });
  }
});
