import { describe, expect, it } from 'vitest';
import { createLab, refusal } from './lab.js';

describe('a retry', () => {
  it('keeps the place of its message, with exponential back-off up to maxDelay (I4)', async () => {
    const lab = await createLab({
      retry: { maxAttempts: 6, backoff: 'exponential', backoffDelay: 100, maxDelay: 500 },
    });
    void lab.work('a', { n: 1, failures: 5 });
    void lab.work('a', { n: 2 });
    await lab.app.advance(5_000);
    expect(lab.order()).toEqual([1, 1, 1, 1, 1, 1, 2]);
    const times = lab.started.map((each) => each.at);
    expect(times.map((at, index) => (index === 0 ? 0 : at - (times[index - 1] ?? 0)))).toEqual([
      0, 100, 200, 400, 500, 500, 0,
    ]);
    expect(lab.started.map((each) => each.attempt)).toEqual([1, 2, 3, 4, 5, 6, 1]);
    await lab.app.stop();
  });

  it('waits the same time each time with a fixed back-off, and not at all with 0', async () => {
    const lab = await createLab(
      {
        entities: {
          f: { retry: { maxAttempts: 3, backoff: 'fixed', backoffDelay: 70 } },
          z: { retry: { maxAttempts: 3, backoffDelay: 0 } },
        },
      },
      { types: ['f', 'z'] },
    );
    void lab.work('f/a', { n: 1, failures: 2 });
    void lab.work('z/a', { n: 2, failures: 2 });
    await lab.app.advance(1_000);
    expect(lab.started.filter((each) => each.n === 1).map((each) => each.at)).toEqual([0, 70, 140]);
    expect(lab.started.filter((each) => each.n === 2).map((each) => each.at)).toEqual([0, 0, 0]);
    await lab.app.stop();
  });

  it('does not hold up other entities (I9)', async () => {
    const lab = await createLab({ retry: { maxAttempts: 2, backoffDelay: 1_000 } });
    void lab.work('a', { n: 1, failures: 1 });
    void lab.work('b', { n: 2 });
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    await lab.app.advance(1_000);
    expect(lab.order()).toEqual([1, 2, 1]);
    await lab.app.stop();
  });

  it('does not happen for an error that says so itself', async () => {
    const lab = await createLab({ retry: { maxAttempts: 5, backoffDelay: 1 } });
    const waited = refusal(lab.workAndWait('a', { n: 1, failures: 9, retryable: false }));
    await lab.app.advance(100);
    expect(await waited).toMatchObject({
      code: 'HANDLER_FAILED',
      cause: { message: 'attempt 1 of 1 fails', retryable: false },
    });
    expect(lab.order()).toEqual([1]);
    await lab.app.stop();
  });

  it('ends in the dead letters with its whole history when all attempts are used up (I7)', async () => {
    const lab = await createLab({ retry: { maxAttempts: 3, backoffDelay: 10, backoff: 'fixed' } });
    const waited = refusal(
      lab.workAndWait('a', { n: 1, failures: 9 }, { messageId: 'once', headers: { trace: 't1' } }),
    );
    void lab.work('a', { n: 2 });
    await lab.app.advance(100);
    expect(await waited).toMatchObject({ code: 'HANDLER_FAILED', subject: { entityId: 'a', name: 'Work' } });
    const { deadLetters } = await lab.app.inspect();
    expect(deadLetters).toHaveLength(1);
    expect(deadLetters[0]).toMatchObject({
      entityType: 'account',
      entityId: 'a',
      name: 'Work',
      reason: 'failed',
      attempts: 3,
      messageId: 'once',
      headers: { trace: 't1' },
      error: { message: 'attempt 3 of 1 fails' },
      history: [
        { attempt: 1, outcome: 'retried', error: { message: 'attempt 1 of 1 fails' } },
        { attempt: 2, outcome: 'retried', error: { message: 'attempt 2 of 1 fails' } },
        { attempt: 3, outcome: 'failed', error: { message: 'attempt 3 of 1 fails' } },
      ],
    });
    expect(JSON.parse(deadLetters[0]?.payload ?? '')).toMatchObject({ n: 1 });
    expect(lab.order()).toEqual([1, 1, 1, 2]);
    await lab.app.stop();
  });

  it('cannot be withdrawn while it backs off: it has started, and keeps its place (I4, I7)', async () => {
    const lab = await createLab({ retry: { maxAttempts: 2, backoffDelay: 10_000 } });
    const first = lab.work('a', { n: 1, failures: 1 });
    await lab.app.settle();
    void lab.work('a', { n: 2 });
    expect(await lab.app.drive(lab.app.bus.cancel((await first).id))).toBe(false);
    await lab.app.advance(10_000);
    expect(lab.order()).toEqual([1, 1, 2]);
    await lab.app.stop();
  });

  it('tells what each attempt was, also for thrown values that are no errors', async () => {
    const lab = await createLab();
    for (const [index, thrown] of [null, 0, 'text', { code: 7 }, [1]].entries()) {
      const error = await refusal(lab.app.drive(lab.workAndWait(`e${index}`, { n: index, throws: thrown })));
      expect(error.code).toBe('HANDLER_FAILED');
      expect((error.cause as Error).message.length).toBeGreaterThan(0);
    }
    await lab.app.stop();
  });

  it("brings the handler's error to the waiter with its name, message and plain data", async () => {
    class InsufficientFunds extends Error {
      override readonly name = 'InsufficientFunds';
      readonly missing = 5;
    }
    const lab = await createLab(
      {},
      {
        setup: (node) => void node.handle('account', 'Boom', () => Promise.reject(new InsufficientFunds('not enough'))),
      },
    );
    const error = await refusal(lab.app.drive(lab.app.bus.enqueueAndWait('account', 'Boom', 'a', {})));
    expect(error.cause).toMatchObject({ name: 'InsufficientFunds', message: 'not enough', missing: 5 });
    expect(error.retryable).toBe(false);
    await lab.app.stop();
  });
});

describe('a retry with dispatchAhead', () => {
  const config = {
    entities: { account: { dispatchAhead: 4, retry: { maxAttempts: 3, backoffDelay: 50, backoff: 'fixed' as const } } },
  };

  it('puts the messages that were marked ahead back behind it, in order, with their attempt taken back (I2, I4)', async () => {
    const lab = await createLab(config);
    void lab.work('a', { n: 1, hang: true });
    await lab.app.settle();
    for (let n = 2; n <= 6; n += 1) void lab.work('a', { n });
    await lab.app.settle();
    lab.let(1, new Error('first'));
    await lab.app.settle();
    const { pending } = await lab.app.inspect();
    expect(pending.map(({ state, attempt }) => [state, attempt])).toEqual([
      ['enqueued', 1],
      ...Array.from({ length: 5 }, () => ['enqueued', 0]),
    ]);
    await lab.app.advance(50);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 1, 2, 3, 4, 5, 6]);
    expect(lab.started.map((each) => each.attempt)).toEqual([1, 2, 1, 1, 1, 1, 1]);
    await lab.app.stop();
  });

  it('keeps the order when a message in the middle fails again and again', async () => {
    const lab = await createLab(config);
    for (let n = 1; n <= 12; n += 1) void lab.work('a', { n, failures: n === 3 || n === 7 ? 2 : 0 });
    await lab.app.advance(1_000);
    expect(lab.order()).toEqual([1, 2, 3, 3, 3, 4, 5, 6, 7, 7, 7, 8, 9, 10, 11, 12]);
    expect(lab.overlaps).toEqual([]);
    await lab.app.stop();
  });
});
