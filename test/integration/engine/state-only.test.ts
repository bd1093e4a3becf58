import { describe, expect, it } from 'vitest';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';
import { type ActorLab, type ActorScript, createActorLab, storedState } from './actor-lab.js';
import { fate, type Lab } from './lab.js';

const createStateLab = (config: AtomicQueuesConfig = {}): Promise<ActorLab> =>
  createActorLab(config, { binding: { effects: 'state' } });

const add = (n: number, more: Partial<ActorScript> = {}): ActorScript => ({ n, sync: true, ...more });
const transitions = (lab: Lab, type: string) =>
  lab.app.wal.requests.map((request) => request.transitions.filter((each) => each.type === type));

describe('a state-only actor', () => {
  it('runs many messages with one commit of their outcomes, and never marks one as started (I2)', async () => {
    const { lab } = await createStateLab();
    const answers = Array.from({ length: 50 }, (_, n) => lab.workAndWait('sum/a', add(n)));
    expect(await lab.app.drive(Promise.all(answers))).toEqual(Array.from({ length: 50 }, (_, n) => (n * (n + 1)) / 2));
    expect(transitions(lab, 'dispatch').flat()).toEqual([]);
    const completions = transitions(lab, 'complete').filter((each) => each.length > 0);
    expect(completions.map((each) => each.length)).toEqual([50]);
    expect(completions.flat().every((each) => 'starts' in each && each.starts === true)).toBe(true);
    expect((await storedState(lab, 'a'))?.sum).toBe(1_225);
    await lab.app.stop();
  });

  it('answers nobody before the commit, and goes on meanwhile', async () => {
    const { lab } = await createStateLab();
    const first = fate(lab.workAndWait('sum/a', add(1)));
    await lab.app.settle();
    expect(first.state).toBe('resolved');
    const open = lab.app.wal.hold('commit');
    const second = fate(lab.workAndWait('sum/a', add(2)));
    await lab.app.settle();
    expect([second.state, lab.order('sum/a')]).toEqual(['pending', [1, 2]]);
    open();
    await lab.app.settle();
    expect(second).toMatchObject({ state: 'resolved', value: 3 });
    await lab.app.stop();
  });

  it('runs on while a commit is under way, up to a bound (I10)', async () => {
    const { lab } = await createStateLab();
    await lab.app.drive(lab.workAndWait('sum/a', add(0)));
    await lab.app.drive(lab.app.bus.pause('sum', 'a'));
    for (let n = 1; n <= 300; n += 1) void lab.work('sum/a', add(n));
    await lab.app.settle();
    await lab.app.drive(lab.app.bus.resume('sum', 'a'));
    await lab.app.settle();
    // The commits that end them: as many as fit are on their way at one time.
    const most = Math.max(...transitions(lab, 'complete').map((each) => each.length));
    expect(most).toBeLessThanOrEqual(256);
    expect(most).toBeGreaterThan(100);
    expect(lab.order('sum/a')).toEqual(Array.from({ length: 301 }, (_, n) => n));
    await lab.app.stop();
  });

  it('lets a query see only what is durable (M15)', async () => {
    const { lab } = await createStateLab();
    await lab.app.drive(lab.workAndWait('sum/a', add(1)));
    void lab.work('sum/a', add(2));
    void lab.work('sum/a', add(3));
    await lab.app.runtime.settle();
    const open = lab.app.wal.hold('commit');
    void lab.work('sum/a', add(4));
    const asked = fate(lab.ask('sum/a', add(100)));
    await lab.app.settle();
    expect(asked.state).toBe('pending');
    open();
    await lab.app.settle();
    expect(asked).toMatchObject({ state: 'resolved', value: { sum: 110, seen: [1, 2, 3, 4, 100] } });
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(5)))).toBe(15);
    await lab.app.stop();
  });

  it('runs again from the committed state after a crash, and nothing of the lost run shows (I2)', async () => {
    const { lab } = await createStateLab();
    await lab.app.drive(lab.workAndWait('sum/a', add(1)));
    // The outcomes never reach the store.
    lab.app.wal.fail('commit', {
      times: 1_000,
      accepts: (request) => request.transitions.some(({ type }) => type === 'complete'),
    });
    const lost = [2, 3, 4].map((n) => fate(lab.workAndWait('sum/a', add(n), { messageId: `k${n}` })));
    await lab.app.settle();
    expect(lab.order('sum/a')).toEqual([1, 2, 3, 4]);
    expect(lost.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
    lab.app.crash();
    lab.app = await lab.app.restart();
    await lab.app.settle();
    expect(lab.order('sum/a')).toEqual([1, 2, 3, 4, 2, 3, 4]);
    expect(await storedState(lab, 'a')).toEqual({ sum: 10, seen: [1, 2, 3, 4] });
    expect((await lab.app.inspect()).deadLetters).toEqual([]);
    await lab.app.stop();
  });

  it('keeps what succeeded when one in the middle fails, and holds those behind it until it has settled (I4)', async () => {
    const { lab } = await createStateLab({ retry: { maxAttempts: 2, backoffDelay: 1_000 } });
    const answers = [
      lab.workAndWait('sum/a', add(1)),
      lab.workAndWait('sum/a', add(10, { fails: true })),
      lab.workAndWait('sum/a', add(100)),
    ].map(fate);
    await lab.app.settle();
    expect(answers.map(({ state }) => state)).toEqual(['resolved', 'pending', 'pending']);
    expect(lab.order('sum/a')).toEqual([1, 10]);
    await lab.app.advance(1_000);
    expect(lab.started.map(({ n, attempt }) => [n, attempt])).toEqual([
      [1, 1],
      [10, 1],
      [10, 2],
      [100, 1],
    ]);
    expect(answers[1]?.code).toBe('HANDLER_FAILED');
    expect(answers[2]).toMatchObject({ state: 'resolved', value: 101 });
    const { deadLetters } = await lab.app.inspect();
    expect(deadLetters).toMatchObject([{ reason: 'failed', attempts: 2 }]);
    await lab.app.stop();
  });

  it('takes handlers that take time, one after the other (I3)', async () => {
    const { lab } = await createStateLab();
    const answers = [1, 2, 3].map((n) => lab.workAndWait('sum/a', { n, ms: 10 }));
    expect(await lab.app.drive(Promise.all(answers))).toEqual([1, 3, 6]);
    expect(lab.overlaps).toEqual([]);
    await lab.app.stop();
  });

  it('cannot have a message withdrawn that it runs or ran already (I5)', async () => {
    const { lab } = await createStateLab();
    const { id } = await lab.app.drive(lab.work('sum/a', { n: 1, hang: true }));
    const behind = await lab.app.drive(lab.work('sum/a', { n: 2 }));
    await lab.app.settle();
    expect(await lab.app.drive(lab.app.bus.cancel(id))).toBe(false);
    expect(await lab.app.drive(lab.app.bus.cancel(behind.id))).toBe(true);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order('sum/a')).toEqual([1]);
    expect(await storedState(lab, 'a')).toEqual({ sum: 1, seen: [1] });
    await lab.app.stop();
  });

  it('does not run a message that a commit under way withdraws (I5)', async () => {
    const { lab } = await createStateLab();
    await lab.app.drive(lab.workAndWait('sum/a', add(1)));
    const running = await lab.app.drive(lab.work('sum/a', { n: 2, hang: true }));
    const { id } = await lab.app.drive(lab.work('sum/a', { n: 3 }));
    expect(running.id).not.toBe(id);
    const commit = lab.app.wal.wal.commit.bind(lab.app.wal.wal);
    let answer = (): void => {};
    // The store has withdrawn it, and its answer is still on the way when the message before it ends.
    lab.app.wal.wal.commit = async (request) => {
      const answered = await commit(request);
      if (request.transitions.some(({ type }) => type === 'cancel'))
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      return answered;
    };
    const withdrawn = fate(lab.app.bus.cancel(id));
    await lab.app.settle();
    lab.let(2);
    await lab.app.settle();
    expect(lab.order('sum/a')).toEqual([1, 2]);
    answer();
    await lab.app.settle();
    expect(withdrawn).toMatchObject({ state: 'resolved', value: true });
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(4)))).toBe(7);
    expect(lab.order('sum/a')).toEqual([1, 2, 4]);
    await lab.app.stop();
  });

  it('does not start when its line was paused while it woke, and no query does', async () => {
    const { lab } = await createStateLab();
    const read = lab.app.wal.hold('actorStates');
    const answer = fate(lab.workAndWait('sum/a', add(1)));
    const query = fate(lab.ask('sum/b', { n: 2 }));
    await lab.app.settle();
    await lab.app.drive(lab.app.bus.forEntity('sum').pause());
    read();
    await lab.app.settle();
    expect(lab.started).toEqual([]);
    await lab.app.drive(lab.app.bus.forEntity('sum').resume());
    await lab.app.settle();
    expect([lab.order('sum/a'), lab.order('sum/b')]).toEqual([[1], [2]]);
    expect([answer.state, query.state]).toEqual(['resolved', 'resolved']);
    await lab.app.stop();
  });

  it('ends by its deadline when that passed while it was prepared and did not start after all (I5)', async () => {
    const { lab } = await createStateLab();
    const read = lab.app.wal.hold('actorStates');
    const late = fate(lab.workAndWait('sum/a', add(1), { expiresInMs: 20 }));
    await lab.app.settle();
    await lab.app.drive(lab.app.bus.forEntity('sum', 'a').pause());
    await lab.app.advance(30);
    read();
    await lab.app.advance(10);
    expect(late).toMatchObject({ state: 'rejected', code: 'EXPIRED' });
    expect(lab.order('sum/a')).toEqual([]);
    await lab.app.stop();
  });

  it('does not start a message whose deadline has passed, and finishes one that began in time', async () => {
    const { lab } = await createStateLab();
    const begun = fate(lab.workAndWait('sum/a', { n: 1, ms: 50 }, { expiresInMs: 20 }));
    const late = fate(lab.workAndWait('sum/a', { n: 2 }, { expiresInMs: 20 }));
    await lab.app.advance(100);
    expect(begun).toMatchObject({ state: 'resolved', value: 1 });
    expect(late.code).toBe('EXPIRED');
    expect(lab.order('sum/a')).toEqual([1]);
    await lab.app.stop();
  });

  it('has a message interrupted that an operator releases: it is marked as started first (M18)', async () => {
    const { lab, made } = await createStateLab();
    await lab.app.drive(lab.workAndWait('sum/a', add(1)));
    const { id } = await lab.app.drive(lab.work('sum/a', { n: 2, hang: true }));
    const behind = fate(lab.workAndWait('sum/a', add(4)));
    await lab.app.settle();
    expect(await lab.app.drive(lab.app.bus.release(id))).toBe(true);
    await lab.app.settle();
    expect(behind).toMatchObject({ state: 'resolved', value: 5 });
    expect(made).toHaveLength(2);
    lab.let(2);
    await lab.app.settle();
    expect(await lab.app.status(id)).toMatchObject({ state: 'interrupted' });
    expect((await lab.app.inspect()).deadLetters).toMatchObject([{ reason: 'interrupted', attempts: 1 }]);
    await lab.app.stop();
  });

  it('is run again after a shutdown that did not wait for it: nothing of it is left', async () => {
    const { lab } = await createStateLab({ shutdownTimeout: 100 });
    void lab.work('sum/a', { n: 2, hang: true });
    await lab.app.settle();
    const report = await lab.app.stop();
    expect(report).toMatchObject({ abandoned: [{ entityId: 'a' }], pending: 1 });
    lab.app = await lab.app.restart();
    await lab.app.settle();
    lab.let(2);
    await lab.app.settle();
    expect(await storedState(lab, 'a')).toEqual({ sum: 2, seen: [2] });
    await lab.app.stop();
  });

  it('shares its line with plain handlers, which are marked as started (I2, I4)', async () => {
    const { lab } = await createActorLab(
      {},
      {
        binding: { effects: 'state' },
        setup: (node, self) =>
          node.handle('sum', 'Plain', (script, context) => self.perform(script as { n: number }, context)),
      },
    );
    const answers: Promise<unknown>[] = [];
    for (let n = 1; n <= 30; n += 1) {
      if (n % 3 === 0) answers.push(lab.app.bus.enqueueAndWait('sum', 'Plain', 'a', { n }));
      else answers.push(lab.workAndWait('sum/a', n % 2 === 0 ? add(n) : { n }));
    }
    await lab.app.drive(Promise.all(answers));
    expect(lab.order('sum/a')).toEqual(Array.from({ length: 30 }, (_, n) => n + 1));
    expect(transitions(lab, 'dispatch').flat().length).toBeGreaterThan(0);
    expect((await storedState(lab, 'a'))?.sum).toBe(300);
    await lab.app.stop();
  });

  it('keeps several messages on their way through a lost answer of the store (M1)', async () => {
    const { lab } = await createStateLab();
    lab.app.wal.fail('commit', {
      when: 'after',
      accepts: (request) => request.transitions.some(({ type }) => type === 'complete'),
    });
    const answers = Array.from({ length: 20 }, (_, n) => lab.workAndWait('sum/a', add(n)));
    await lab.app.drive(Promise.all(answers));
    expect((await storedState(lab, 'a'))?.sum).toBe(190);
    await lab.app.stop();
  });

  it('loses nothing but what was not answered, when the store goes for good', async () => {
    const { lab } = await createStateLab();
    await lab.app.drive(lab.workAndWait('sum/a', add(1)));
    lab.app.wal.fail('commit', {
      error: new StoreUnavailableError('gone', 'no', false),
      accepts: (request) => request.transitions.some(({ type }) => type === 'complete'),
    });
    const answers = [2, 3].map((n) => fate(lab.workAndWait('sum/a', add(n), { messageId: `k${n}` })));
    await lab.app.settle();
    expect(answers.map(({ code }) => code)).toEqual(['INDETERMINATE', 'INDETERMINATE']);
    expect(lab.app.node.engine.share.actors.size).toBe(0);
    await lab.app.stop();
    lab.app = await lab.app.restart();
    await lab.app.settle();
    expect(await storedState(lab, 'a')).toEqual({ sum: 6, seen: [1, 2, 3] });
    await lab.app.stop();
  });
});

describe('a message that kills its process', () => {
  it('of a state-only actor runs alone with a durable start then, and ends as interrupted (M13)', async () => {
    const { lab } = await createStateLab({ entities: { sum: { maxInterruptions: 2 } } });
    await lab.app.drive(lab.workAndWait('sum/a', add(1)));
    // Those before it run in memory; at 13 the process ends, before anything that they did is durable.
    for (let n = 10; n <= 16; n += 1) void lab.work('sum/a', n === 13 ? { n, hang: true } : add(n));
    lab.app.wal.fail('commit', {
      times: 1_000,
      accepts: (request) => request.transitions.some(({ type }) => type === 'complete'),
    });
    await lab.app.settle();
    let crashes = 0;
    while (lab.order('sum/a').at(-1) === 13) {
      crashes += 1;
      lab.app.crash();
      lab.app = await lab.app.restart();
      await lab.app.settle();
    }
    // Once unmarked, and then with each start on record: 2 may be interrupted and run again, the third one is the last.
    expect(crashes).toBe(4);
    expect((await lab.app.inspect()).deadLetters).toMatchObject([{ reason: 'interrupted', interruptions: 3 }]);
    expect(await storedState(lab, 'a')).toEqual({
      sum: 1 + 10 + 11 + 12 + 14 + 15 + 16,
      seen: [1, 10, 11, 12, 14, 15, 16],
    });
    await lab.app.stop();
  });
});
