import { describe, expect, it } from 'vitest';
import type { WaitOptions } from '../../../src/entity/submission.js';
import { createLab, fate, refusal } from './lab.js';

describe('a deadline (expiresInMs)', () => {
  it('ends a waiting message on time, with a dead letter, and the line goes on', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    const waited = fate(lab.workAndWait('a', { n: 2 }, { expiresInMs: 100, timeoutMs: 0 }));
    void lab.work('a', { n: 3 });
    await lab.app.advance(99);
    expect(waited.state).toBe('pending');
    await lab.app.advance(1);
    expect(waited.code).toBe('EXPIRED');
    const { deadLetters } = await lab.app.inspect();
    expect(deadLetters.map(({ reason, attempts }) => [reason, attempts])).toEqual([['expired', 0]]);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 3]);
    await lab.app.stop();
  });

  it('does not touch a message whose handler has started', async () => {
    const lab = await createLab();
    const waited = fate(lab.workAndWait('a', { n: 1, ms: 500, reply: 'done' }, { expiresInMs: 100 }));
    await lab.app.advance(500);
    expect(waited).toMatchObject({ state: 'resolved', value: 'done' });
    await lab.app.stop();
  });

  it('of 0 is over at once', async () => {
    const lab = await createLab();
    expect((await refusal(lab.app.drive(lab.workAndWait('a', { n: 1 }, { expiresInMs: 0 })))).code).toBe('EXPIRED');
    void lab.work('b', { n: 2, hang: true });
    expect((await refusal(lab.app.drive(lab.workAndWait('b', { n: 3 }, { expiresInMs: 0 })))).code).toBe('EXPIRED');
    expect(lab.order()).toEqual([2]);
    lab.let(2);
    await lab.app.stop();
  });

  it('counts for a delayed message, too', async () => {
    const lab = await createLab();
    const delayed = fate(lab.workAndWait('a', { n: 1 }, { delayMs: 200, expiresInMs: 100 }));
    await lab.app.advance(200);
    expect(delayed.code).toBe('EXPIRED');
    expect(lab.order()).toEqual([]);
    await lab.app.stop();
  });

  it('is void once the handler has started: a retry is not withdrawn by it', async () => {
    const lab = await createLab({ retry: { maxAttempts: 3, backoff: 'fixed', backoffDelay: 80 } });
    const retried = fate(lab.workAndWait('b', { n: 2, failures: 2, reply: 'third time' }, { expiresInMs: 100 }));
    await lab.app.advance(200);
    expect(retried.value).toBe('third time');
    expect(lab.started.map(({ at }) => at)).toEqual([0, 80, 160]);
    await lab.app.stop();
  });

  it('holds for a message that was marked ahead and put back unstarted', async () => {
    const lab = await createLab({
      entities: { account: { dispatchAhead: 3, retry: { maxAttempts: 2, backoffDelay: 500 } } },
    });
    void lab.work('a', { n: 1, hang: true });
    const waited = fate(lab.workAndWait('a', { n: 2 }, { expiresInMs: 100 }));
    await lab.app.advance(150);
    expect(waited.state).toBe('pending');
    lab.let(1, new Error('again'));
    await lab.app.advance(10);
    expect(waited.code).toBe('EXPIRED');
    await lab.app.advance(500);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 1]);
    await lab.app.stop();
  });

  it('found passed at the dispatch ends the message there', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    const waited = fate(lab.workAndWait('a', { n: 2 }, { expiresInMs: 1_000 }));
    await lab.app.settle();
    // The wall clock jumps past the deadline; timers do not notice.
    lab.app.runtime.jumpWallClock(5_000);
    lab.let(1);
    await lab.app.settle();
    expect(waited.code).toBe('EXPIRED');
    expect(lab.order()).toEqual([1]);
    await lab.app.stop();
  });

  it('is watched again when the clock was set back', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    const waited = fate(lab.workAndWait('a', { n: 2 }, { expiresInMs: 1_000, timeoutMs: 0 }));
    await lab.app.settle();
    lab.app.runtime.jumpWallClock(-500);
    await lab.app.advance(1_000);
    expect(waited.state).toBe('pending');
    await lab.app.advance(500);
    expect(waited.code).toBe('EXPIRED');
    lab.let(1);
    await lab.app.stop();
  });
});

describe('a delayed message', () => {
  it('takes its place in line when it is due and blocks nobody before', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1 }, { delayMs: 100 });
    void lab.work('a', { n: 2 });
    await lab.app.advance(50);
    void lab.work('a', { n: 3, ms: 100 });
    await lab.app.advance(20);
    void lab.work('a', { n: 4 });
    await lab.app.advance(25);
    void lab.work('a', { n: 5 });
    await lab.app.advance(10);
    void lab.work('a', { n: 6 });
    await lab.app.advance(500);
    expect(lab.order()).toEqual([2, 3, 4, 5, 1, 6]);
    expect(lab.app.runtime.pending.deferred).toBe(0);
    await lab.app.stop();
  });

  it('keeps the order of due times, then of acceptance', async () => {
    const lab = await createLab();
    const start = lab.app.runtime.clock.now();
    void lab.work('a', { n: 1 }, { delayMs: 300 });
    void lab.work('a', { n: 2 }, { runAt: new Date(start + 100) });
    void lab.work('a', { n: 3 }, { runAt: start + 100 });
    void lab.work('a', { n: 4 }, { delayMs: 200 });
    void lab.work('a', { n: 5 }, { runAt: start - 1 });
    void lab.work('a', { n: 6 }, { delayMs: 0 });
    await lab.app.advance(1_000);
    expect(lab.order()).toEqual([5, 6, 2, 3, 4, 1]);
    await lab.app.stop();
  });

  it('answers its waiter, also one that is due after thousands of others at the same time', async () => {
    const lab = await createLab();
    for (let n = 1; n <= 700; n += 1) void lab.work(`e${n % 7}`, { n }, { delayMs: 1_000 });
    const waited = fate(lab.workAndWait('e0', { n: 1_000, reply: 'late' }, { delayMs: 1_000 }));
    await lab.app.advance(999);
    expect(lab.started).toEqual([]);
    await lab.app.advance(1);
    expect(waited).toMatchObject({ state: 'resolved', value: 'late' });
    expect(lab.order('account/e0')).toEqual([...Array.from({ length: 100 }, (_, index) => 7 * (index + 1)), 1_000]);
    await lab.app.stop();
  });

  it('runs after a restart when its time comes, or at once when it is past', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1 }, { delayMs: 1_000 });
    void lab.work('a', { n: 2 }, { delayMs: 50_000 });
    await lab.app.settle();
    lab.app.crash();
    await lab.app.advance(5_000);
    lab.app = await lab.app.restart();
    await lab.app.advance(1);
    expect(lab.order()).toEqual([1]);
    await lab.app.advance(44_998);
    expect(lab.order()).toEqual([1]);
    await lab.app.advance(1);
    expect(lab.order()).toEqual([1, 2]);
    await lab.app.stop();
  });

  it('is looked for again when reading the store failed', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1 }, { delayMs: 100 });
    await lab.app.settle();
    lab.app.wal.fail('due', { times: 2 });
    await lab.app.advance(1_000);
    expect(lab.order()).toEqual([1]);
    await lab.app.stop();
  });
});

describe('options that make no sense', () => {
  it.each<[string, WaitOptions]>([
    ['a negative delay', { delayMs: -1 }],
    ['no number', { delayMs: Number.NaN }],
    ['a delay of ages', { delayMs: 1e300 }],
    ['a text for a number', { delayMs: '5' as never }],
    ['a negative deadline', { expiresInMs: -1 }],
    ['an endless deadline', { expiresInMs: Number.POSITIVE_INFINITY }],
    ['no date', { runAt: new Date('no date') }],
    ['no such time', { runAt: Number.MAX_VALUE }],
    ['two delays', { delayMs: 1, runAt: 1 }],
    ['an empty messageId', { messageId: '' }],
    ['a long messageId', { messageId: 'x'.repeat(257) }],
    ['a number for a messageId', { messageId: 7 as never }],
    ['a BigInt header', { headers: { a: 1n } as never }],
    ['a nested header', { headers: { a: { b: 1 } } as never }],
    ['a list of headers', { headers: ['a'] as never }],
    ['a text of headers', { headers: 'text' as never }],
    ['a poisoned header', { headers: JSON.parse('{"__proto__":"x"}') as never }],
    ['large headers', { headers: { big: 'x'.repeat(70_000) } }],
    ['a negative timeout', { timeoutMs: -1 }],
    ['no number as a timeout', { timeoutMs: Number.NaN }],
    ['a text as a timeout', { timeoutMs: '5' as never }],
  ])('are refused with INVALID_PAYLOAD: %s', async (_name, options) => {
    const lab = await createLab();
    expect((await refusal(lab.app.drive(lab.workAndWait('a', { n: 1 }, options)))).code).toBe('INVALID_PAYLOAD');
    await lab.app.settle();
    expect((await lab.app.inspect()).pending).toEqual([]);
    expect(lab.app.node.owner.phase).toBe('running');
    await lab.app.stop();
  });

  it('are rounded up to whole milliseconds where they are not whole', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1 }, { delayMs: 10.2 });
    await lab.app.advance(10);
    expect(lab.order()).toEqual([]);
    await lab.app.advance(1);
    expect(lab.order()).toEqual([1]);
    await lab.app.stop();
  });
});
