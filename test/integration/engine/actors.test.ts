import { describe, expect, it } from 'vitest';
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import { createActorLab, storedState } from './actor-lab.js';
import { fate, refusal } from './lab.js';

describe('the state of an actor', () => {
  it('becomes durable in the same commit as the completion', async () => {
    const { lab } = await createActorLab();
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 3 }))).toBe(3);
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 4 }))).toBe(7);
    expect(await storedState(lab, 'a')).toEqual({ sum: 7, seen: [3, 4] });
    const completions = lab.app.wal.requests.flatMap(({ transitions }) =>
      transitions.filter(({ type }) => type === 'complete'),
    );
    expect(completions).toMatchObject([{ state: '{"sum":3,"seen":[3]}' }, { state: '{"sum":7,"seen":[3,4]}' }]);
    await lab.app.stop();
  });

  it('is read once, and woken from what is stored', async () => {
    const { lab, made } = await createActorLab();
    await lab.app.drive(lab.workAndWait('sum/a', { n: 3 }));
    await lab.app.drive(lab.workAndWait('sum/a', { n: 3 }));
    expect(made).toHaveLength(1);
    lab.app.crash();
    lab.app = await lab.app.restart();
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }))).toBe(7);
    expect(made).toHaveLength(2);
    await lab.app.stop();
  });

  it('is as it was when a handler fails, in memory too, also between two attempts', async () => {
    const { lab } = await createActorLab({ retry: { maxAttempts: 2, backoffDelay: 10 } });
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    expect((await refusal(lab.app.drive(lab.workAndWait('sum/a', { n: 10, failures: 9 })))).code).toBe(
      'HANDLER_FAILED',
    );
    expect(await lab.app.drive(lab.ask('sum/a', { n: 0 }))).toEqual({ sum: 1, seen: [1, 0] });
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 100, failures: 1 }))).toBe(101);
    expect(await storedState(lab, 'a')).toEqual({ sum: 101, seen: [1, 100] });
    await lab.app.stop();
  });

  it('that cannot be stored fails the message, names the field, and is as it was before', async () => {
    const { lab } = await createActorLab({ retry: { maxAttempts: 3, backoffDelay: 10 } });
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    const spoils = { n: 5, spoils: true } as const;
    const refused = await refusal(lab.app.drive(lab.workAndWait('sum/a', spoils)));
    expect(refused.code).toBe('HANDLER_FAILED');
    expect(String((refused.cause as Error).message)).toContain('"spoilt"');
    expect(lab.order('sum/a')).toEqual([1, 5]);
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 2 }))).toBe(3);
    await lab.app.stop();
  });

  it('that cannot be woken fails the message, and the line goes on', async () => {
    let attempts = 0;
    const { lab } = await createActorLab(
      {},
      {
        binding: {
          wake: () => {
            attempts += 1;
            throw new Error('no state like that');
          },
        },
      },
    );
    const first = fate(lab.workAndWait('sum/a', { n: 1 }));
    const second = fate(lab.workAndWait('sum/a', { n: 2 }));
    await lab.app.settle();
    expect([first.code, second.code, attempts]).toEqual(['HANDLER_FAILED', 'HANDLER_FAILED', 2]);
    await lab.app.stop();
  });

  it('may be woken by someone who takes time', async () => {
    const { lab } = await createActorLab({}, { binding: { wake: async (_type, _id, stored) => make(stored) } });
    const make = (stored: string | undefined) => ({
      run: () => stored ?? 'nothing stored',
      snapshot: () => '"known"',
      kept: () => {},
      restore: () => {},
    });
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }))).toBe('nothing stored');
    lab.app.crash();
    lab.app = await lab.app.restart();
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }))).toBe('"known"');
    await lab.app.stop();
  });

  it('does not keep what a query changes', async () => {
    const { lab } = await createActorLab();
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    expect(await lab.app.drive(lab.ask('sum/a', { n: 50 }))).toEqual({ sum: 51, seen: [1, 50] });
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 2 }))).toBe(3);
    expect(await storedState(lab, 'a')).toEqual({ sum: 3, seen: [1, 2] });
    await lab.app.stop();
  });

  it('does not keep what a durable query changes', async () => {
    const { lab } = await createActorLab({ entities: { sum: { queries: 'durable' } } });
    expect(await lab.app.drive(lab.ask('sum/a', { n: 50 }))).toEqual({ sum: 50, seen: [50] });
    expect(await storedState(lab, 'a')).toBeUndefined();
    await lab.app.stop();
  });

  it('goes when it says so', async () => {
    const { lab } = await createActorLab();
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    const clears = { n: 2, clears: true } as const;
    await lab.app.drive(lab.workAndWait('sum/a', clears));
    expect(await storedState(lab, 'a')).toBeUndefined();
    await lab.app.stop();
  });

  it('lives with its instance only without statePersistence', async () => {
    const { lab } = await createActorLab({}, { binding: { persistence: false } });
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }))).toBe(2);
    expect(await storedState(lab, 'a')).toBeUndefined();
    lab.app.crash();
    lab.app = await lab.app.restart();
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }))).toBe(1);
    await lab.app.stop();
  });

  it('is forgotten after stateTTL, in memory as in the store', async () => {
    const { lab, made } = await createActorLab({}, { binding: { stateTtlMs: 5_000 } });
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    await lab.app.advance(4_000);
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }))).toBe(2);
    await lab.app.advance(4_000);
    expect(await lab.app.drive(lab.ask('sum/a', { n: 0 }))).toMatchObject({ sum: 2 });
    await lab.app.advance(1_001);
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }))).toBe(1);
    expect(made).toHaveLength(2);
    expect(lab.app.log.of('actorPassivated')).toMatchObject([{ reason: 'expired' }]);
    await lab.app.stop();
  });

  it('that was found in the store with a stateTTL is looked at again, since its time is not known', async () => {
    const { lab } = await createActorLab({}, { binding: { stateTtlMs: 5_000 } });
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    await lab.app.stop();
    await lab.app.runtime.advance(3_000);
    lab.app = await lab.app.restart();
    expect(await lab.app.drive(lab.ask('sum/a', { n: 0 }))).toMatchObject({ sum: 1 });
    await lab.app.advance(2_001);
    expect(await lab.app.drive(lab.ask('sum/a', { n: 0 }))).toMatchObject({ sum: 0 });
    await lab.app.stop();
  });

  it('is not touched by what a handler does that was given up: the next message gets it from the store (M18)', async () => {
    const { lab, made } = await createActorLab();
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    const { id } = await lab.app.drive(lab.work('sum/a', { n: 10, hang: true }));
    const next = fate(lab.workAndWait('sum/a', { n: 100 }));
    await lab.app.settle();
    expect(await lab.app.drive(lab.app.bus.release(id))).toBe(true);
    await lab.app.settle();
    expect(next).toMatchObject({ state: 'resolved', value: 101 });
    expect(made).toHaveLength(2);
    lab.let(10);
    await lab.app.settle();
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1_000 }))).toBe(1_101);
    expect(await lab.app.status(id)).toMatchObject({ state: 'interrupted' });
    await lab.app.stop();
  });

  it('is of no use to a plain handler, which shares the line (I3, I4)', async () => {
    const { lab } = await createActorLab({}, { setup: plain });
    const answers = [
      lab.workAndWait('sum/a', { n: 1, ms: 10 }),
      lab.app.bus.enqueueAndWait('sum', 'Plain', 'a', { n: 2, ms: 10 }),
      lab.workAndWait('sum/a', { n: 3 }),
    ];
    expect(await lab.app.drive(Promise.all(answers))).toEqual([1, undefined, 4]);
    expect(lab.order('sum/a')).toEqual([1, 2, 3]);
    expect(lab.overlaps).toEqual([]);
    await lab.app.stop();
  });

  function plain(
    node: AtomicQueuesNode,
    lab: Parameters<NonNullable<Parameters<typeof createActorLab>[1]>['setup'] & {}>[1],
  ) {
    node.handle('sum', 'Plain', (script, context) => lab.perform(script as { n: number }, context));
  }

  it('waits in memory for what is on its way, when the line runs ahead of the commits (dispatchAhead)', async () => {
    const { lab } = await createActorLab({ entities: { sum: { dispatchAhead: 4 } } });
    const answers = Array.from({ length: 12 }, (_, n) => lab.workAndWait('sum/a', { n: n + 1 }));
    expect(await lab.app.drive(Promise.all(answers))).toEqual([1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78]);
    await lab.app.stop();
  });
});

describe('the residents of a node', () => {
  it('are at most maxResidentActors; the least recently used goes first and comes back from the store', async () => {
    const { lab, made } = await createActorLab({ maxResidentActors: 2 });
    for (const id of ['a', 'b', 'a', 'c', 'a', 'b']) await lab.app.drive(lab.workAndWait(`sum/${id}`, { n: 1 }));
    expect(lab.app.log.of('actorPassivated').map(({ entityId, reason }) => [entityId, reason])).toEqual([
      ['b', 'evicted'],
      ['c', 'evicted'],
    ]);
    expect(made).toHaveLength(4);
    expect(await storedState(lab, 'b')).toEqual({ sum: 2, seen: [1, 1] });
    expect(lab.app.node.engine.share.actors.size).toBe(2);
    await lab.app.stop();
    expect(lab.app.node.engine.share.actors.size).toBe(0);
  });

  it('stay while they are at work, above the limit if need be', async () => {
    const { lab } = await createActorLab({ maxResidentActors: 1 });
    const answers = ['a', 'b', 'c'].map((id, index) => lab.workAndWait(`sum/${id}`, { n: index + 1, ms: 10 }));
    expect(await lab.app.drive(Promise.all(answers))).toEqual([1, 2, 3]);
    await lab.app.drive(lab.workAndWait('sum/d', { n: 4 }));
    expect(lab.app.node.engine.share.actors.size).toBe(1);
    await lab.app.stop();
  });

  it('go when they were idle for their time, without a timer of their own, and outlive their worker', async () => {
    const { lab } = await createActorLab(
      { entities: { sum: { workerIdleTimeout: 1_000 } } },
      { binding: { idleTimeoutMs: 10_000 } },
    );
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    await lab.app.advance(5_000);
    expect(lab.app.log.of('workerRemoved')).toHaveLength(1);
    expect(lab.app.node.engine.share.actors.size).toBe(1);
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }))).toBe(2);
    expect(lab.app.log.of('actorWoken')).toHaveLength(1);
    await lab.app.advance(11_500);
    expect(lab.app.log.of('actorPassivated')).toMatchObject([{ entityId: 'a', reason: 'idle' }]);
    await lab.app.stop();
  });

  it('go with their worker still there, when their time is shorter', async () => {
    const { lab } = await createActorLab({}, { binding: { idleTimeoutMs: 0 } });
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    await lab.app.advance(2_500);
    expect(lab.app.node.engine.share.actors.size).toBe(0);
    expect(lab.app.log.of('workerRemoved')).toEqual([]);
    expect(await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }))).toBe(2);
    await lab.app.stop();
  });
});
