/** Processes that die at any commit, before or after the store has done it: state and completion are one. */
import { Actor, currentMessage, On, registerActor } from 'atomic-queues/core';
import { createTestApp, type TestApp } from 'atomic-queues/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const RUNS = 60;

function journalActor(effects: 'any' | 'state') {
  @Actor('journal', { effects })
  class JournalActor {
    seen = new Map<string, { readonly amount: bigint; readonly at: Date }>();
    sum = 0n;

    @On('add')
    async add({ amount }: { amount: number }): Promise<string> {
      this.sum += BigInt(amount);
      if (amount % 3 === 0) await Promise.resolve();
      this.seen.set(currentMessage()?.id ?? '', { amount: BigInt(amount), at: new Date(0) });
      if (amount === 7) throw new Error('seven');
      return `${this.sum}`;
    }

    @On('tell', { kind: 'query' })
    tell(): { ids: string[]; sum: string } {
      return { ids: [...this.seen.keys()], sum: `${this.sum}` };
    }
  }
  return JournalActor;
}

interface Life {
  readonly amounts: readonly (readonly [entity: number, amount: number])[];
  /** The commit at which the process dies, and whether the store has done it by then. */
  readonly dies: { readonly atCommit: number; readonly done: boolean };
}

const lives: fc.Arbitrary<Life[]> = fc.array(
  fc.record({
    amounts: fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 9 })), { minLength: 1, maxLength: 12 }),
    dies: fc.record({ atCommit: fc.nat(6), done: fc.boolean() }),
  }),
  { minLength: 1, maxLength: 4 },
);

async function live(app: TestApp, { amounts, dies }: Life, accepted: Set<string>, replied: Set<string>): Promise<void> {
  let commits = 0;
  const isTheOne = (): boolean => {
    commits += 1;
    return commits > dies.atCommit;
  };
  app.wal.fail('commit', { when: dies.done ? 'after' : 'before', times: Number.POSITIVE_INFINITY, accepts: isTheOne });
  for (const [entity, amount] of amounts) {
    const enqueued = app.bus.enqueue('journal', 'add', `e${entity}`, { amount });
    enqueued.then(
      ({ id }) => accepted.add(id),
      () => {},
    );
  }
  app.node.events.on('ended', ({ id, state }) => state === 'completed' && replied.add(id));
  await app.settle();
  app.crash();
}

describe('Actors whose process dies at any commit', () => {
  for (const effects of ['any', 'state'] as const) {
    it(`have exactly the changes of the messages that completed, with effects: '${effects}' (I1, I2, I5)`, async () => {
      await fc.assert(
        fc.asyncProperty(lives, async (run) => {
          const setup = { setup: (node: TestApp['node']) => registerActor(node, journalActor(effects)) };
          const accepted = new Set<string>();
          const replied = new Set<string>();
          let app = await createTestApp(setup);
          for (const life of run) {
            await live(app, life, accepted, replied);
            app = await app.restart();
          }
          await app.settle();
          await app.advance(60_000);
          const told = await Promise.all(
            [0, 1, 2].map((entity) =>
              app.drive(app.bus.enqueueAndWait<{ ids: string[]; sum: string }>('journal', 'tell', `e${entity}`, {})),
            ),
          );
          const seen = told.flatMap(({ ids }) => ids);
          const counts = await app.wal.wal.counts(0);
          const letters = (await app.inspect()).deadLetters.map(({ id }) => id);
          // Each change belongs to a completion, and each completion has its change.
          expect(new Set(seen).size).toBe(seen.length);
          expect(seen.length).toBe(counts.completed);
          expect(counts.pending).toBe(0);
          for (const id of replied) expect(seen).toContain(id);
          for (const id of letters) expect(seen).not.toContain(id);
          // Whatever was accepted has a verdict; a state-only message is never interrupted.
          for (const id of accepted) expect([...seen, ...letters]).toContain(id);
          if (effects === 'state') expect(counts.interrupted).toBe(0);
          await app.stop();
        }),
        { numRuns: RUNS },
      );
    });
  }
});
