import { describe, expect, it } from 'vitest';
import { createLab, fate, refusal } from './lab.js';

describe('cancel', () => {
  it('withdraws a waiting and a delayed message, not a backing-off one, and its waiter hears CANCELLED', async () => {
    const lab = await createLab({ retry: { maxAttempts: 2, backoffDelay: 1_000 } });
    void lab.work('a', { n: 1, hang: true });
    const ids = [
      await lab.app.drive(lab.work('a', { n: 2 })),
      await lab.app.drive(lab.work('a', { n: 3 }, { delayMs: 500 })),
    ].map((receipt) => receipt.id);
    const retrying = await lab.app.drive(lab.work('b', { n: 4, failures: 1 }));
    const waited = fate(lab.workAndWait('a', { n: 5 }, { messageId: 'm' }));
    await lab.app.settle();
    const five = (await lab.app.inspect()).pending.find(
      ({ state, attempt, id }) => state === 'enqueued' && attempt === 0 && !ids.includes(id),
    );
    for (const id of [...ids, five?.id ?? '']) expect(await lab.app.drive(lab.app.bus.cancel(id))).toBe(true);
    expect(await lab.app.drive(lab.app.bus.cancel(retrying.id))).toBe(false);
    expect(waited.code).toBe('CANCELLED');
    expect(await lab.app.status(ids[0] ?? '')).toMatchObject({ state: 'cancelled' });
    lab.let(1);
    await lab.app.advance(5_000);
    expect(lab.order()).toEqual([1, 4, 4]);
    expect((await lab.app.inspect()).pending).toEqual([]);
    await lab.app.stop();
  });

  it('answers false for what has started, has ended, or was never there', async () => {
    const lab = await createLab();
    const running = await lab.app.drive(lab.work('a', { n: 1, hang: true }));
    const ended = await lab.app.drive(lab.work('b', { n: 2 }));
    await lab.app.settle();
    for (const id of [running.id, ended.id, 'nothing']) expect(await lab.app.drive(lab.app.bus.cancel(id))).toBe(false);
    lab.let(1);
    await lab.app.stop();
  });

  it('that meets the dispatch in one commit decides one way only (I5)', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    const waited = fate(lab.workAndWait('a', { n: 2, reply: 'ran' }));
    await lab.app.settle();
    const id = (await lab.app.inspect()).pending[1]?.id ?? '';
    const cancelled = lab.app.bus.cancel(id);
    lab.let(1);
    expect(await lab.app.drive(cancelled)).toBe(true);
    expect(waited.code).toBe('CANCELLED');
    expect(lab.order()).toEqual([1]);
    expect(
      lab.app.log
        .of('ended')
        .map(({ state }) => state)
        .sort(),
    ).toEqual(['cancelled', 'completed']);
    await lab.app.stop();
  });
});

describe('messageId', () => {
  it('makes of two enqueues one message, whether the first one is in the same commit, pending, or has ended', async () => {
    const lab = await createLab();
    const both = await lab.app.drive(
      Promise.all([
        lab.work('a', { n: 1, hang: true }, { messageId: 'k' }),
        lab.work('a', { n: 2 }, { messageId: 'k' }),
      ]),
    );
    expect(both[1].id).toBe(both[0].id);
    expect((await lab.app.drive(lab.work('a', { n: 3 }, { messageId: 'k' }))).id).toBe(both[0].id);
    lab.let(1);
    await lab.app.settle();
    expect((await lab.app.drive(lab.work('a', { n: 4 }, { messageId: 'k' }))).id).toBe(both[0].id);
    expect(lab.order()).toEqual([1]);
    const other = await lab.app.drive(lab.work('b', { n: 5 }, { messageId: 'k' }));
    expect(other.id).not.toBe(both[0].id);
    expect(lab.order()).toEqual([1, 5]);
    await lab.app.stop();
  });

  it("gives every later waiter the first one's verdict (I5)", async () => {
    const lab = await createLab();
    const fates = [
      fate(lab.workAndWait('a', { n: 1, hang: true, reply: 'x' }, { messageId: 'k' })),
      fate(lab.workAndWait('a', { n: 2 }, { messageId: 'k' })),
    ];
    await lab.app.settle();
    fates.push(fate(lab.workAndWait('a', { n: 3 }, { messageId: 'k' })));
    await lab.app.settle();
    expect(fates.map((each) => each.state)).toEqual(['pending', 'pending', 'pending']);
    lab.let(1);
    await lab.app.settle();
    fates.push(fate(lab.workAndWait('a', { n: 4 }, { messageId: 'k' })));
    await lab.app.settle();
    expect(fates.map((each) => each.value)).toEqual(['let 1', 'let 1', 'let 1', 'let 1']);
    const failed = [
      fate(lab.workAndWait('b', { n: 5, failures: 1 }, { messageId: 'k' })),
      fate(lab.workAndWait('b', { n: 6 }, { messageId: 'k' })),
    ];
    await lab.app.settle();
    failed.push(fate(lab.workAndWait('b', { n: 7 }, { messageId: 'k' })));
    await lab.app.settle();
    for (const each of failed)
      expect(each.error).toMatchObject({ code: 'HANDLER_FAILED', cause: { message: 'attempt 1 of 5 fails' } });
    expect(lab.order()).toEqual([1, 5]);
    await lab.app.stop();
  });

  it('is answered after a restart, too, also when the recovered message expires before it starts', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    void lab.work('a', { n: 2 }, { messageId: 'k', expiresInMs: 1_000 });
    void lab.work('b', { n: 3, reply: 'kept' }, { messageId: 'done' });
    await lab.app.settle();
    lab.app.crash();
    lab.app = await lab.app.restart({ config: {}, start: false });
    await lab.app.drive(lab.app.node.open());
    const again = fate(lab.workAndWait('a', { n: 4 }, { messageId: 'k', timeoutMs: 60_000 }));
    const done = fate(lab.workAndWait('b', { n: 5 }, { messageId: 'done' }));
    await lab.app.advance(2_000);
    await lab.app.drive(lab.app.node.start());
    await lab.app.settle();
    expect(again.code).toBe('EXPIRED');
    expect(done).toMatchObject({ state: 'resolved', value: 'kept' });
    expect(lab.app.log.of('ended').map(({ state, id, name }) => [state, id !== '', name])).toEqual([
      ['interrupted', true, 'Work'],
      ['expired', true, 'Work'],
    ]);
    await lab.app.stop();
  });

  it('of a message that waits its turn delayed gives the verdict of that one', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, reply: 'later' }, { messageId: 'k', delayMs: 1_000 });
    const waited = fate(lab.workAndWait('a', { n: 2 }, { messageId: 'k' }));
    await lab.app.advance(999);
    expect(waited.state).toBe('pending');
    await lab.app.advance(1);
    expect(waited.value).toBe('later');
    await lab.app.stop();
  });
});

describe('status', () => {
  it('tells every state of a message', async () => {
    const lab = await createLab({ retry: { maxAttempts: 2, backoffDelay: 1_000 } });
    const state = async (id: string) => (await lab.app.status(id)).state;
    const running = await lab.app.drive(lab.work('a', { n: 1, hang: true }));
    const waiting = await lab.app.drive(lab.work('a', { n: 2, retryable: false, failures: 1 }));
    const delayed = await lab.app.drive(lab.work('b', { n: 3 }, { delayMs: 10_000 }));
    const retrying = await lab.app.drive(lab.work('c', { n: 4, failures: 1 }));
    const kept = await lab.app.drive(lab.work('d', { n: 5, reply: { sum: 7 } }, { messageId: 'k' }));
    expect(await state(running.id)).toBe('dispatched');
    expect(await state(waiting.id)).toBe('enqueued');
    expect(await state(delayed.id)).toBe('enqueued');
    expect(await lab.app.status(retrying.id)).toMatchObject({
      state: 'enqueued',
      attempt: 1,
      entityType: 'account',
      entityId: 'c',
    });
    expect(await lab.app.status(kept.id)).toMatchObject({ state: 'completed', reply: { sum: 7 } });
    expect(await state('nothing')).toBe('unknown');
    lab.let(1);
    await lab.app.advance(1_000);
    expect(await state(running.id)).toBe('completed');
    expect(await lab.app.status(waiting.id)).toMatchObject({
      state: 'failed',
      error: { message: 'attempt 1 of 2 fails' },
    });
    await lab.app.stop();
    await expect(lab.app.status(kept.id)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });
});

describe('a verdict that cannot travel', () => {
  it('is told to the waiter, and the message has completed all the same', async () => {
    const lab = await createLab({}, { setup: (node) => void node.handle('account', 'Odd', () => ({ big: 1n })) });
    const error = await refusal(lab.app.drive(lab.app.bus.enqueueAndWait('account', 'Odd', 'a', {})));
    expect(error.code).toBe('INVALID_PAYLOAD');
    expect(lab.app.log.of('ended').map(({ state }) => state)).toEqual(['completed']);
    expect((await lab.app.inspect()).deadLetters).toEqual([]);
    await lab.app.stop();
  });
});
