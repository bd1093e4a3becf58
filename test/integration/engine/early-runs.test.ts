/** State-only handlers that run before their messages are durable, and what becomes of such a run when something comes first. */
import { describe, expect, it } from 'vitest';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { FaultyWal } from '../../../src/testing/faulty-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import type { OfferedTransition } from '../../../src/wal/wal.js';
import { sqliteFactory } from '../sqlite/store-folder.js';
import { type ActorLab, type ActorScript, createActorLab, storedState } from './actor-lab.js';
import { fate, type Lab } from './lab.js';

const add = (n: number, more: Partial<ActorScript> = {}): ActorScript => ({ n, sync: true, ...more });

/** The actor of entity `a` is in memory, and has seen 1. */
async function createAwake(config: AtomicQueuesConfig = {}): Promise<ActorLab & { readonly tookBack: string[] }> {
  const made = await createActorLab(config, { binding: { effects: 'state' } });
  await made.lab.app.drive(made.lab.workAndWait('sum/a', add(1)));
  const tookBack: string[] = [];
  made.lab.app.node.events.on('tookBack', ({ entityId, attempt }) => tookBack.push(`${entityId} ${attempt}`));
  made.lab.app.wal.requests.length = 0;
  return { ...made, tookBack };
}

const offered = (n: number, more: Partial<ActorScript> = {}): OfferedTransition => ({
  type: 'append',
  message: {
    id: `o${n}`,
    kind: 'command',
    entityType: 'sum',
    entityId: 'a',
    name: 'Work',
    payload: JSON.stringify(add(n, more)),
  },
});

let numbers = 0;
const offer = (lab: Lab, transition: OfferedTransition): Promise<void> => {
  numbers += 1;
  return lab.app.wal.wal.offer(0, [{ session: `s${numbers}`, number: 1, transition }]);
};

const sent = (lab: Lab): readonly Transition[] => lab.app.wal.requests.flatMap((request) => request.transitions);

describe('a state-only actor that is awake', () => {
  it('has a message accepted and completed by one transition, many of them in a commit (I2)', async () => {
    const { lab } = await createAwake();
    const answers = Array.from({ length: 50 }, (_, n) => lab.workAndWait('sum/a', add(n)));
    expect(await lab.app.drive(Promise.all(answers))).toEqual(
      Array.from({ length: 50 }, (_, n) => 1 + (n * (n + 1)) / 2),
    );
    expect(lab.app.wal.requests.filter(({ transitions }) => transitions.length > 0)).toHaveLength(1);
    expect(sent(lab).every((each) => each.type === 'append' && each.completes !== undefined)).toBe(true);
    expect((await storedState(lab, 'a'))?.sum).toBe(1_226);
    const counts = await lab.app.wal.wal.counts(0);
    expect([counts.accepted, counts.completed, counts.pending]).toEqual([51, 51, 0]);
    await lab.app.stop();
  });

  it('tells nobody anything before that commit is durable (I1, I5)', async () => {
    const { lab } = await createAwake();
    const open = lab.app.wal.hold('commit');
    const told: string[] = [];
    for (const name of ['accepted', 'ended'] as const) lab.app.node.events.on(name, () => told.push(name));
    const waited = fate(lab.workAndWait('sum/a', add(2)));
    const taken = fate(lab.work('sum/a', add(3)));
    await lab.app.settle();
    expect(lab.order('sum/a')).toEqual([1, 2, 3]);
    expect([waited.state, taken.state, told]).toEqual(['pending', 'pending', []]);
    open();
    await lab.app.settle();
    expect([waited.state, taken.state, told]).toEqual([
      'resolved',
      'resolved',
      ['accepted', 'ended', 'accepted', 'ended'],
    ]);
    await lab.app.stop();
  });

  it('runs again what had run before a message that was handed in earlier, and only that counts (I4)', async () => {
    const { lab, tookBack } = await createAwake();
    await offer(lab, offered(10));
    const answers = [2, 3].map((n) => lab.workAndWait('sum/a', add(n)));
    expect(await lab.app.drive(Promise.all(answers))).toEqual([13, 16]);
    expect(lab.started.map(({ n, attempt }) => [n, attempt])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [10, 1],
      [2, 1],
      [3, 1],
    ]);
    expect(tookBack).toEqual(['a 1', 'a 1']);
    expect(await storedState(lab, 'a')).toEqual({ sum: 16, seen: [1, 10, 2, 3] });
    await lab.app.stop();
  });

  it('runs again also what came while the commit with that message was under way', async () => {
    const { lab } = await createAwake();
    await offer(lab, offered(10));
    const open = lab.app.wal.hold('commit');
    const first = fate(lab.workAndWait('sum/a', add(2)));
    await lab.app.settle();
    const later = [3, 4].map((n) => fate(lab.workAndWait('sum/a', add(n))));
    await lab.app.settle();
    expect(lab.order('sum/a')).toEqual([1, 2, 3, 4]);
    open();
    await lab.app.settle();
    expect([first, ...later].map(({ value }) => value)).toEqual([13, 16, 20]);
    expect(lab.order('sum/a')).toEqual([1, 2, 3, 4, 10, 2, 3, 4]);
    expect(await storedState(lab, 'a')).toEqual({ sum: 20, seen: [1, 10, 2, 3, 4] });
    // From here on as before.
    lab.app.wal.requests.length = 0;
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(5)))).toBe(25);
    expect(sent(lab)).toMatchObject([{ type: 'append', completes: { state: expect.any(String) } }]);
    await lab.app.stop();
  });

  it('waits for a handler whose run is dropped before it starts anything else (I3)', async () => {
    const { lab, tookBack } = await createAwake();
    await offer(lab, offered(10));
    const slow = fate(lab.workAndWait('sum/a', { n: 2, hang: true }));
    const behind = fate(lab.workAndWait('sum/a', add(3)));
    await lab.app.settle();
    expect(lab.order('sum/a')).toEqual([1, 2]);
    lab.let(2);
    await lab.app.settle();
    expect([lab.order('sum/a'), tookBack]).toEqual([[1, 2, 10, 2], ['a 1']]);
    lab.let(2);
    await lab.app.settle();
    expect([slow.value, behind.value, lab.overlaps]).toEqual([13, 16, []]);
    expect(await storedState(lab, 'a')).toEqual({ sum: 16, seen: [1, 10, 2, 3] });
    await lab.app.stop();
  });

  it('goes on with a slow handler whose message has got its place meanwhile', async () => {
    const { lab, tookBack } = await createAwake();
    const slow = fate(lab.workAndWait('sum/a', { n: 2, hang: true }));
    const behind = fate(lab.workAndWait('sum/a', add(3)));
    await lab.app.settle();
    const { pending } = await lab.app.inspect();
    expect(pending.map(({ state }) => state)).toEqual(['enqueued', 'enqueued']);
    lab.let(2);
    await lab.app.settle();
    expect([slow.value, behind.value, lab.order('sum/a'), tookBack]).toEqual([3, 6, [1, 2, 3], []]);
    await lab.app.stop();
  });

  it('keeps the outcome of a handler that settles while its append is on the way, for its place', async () => {
    const { lab } = await createAwake();
    const open = lab.app.wal.hold('commit');
    const slow = fate(lab.workAndWait('sum/a', { n: 2, hang: true }));
    const failing = fate(lab.workAndWait('sum/a', add(10, { fails: true })));
    await lab.app.settle();
    lab.let(2);
    await lab.app.settle();
    const last = fate(lab.workAndWait('sum/a', add(3)));
    await lab.app.settle();
    expect(lab.order('sum/a')).toEqual([1, 2]);
    open();
    await lab.app.settle();
    expect([slow.value, failing.code, last.value]).toEqual([3, 'HANDLER_FAILED', 6]);
    expect(lab.order('sum/a')).toEqual([1, 2, 10, 3]);
    expect(await storedState(lab, 'a')).toEqual({ sum: 6, seen: [1, 2, 3] });
    await lab.app.stop();
  });

  it('does not send what ran behind such an outcome with an append that goes before it (I4)', async () => {
    const { lab } = await createAwake();
    const open = lab.app.wal.hold('commit');
    const slow = fate(lab.workAndWait('sum/a', { n: 2, hang: true }));
    await lab.app.settle();
    // Its append waits for the next commit, ahead of what the slow one leaves.
    const behind = fate(lab.workAndWait('sum/a', add(3)));
    await lab.app.settle();
    lab.let(2);
    await lab.app.settle();
    open();
    await lab.app.settle();
    // A store that trusts its owner would not notice; this one would have it run again.
    expect([slow.value, behind.value, lab.order('sum/a')]).toEqual([3, 6, [1, 2, 3]]);
    expect(await storedState(lab, 'a')).toEqual({ sum: 6, seen: [1, 2, 3] });
    await lab.app.stop();
  });

  it('retries what failed before it was durable, in its place, with its attempts counted (I4)', async () => {
    const { lab } = await createAwake({ retry: { maxAttempts: 2, backoffDelay: 1_000 } });
    const answers = [add(2), add(10, { fails: true }), add(3)].map((script) => fate(lab.workAndWait('sum/a', script)));
    await lab.app.settle();
    expect(answers.map(({ state }) => state)).toEqual(['resolved', 'pending', 'pending']);
    await lab.app.advance(1_000);
    expect(lab.started.map(({ n, attempt }) => [n, attempt])).toEqual([
      [1, 1],
      [2, 1],
      [10, 1],
      [10, 2],
      [3, 1],
    ]);
    expect([answers[1]?.code, answers[2]?.value]).toEqual(['HANDLER_FAILED', 6]);
    expect((await lab.app.inspect()).deadLetters).toMatchObject([{ reason: 'failed', attempts: 2 }]);
    await lab.app.stop();
  });

  it('does not run a message early that may be a duplicate or come too late', async () => {
    const { lab } = await createAwake();
    const key = { messageId: 'k' };
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(2), key))).toBe(3);
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(2), key))).toBe(3);
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(3), { expiresInMs: 1_000 }))).toBe(6);
    expect(lab.order('sum/a')).toEqual([1, 2, 3]);
    expect(sent(lab).some((each) => each.type === 'append' && each.completes !== undefined)).toBe(false);
    await lab.app.stop();
  });

  it('leaves nothing of a message in memory that the store refuses (I8)', async () => {
    const { lab } = await createAwake();
    lab.app.wal.fail('commit');
    const refused = fate(lab.workAndWait('sum/a', add(100)));
    await lab.app.settle();
    expect([refused.code, lab.order('sum/a')]).toEqual(['STORE_DEGRADED', [1, 100]]);
    await lab.app.advance(200);
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(2)))).toBe(3);
    expect(await storedState(lab, 'a')).toEqual({ sum: 3, seen: [1, 2] });
    expect(lab.app.node.engine.isIdle).toBe(true);
    await lab.app.stop();
  });

  it('leaves nothing of a slow handler in memory whose message the store refused', async () => {
    const { lab } = await createAwake();
    lab.app.wal.fail('commit');
    const refused = fate(lab.workAndWait('sum/a', { n: 100, hang: true }));
    await lab.app.settle();
    expect(refused.code).toBe('STORE_DEGRADED');
    await lab.app.advance(200);
    const next = fate(lab.workAndWait('sum/a', add(2)));
    await lab.app.settle();
    expect([next.state, lab.order('sum/a')]).toEqual(['pending', [1, 100]]);
    lab.let(100);
    await lab.app.settle();
    expect([next.value, lab.overlaps]).toEqual([3, []]);
    expect(await storedState(lab, 'a')).toEqual({ sum: 3, seen: [1, 2] });
    expect(lab.app.node.engine.isIdle).toBe(true);
    await lab.app.stop();
  });

  it('sends the same again when the answer to it was lost, and it counts once (M1)', async () => {
    const { lab } = await createAwake();
    lab.app.wal.fail('commit', { when: 'after' });
    const answers = [2, 3, 4].map((n) => fate(lab.workAndWait('sum/a', add(n))));
    await lab.app.settle();
    // More comes while nobody knows; it is in another commit.
    const later = fate(lab.workAndWait('sum/a', add(5)));
    await lab.app.advance(200);
    expect([...answers, later].map(({ value, code }) => value ?? code)).toEqual([3, 6, 10, 'STORE_DEGRADED']);
    expect((await storedState(lab, 'a'))?.seen).toEqual([1, 2, 3, 4]);
    expect((await lab.app.wal.wal.counts(0)).completed).toBe(4);
    await lab.app.stop();
  });

  it('has nothing of a run that was paused in the same commit, and runs it when it is resumed', async () => {
    const { lab, tookBack } = await createAwake();
    const open = lab.app.wal.hold('commit');
    void lab.work('sum/b', add(7));
    await lab.app.settle();
    const paused = fate(lab.app.bus.pause('sum', 'a'));
    await lab.app.settle();
    const taken = fate(lab.work('sum/a', add(2)));
    await lab.app.settle();
    expect(lab.order('sum/a')).toEqual([1, 2]);
    open();
    await lab.app.settle();
    expect([paused.state, taken.state]).toEqual(['resolved', 'resolved']);
    expect(await storedState(lab, 'a')).toEqual({ sum: 1, seen: [1] });
    await lab.app.drive(lab.app.bus.resume('sum', 'a'));
    await lab.app.settle();
    expect([lab.order('sum/a'), tookBack]).toEqual([[1, 2, 2], ['a 1']]);
    expect(await storedState(lab, 'a')).toEqual({ sum: 3, seen: [1, 2] });
    await lab.app.stop();
  });

  it('cannot have a message withdrawn, by the commit that takes it in, that already runs (I5)', async () => {
    const { lab } = await createAwake();
    const open = lab.app.wal.hold('commit');
    void lab.work('sum/b', add(7));
    await lab.app.settle();
    const slow = fate(lab.workAndWait('sum/a', { n: 2, hang: true }, { timeoutMs: 10, cancelOnTimeout: true }));
    await lab.app.advance(20);
    expect(slow.code).toBe('REPLY_TIMEOUT');
    open();
    await lab.app.settle();
    expect(sent(lab).map(({ type }) => type)).toContain('cancel');
    lab.let(2);
    await lab.app.settle();
    expect(await storedState(lab, 'a')).toEqual({ sum: 3, seen: [1, 2] });
    expect((await lab.app.wal.wal.counts(0)).cancelled).toBe(0);
    await lab.app.stop();
  });

  it('answers a query with nothing that is not durable (M15)', async () => {
    const { lab } = await createAwake();
    await offer(lab, offered(10));
    const open = lab.app.wal.hold('commit');
    void lab.work('sum/a', add(2));
    const asked = fate(lab.ask('sum/a', add(100)));
    await lab.app.settle();
    expect([asked.state, lab.order('sum/a')]).toEqual(['pending', [1, 2]]);
    open();
    await lab.app.settle();
    expect(asked.value).toEqual({ sum: 113, seen: [1, 10, 2, 100] });
    expect(await storedState(lab, 'a')).toEqual({ sum: 13, seen: [1, 10, 2] });
    await lab.app.stop();
  });

  it('is stopped in order with a run before its message is durable: it is in the store, and runs with the next start', async () => {
    const { lab } = await createAwake({ shutdownTimeout: 100 });
    void lab.work('sum/a', { n: 2, hang: true });
    await lab.app.settle();
    await lab.app.stop();
    lab.app = await lab.app.restart();
    await lab.app.settle();
    lab.let(2);
    await lab.app.settle();
    expect(await storedState(lab, 'a')).toEqual({ sum: 3, seen: [1, 2] });
    await lab.app.stop();
  });

  it('tells those who wait that nothing is known when the store goes for good, and keeps nothing in memory', async () => {
    const { lab } = await createAwake();
    lab.app.wal.fail('commit', { when: 'after', times: 1_000 });
    const slow = fate(lab.workAndWait('sum/a', add(2)));
    await lab.app.settle();
    lab.app.crash();
    lab.app = await lab.app.restart();
    expect(slow.state).toBe('pending');
    await lab.app.settle();
    expect(await storedState(lab, 'a')).toEqual({ sum: 3, seen: [1, 2] });
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(3)))).toBe(6);
    await lab.app.stop();
  });

  it('runs nothing early behind such an outcome, whatever stands behind it', async () => {
    const { lab } = await createAwake();
    const open = lab.app.wal.hold('commit');
    const slow = fate(lab.workAndWait('sum/a', { n: 2, hang: true }));
    await lab.app.settle();
    const behind = fate(lab.workAndWait('sum/a', add(3)));
    const keyed = fate(lab.workAndWait('sum/a', add(4), { messageId: 'k' }));
    await lab.app.settle();
    lab.let(2);
    await lab.app.settle();
    open();
    await lab.app.settle();
    expect([slow.value, behind.value, keyed.value, lab.order('sum/a')]).toEqual([3, 6, 10, [1, 2, 3, 4]]);
    await lab.app.stop();
  });

  it('loses no state in a store that trusts its owner (M15)', async () => {
    const stored = await sqliteFactory({ flushes: false, verifyLineOrder: false }).create({
      clusterId: 'trusting',
    } as never);
    const wal = new FaultyWal(stored.wal);
    const { lab } = await createActorLab({}, { binding: { effects: 'state' }, wrapWal: () => wal });
    await lab.app.drive(lab.workAndWait('sum/a', add(1)));
    const open = wal.hold('commit');
    const slow = fate(lab.workAndWait('sum/a', { n: 2, hang: true }));
    await lab.app.settle();
    const behind = fate(lab.workAndWait('sum/a', add(3)));
    const query = fate(lab.ask('sum/a', add(100)));
    await lab.app.settle();
    lab.let(2);
    await lab.app.settle();
    open();
    await lab.app.settle();
    expect([slow.value, behind.value, query.state]).toEqual([3, 6, 'resolved']);
    const [text] = await stored.wal.actorStates(0, [{ entityType: 'sum', entityId: 'a' }]);
    expect(JSON.parse(text ?? '{}')).toEqual({ sum: 6, seen: [1, 2, 3] });
    await lab.app.stop();
  });

  it('goes on when a message whose dropped run is still at work is withdrawn', async () => {
    const { lab } = await createAwake({ maxRunningHandlers: 1 });
    const open = lab.app.wal.hold('commit');
    void lab.work('sum/b', add(7));
    await lab.app.settle();
    const slow = fate(lab.work('sum/a', { n: 2, hang: true }));
    await lab.app.settle();
    await offer(lab, offered(10));
    open();
    await lab.app.settle();
    expect([slow.state, lab.order('sum/a')]).toEqual(['resolved', [1, 2]]);
    expect(await lab.app.drive(lab.app.bus.cancel((slow.value as { id: string }).id))).toBe(true);
    lab.let(2);
    await lab.app.settle();
    const next = fate(lab.workAndWait('sum/a', add(3)));
    await lab.app.settle();
    expect([next.value, lab.order('sum/a'), lab.app.node.engine.isIdle]).toEqual([14, [1, 2, 10, 3], true]);
    await lab.app.stop();
  });

  it('answers a run that was dropped for a message that was withdrawn with the same commit', async () => {
    const { lab } = await createAwake();
    await offer(lab, offered(10));
    await offer(lab, { type: 'cancel', id: 'o10' });
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(2)))).toBe(3);
    expect((await storedState(lab, 'a'))?.seen).toEqual([1, 2]);
    await lab.app.stop();
  });

  it('lives on when the store refuses messages that wait for their turn to run (I8)', async () => {
    const { lab } = await createAwake();
    for (const id of ['b', 'c', 'd']) await lab.app.drive(lab.workAndWait(`sum/${id}`, add(1)));
    lab.app.wal.fail('commit');
    const refused = ['a', 'b', 'c', 'd'].flatMap((id) =>
      Array.from({ length: 200 }, () => fate(lab.workAndWait(`sum/${id}`, add(2)))),
    );
    await lab.app.settle();
    await lab.app.advance(500);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['STORE_DEGRADED']));
    expect(lab.app.node.engine.phase).toBe('running');
    expect(await lab.app.drive(lab.workAndWait('sum/a', add(3)))).toBe(4);
    await lab.app.stop();
  });

  it('wakes no actor from an older state for a run that was dropped before it began (M15)', async () => {
    const { lab } = await createAwake();
    for (const id of ['b', 'd', 'e']) await lab.app.drive(lab.workAndWait(`sum/${id}`, add(1)));
    // What 2 leaves waits behind the commit that takes in the offer.
    const slow = fate(lab.workAndWait('sum/a', { n: 2, hang: true }));
    await lab.app.settle();
    const open = lab.app.wal.hold('commit');
    void lab.work('sum/c', add(7));
    await lab.app.settle();
    lab.let(2);
    await lab.app.settle();
    await offer(lab, offered(10));
    // So many have started in this turn that the next one waits for its own.
    for (let n = 0; n < 200; n += 1) for (const id of ['b', 'd', 'e']) void lab.work(`sum/${id}`, add(2));
    for (let n = 0; n < 10_000; n += 1) await Promise.resolve();
    open();
    const early = fate(lab.workAndWait('sum/a', add(3)));
    await lab.app.settle();
    expect((await storedState(lab, 'a'))?.seen).toEqual([1, 2, 10, 3]);
    expect([slow.value, early.value]).toEqual([3, 16]);
    await lab.app.stop();
  });

  it('goes on when an operator releases a dropped run that does not settle: its message runs again (M18)', async () => {
    const { lab } = await createAwake();
    const open = lab.app.wal.hold('commit');
    void lab.work('sum/b', add(7));
    await lab.app.settle();
    const slow = fate(lab.work('sum/a', { n: 2, hang: true }));
    await lab.app.settle();
    await offer(lab, offered(10));
    open();
    await lab.app.settle();
    expect(await lab.app.drive(lab.app.bus.release((slow.value as { id: string }).id))).toBe(true);
    await lab.app.settle();
    expect((await storedState(lab, 'a'))?.seen).toEqual([1, 10]);
    expect(lab.order('sum/a')).toEqual([1, 2, 10, 2]);
    await lab.app.stop();
  });

  it('leaves a handler alone that cannot be released, because its message is not in the store', async () => {
    const { lab } = await createAwake();
    const open = lab.app.wal.hold('commit');
    const slow = fate(lab.workAndWait('sum/a', { n: 2, hang: true }));
    await lab.app.settle();
    const [item] = lab.app.node.engine.running();
    expect(lab.app.node.engine.operations.release(item?.id ?? '')).toBe(false);
    expect(lab.contexts.at(-1)?.signal.aborted).toBe(false);
    lab.let(2);
    open();
    await lab.app.settle();
    expect(slow.value).toBe(3);
    await lab.app.stop();
  });
});
