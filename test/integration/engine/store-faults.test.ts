import { describe, expect, it } from 'vitest';
import { StaleEpochError, StoreUnavailableError } from '../../../src/wal/wal.js';
import { createLab, fate, refusal } from './lab.js';

describe('a store that takes no commits for a while', () => {
  it('refuses new messages with STORE_DEGRADED, keeps every verdict, and goes on when it is back (I7, I8)', async () => {
    const lab = await createLab();
    const running = fate(lab.workAndWait('a', { n: 1, hang: true }, { timeoutMs: 0 }));
    void lab.work('a', { n: 2 });
    await lab.app.settle();
    lab.app.wal.fail('commit', { times: 20 });
    const caught = fate(lab.work('b', { n: 3 }));
    await lab.app.settle();
    expect(caught.error).toMatchObject({ code: 'STORE_DEGRADED', retryable: true });
    lab.let(1);
    await lab.app.settle();
    expect((await refusal(lab.work('b', { n: 4 }))).code).toBe('STORE_DEGRADED');
    expect((await refusal(lab.workAndWait('b', { n: 5 }))).code).toBe('STORE_DEGRADED');
    expect(lab.app.log.of('degraded')).toHaveLength(1);
    expect(running.state).toBe('pending');
    await lab.app.advance(1_000);
    expect(running.state).toBe('pending');
    await lab.app.advance(2_000);
    expect(lab.app.log.of('recovered')).toHaveLength(1);
    expect(running.value).toBe('let 1');
    await lab.app.drive(lab.work('b', { n: 6 }));
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2, 6]);
    expect(lab.app.node.owner.isIdle).toBe(true);
    await lab.app.stop();
  });

  it('finds out by itself that it is back, with nothing to commit', async () => {
    const lab = await createLab();
    lab.app.wal.fail('commit', { times: 3 });
    expect((await refusal(lab.app.drive(lab.work('a', { n: 1 })))).code).toBe('STORE_DEGRADED');
    await lab.app.advance(1_000);
    expect(lab.app.log.of('recovered')).toHaveLength(1);
    await lab.app.drive(lab.work('a', { n: 2 }));
    await lab.app.stop();
  });

  it('runs a query that waited behind a refused command', async () => {
    const lab = await createLab();
    lab.app.wal.fail('commit');
    const refused = fate(lab.work('a', { n: 1 }));
    const asked = fate(lab.ask('a', { n: 2, reply: 'ok' }));
    await lab.app.settle();
    expect(refused.code).toBe('STORE_DEGRADED');
    expect(asked.value).toBe('ok');
    await lab.app.stop();
  });

  it('delivers retries, expiries, cancels and replays that were on their way', async () => {
    const lab = await createLab({ retry: { maxAttempts: 2, backoffDelay: 50 } });
    const letter = await lab.app.drive(lab.work('d', { n: 9, failures: 1, retryable: false }));
    void lab.work('a', { n: 1, hang: true });
    const expiring = fate(lab.workAndWait('a', { n: 2 }, { expiresInMs: 100, timeoutMs: 0 }));
    const doomed = fate(lab.workAndWait('a', { n: 3 }, { timeoutMs: 0 }));
    void lab.work('a', { n: 4 });
    await lab.app.settle();
    const doomedId = (await lab.app.inspect()).pending[2]?.id ?? '';
    lab.app.wal.fail('commit', { times: 10 });
    lab.let(1, new Error('once'));
    const cancelled = fate(lab.app.bus.cancel(doomedId));
    const replayed = fate(lab.app.node.deadLetters.replay(letter.id));
    await lab.app.advance(500);
    expect([cancelled.state, replayed.state, doomed.state]).toEqual(['pending', 'pending', 'pending']);
    await lab.app.advance(2_000);
    lab.let(1);
    await lab.app.settle();
    expect([cancelled.value, replayed.state, doomed.code, expiring.code]).toEqual([
      true,
      'resolved',
      'CANCELLED',
      'EXPIRED',
    ]);
    expect(lab.order('account/a')).toEqual([1, 1, 4]);
    expect(lab.app.node.owner.isIdle).toBe(true);
    await lab.app.stop();
  });
});

describe('a lost answer (M1)', () => {
  it('is asked for again under the same number: nothing is applied twice, whether it was applied or not', async () => {
    for (const when of ['before', 'after'] as const) {
      const lab = await createLab();
      lab.app.wal.fail('commit', { when, error: new StoreUnavailableError('cut', 'unknown', true), times: 2 });
      const accepted = fate(lab.work('a', { n: 1 }));
      const waited = fate(lab.workAndWait('a', { n: 2, reply: 'two' }));
      await lab.app.settle();
      expect(accepted.state).toBe('pending');
      await lab.app.advance(1_000);
      expect([accepted.state, waited.value]).toEqual(['resolved', 'two']);
      expect(lab.order()).toEqual([1, 2]);
      const [first, second, third] = lab.app.wal.requests;
      expect([second?.number, third?.number]).toEqual([first?.number, first?.number]);
      expect(third?.transitions).toEqual(first?.transitions);
      expect(await lab.app.wal.counts(0)).toMatchObject({ accepted: 2, completed: 2, pending: 0 });
      await lab.app.stop();
    }
  });

  it('followed by a plain failure still sends the very same batch', async () => {
    const lab = await createLab();
    void lab.work('x', { n: 9, hang: true });
    await lab.app.settle();
    lab.app.wal.fail('commit', { when: 'after' }).fail('commit', { times: 3 });
    const accepted = fate(lab.work('a', { n: 1 }));
    lab.let(9);
    const waited = fate(lab.workAndWait('b', { n: 2, reply: 'two' }));
    await lab.app.advance(2_000);
    expect([accepted.state, waited.value]).toEqual(['resolved', 'two']);
    expect(lab.order()).toEqual([9, 1, 2]);
    expect(lab.app.node.owner.phase).toBe('running');
    expect(await lab.app.wal.counts(0)).toMatchObject({ accepted: 3, completed: 3, pending: 0 });
    await lab.app.stop();
  });
});

describe('a shard that is lost (I3)', () => {
  const lose = [
    ['another owner opened it', new StaleEpochError(0, 1, 2), 'STALE_EPOCH'],
    ['the store is gone for good', new StoreUnavailableError('file gone', 'no', false), 'STORE_DEGRADED'],
  ] as const;

  it.each(lose)(
    'because %s: the node stops loudly, fires every signal and answers everyone',
    async (_why, error, code) => {
      const lab = await createLab({ shutdownTimeout: 1_000 });
      const fates = [
        fate(lab.workAndWait('a', { n: 1, hang: true }, { timeoutMs: 0 })),
        fate(lab.workAndWait('a', { n: 2 }, { timeoutMs: 0 })),
        fate(lab.ask('a', { n: 3 }, { timeoutMs: 0 })),
        fate(lab.workAndWait('c', { n: 4 }, { delayMs: 1_000, timeoutMs: 0 })),
        fate(lab.workAndWait('a', { n: 5 }, { messageId: 'k', timeoutMs: 0 })),
        fate(lab.workAndWait('a', { n: 6 }, { messageId: 'k', timeoutMs: 0 })),
      ];
      await lab.app.settle();
      const idle = fate(lab.app.node.whenIdle());
      lab.app.wal.fail('commit', { error, times: 1_000 });
      fates.push(fate(lab.work('z', { n: 7 })));
      await lab.app.settle();
      // What was accepted stands in the store and its verdict will not be known here; the rest was not accepted.
      const unknown = 'INDETERMINATE';
      expect(fates.map((each) => each.code)).toEqual([unknown, unknown, code, unknown, unknown, unknown, code]);
      expect(lab.app.log.of('fatal')).toMatchObject([{ error }]);
      expect(lab.contexts[0]?.signal.aborted).toBe(true);
      expect(idle.state).toBe('resolved');
      expect((await refusal(lab.work('b', { n: 8 }))).code).toBe(code);
      expect((await refusal(lab.ask('b', { n: 8 }))).code).toBe(code);
      lab.let(1);
      await lab.app.advance(500);
      expect(lab.order()).toEqual([1]);
      expect(await lab.app.stop()).toMatchObject({ abandoned: [] });
      expect(lab.app.runtime.pending).toEqual({ timers: 0, deferred: 0 });
    },
  );

  it('starts nothing more, not even what it had marked and was loading', async () => {
    const lab = await createLab();
    await lab.app.drive(lab.app.bus.pause('account'));
    await lab.app.drive(lab.work('a', { n: 1 }));
    lab.app.crash();
    lab.app = await lab.app.restart();
    const open = lab.app.wal.hold('load');
    await lab.app.drive(lab.app.bus.resume('account'));
    await lab.app.settle();
    lab.app.wal.fail('commit', { error: new StaleEpochError(0, 1, 2), times: 100 });
    void lab.work('b', { n: 2 }).catch(() => {});
    await lab.app.settle();
    open();
    await lab.app.settle();
    expect(lab.order()).toEqual([]);
    await lab.app.stop();
  });

  it('leaves a real second owner alone: the former one is refused and changes nothing', async () => {
    const lab = await createLab();
    const old = fate(lab.workAndWait('a', { n: 1, hang: true }, { timeoutMs: 0 }));
    await lab.app.settle();
    const former = lab.app;
    lab.app = await former.restart();
    await lab.app.settle();
    lab.let(1);
    await former.settle();
    expect(old.error).toMatchObject({ code: 'INDETERMINATE', retryable: false, cause: { name: 'StaleEpochError' } });
    expect(former.node.owner.phase).toBe('lost');
    expect((await lab.app.inspect()).deadLetters).toMatchObject([{ reason: 'interrupted' }]);
    await former.stop();
    await lab.app.drive(lab.work('a', { n: 2 }));
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    await lab.app.stop();
  });
});

describe('a payload that cannot be read for a while', () => {
  it('is read again, and the order is kept', async () => {
    const lab = await createLab({ residentBytesMax: 0 });
    void lab.work('a', { n: 0, hang: true });
    for (let n = 1; n < 6; n += 1) void lab.work('a', { n, reply: 'x'.repeat(10) });
    await lab.app.settle();
    lab.app.wal.fail('load', { times: 5 });
    lab.let(0);
    await lab.app.advance(2_000);
    expect(lab.order()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(lab.app.node.owner.phase).toBe('running');
    await lab.app.stop();
  });
});

describe('a store that cannot be opened', () => {
  it('fails start, every call, and stops cleanly', async () => {
    const lab = await createLab({}, { start: false });
    lab.app.wal.fail('open', { error: new Error('locked'), times: 9 });
    await expect(lab.app.node.start()).rejects.toThrow('locked');
    await expect(lab.work('a', { n: 1 })).rejects.toThrow('locked');
    await lab.app.stop();
    expect(lab.app.runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });
});
