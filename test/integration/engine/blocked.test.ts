import { describe, expect, it } from 'vitest';
import { createActorLab } from './actor-lab.js';
import { createLab, fate } from './lab.js';

const BLOCKING = { entities: { account: { onFailure: 'block' } } } as const;

describe("onFailure 'block'", () => {
  it('holds the entity at its failed head, visibly and countably, and nobody else (M17, I9)', async () => {
    const lab = await createLab(BLOCKING);
    const failing = fate(lab.workAndWait('a', { n: 1, failures: 1 }, { timeoutMs: 1_000 }));
    const { id } = await lab.app.drive(lab.work('c', { n: 9, failures: 1 }));
    void lab.work('a', { n: 2 });
    const other = fate(lab.workAndWait('b', { n: 3 }));
    await lab.app.settle();
    expect(other.state).toBe('resolved');
    expect(failing.state).toBe('pending');
    expect(lab.order('account/a')).toEqual([1]);
    expect(await lab.app.status(id)).toMatchObject({ state: 'blocked', attempt: 1 });
    expect((await lab.app.wal.wal.counts(0)).blocked).toBe(2);
    expect(lab.app.log.of('blocked')).toMatchObject([
      { entityId: 'a', attempt: 1, error: { message: 'attempt 1 of 1 fails' } },
      { entityId: 'c', attempt: 1 },
    ]);
    await lab.app.advance(1_000);
    expect(failing.code).toBe('REPLY_TIMEOUT');
    expect((await lab.app.inspect()).deadLetters).toEqual([]);
    await lab.app.stop();
  });

  it('blocks when the attempts are used up, and at once for what is not retryable', async () => {
    const lab = await createLab({ ...BLOCKING, retry: { maxAttempts: 3, backoffDelay: 10 } });
    void lab.work('a', { n: 1, failures: 9 });
    void lab.work('b', { n: 2, failures: 9, retryable: false });
    await lab.app.advance(1_000);
    expect(lab.app.log.of('blocked').map(({ entityId, attempt }) => [entityId, attempt])).toEqual([
      ['b', 1],
      ['a', 3],
    ]);
    await lab.app.stop();
  });

  it('lets a head that is retried run again in its place, as often as that is asked; its waiter hears of it', async () => {
    const lab = await createLab(BLOCKING);
    const answer = fate(lab.workAndWait('a', { n: 1, failures: 2, reply: 'done' }, { timeoutMs: 0 }));
    void lab.work('a', { n: 2 });
    await lab.app.settle();
    const id = lab.contexts[0]?.id ?? '';
    expect(await lab.app.drive(lab.app.node.engine.operations.unblock(id))).toBe(true);
    await lab.app.settle();
    expect([lab.order(), answer.state]).toEqual([[1, 1], 'pending']);
    expect(lab.app.log.of('blocked')).toHaveLength(2);
    expect(lab.app.log.of('unblocked')).toMatchObject([{ id, attempt: 1 }]);
    expect(await lab.app.drive(lab.app.node.engine.operations.unblock(id))).toBe(true);
    await lab.app.settle();
    expect(answer).toMatchObject({ state: 'resolved', value: 'done' });
    expect(lab.order()).toEqual([1, 1, 1, 2]);
    expect(await lab.app.drive(lab.app.node.engine.operations.unblock(id))).toBe(false);
    expect((await lab.app.wal.wal.counts(0)).blocked).toBe(0);
    await lab.app.stop();
  });

  it('goes on without a head that is skipped: it is a dead letter then, and its waiter gets the verdict', async () => {
    const lab = await createLab(BLOCKING);
    const answer = fate(lab.workAndWait('a', { n: 1, failures: 1 }, { timeoutMs: 0 }));
    const behind = fate(lab.workAndWait('a', { n: 2 }));
    await lab.app.settle();
    const id = lab.contexts[0]?.id ?? '';
    expect(await lab.app.drive(lab.app.node.engine.operations.skip(id))).toBe(true);
    await lab.app.settle();
    expect([answer.code, behind.state]).toEqual(['HANDLER_FAILED', 'resolved']);
    expect((await lab.app.inspect()).deadLetters).toMatchObject([
      { id, reason: 'failed', attempts: 1, error: { message: 'attempt 1 of 1 fails' } },
    ]);
    expect(await lab.app.drive(lab.app.node.engine.operations.skip(id))).toBe(false);
    expect(lab.app.node.isOpen && lab.app.node.engine.share.depth).toBe(0);
    await lab.app.stop();
  });

  it('lets deadlines behind it pass, and cannot be withdrawn or expire itself', async () => {
    const lab = await createLab(BLOCKING);
    const { id } = await lab.app.drive(lab.work('a', { n: 1, failures: 1 }, { expiresInMs: 5_000 }));
    const behind = fate(lab.workAndWait('a', { n: 2 }, { expiresInMs: 1_000, timeoutMs: 0 }));
    await lab.app.advance(6_000);
    expect(behind.code).toBe('EXPIRED');
    expect(await lab.app.drive(lab.app.bus.cancel(id))).toBe(false);
    expect(await lab.app.status(id)).toMatchObject({ state: 'blocked' });
    await lab.app.stop();
  });

  it('is known to the next owner: it is not run, its line is held, and deadlines behind it pass (M17)', async () => {
    const lab = await createLab(BLOCKING);
    const { id } = await lab.app.drive(lab.work('a', { n: 1, failures: 1 }));
    void lab.work('a', { n: 2 });
    void lab.work('a', { n: 3 }, { expiresInMs: 60_000 });
    void lab.work('b', { n: 4, failures: 1 });
    await lab.app.settle();
    for (const end of ['crash', 'stop'] as const) {
      await (end === 'crash' ? lab.app.crash() : lab.app.stop());
      lab.app = await lab.app.restart();
      await lab.app.settle();
      expect(lab.order()).toEqual([1, 4]);
      expect(await lab.app.status(id)).toMatchObject({ state: 'blocked' });
    }
    await lab.app.advance(60_000);
    expect(lab.app.log.of('ended')).toMatchObject([{ state: 'expired' }]);
    expect(await lab.app.drive(lab.app.node.engine.operations.unblock(id))).toBe(true);
    await lab.app.settle();
    expect(lab.order('account/a')).toEqual([1, 1, 2]);
    expect(lab.started.map(({ attempt }) => attempt)).toEqual([1, 1, 2, 1]);
    await lab.app.stop();
  });

  it('is skipped by an owner that only found it in the store', async () => {
    const lab = await createLab(BLOCKING);
    const { id } = await lab.app.drive(lab.work('a', { n: 1, failures: 1 }));
    void lab.work('a', { n: 2 });
    await lab.app.settle();
    await lab.app.stop();
    lab.app = await lab.app.restart();
    expect(await lab.app.drive(lab.app.node.engine.operations.skip(id))).toBe(true);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    expect(lab.app.node.engine.share.depth).toBe(0);
    expect((await lab.app.inspect()).deadLetters).toMatchObject([{ id, reason: 'failed' }]);
    await lab.app.stop();
  });

  it('holds what was interrupted as well, and skips it as interrupted', async () => {
    const lab = await createLab({
      entities: { account: { onFailure: 'block', onInterrupt: 'retry', maxInterruptions: 1 } },
    });
    const { id } = await lab.app.drive(lab.work('a', { n: 1, hang: true }));
    void lab.work('a', { n: 2 });
    for (const _ of ['retried', 'blocked']) {
      await lab.app.settle();
      lab.app.crash();
      lab.app = await lab.app.restart();
    }
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 1]);
    expect(await lab.app.status(id)).toMatchObject({ state: 'blocked', attempt: 2 });
    expect(await lab.app.drive(lab.app.node.engine.operations.skip(id))).toBe(true);
    await lab.app.settle();
    expect(await lab.app.status(id)).toMatchObject({ state: 'interrupted' });
    expect(lab.order()).toEqual([1, 1, 2]);
    await lab.app.stop();
  });

  it('holds what an operator has released, whose handler counts no longer, also when it runs again (M18)', async () => {
    const lab = await createLab(BLOCKING);
    const { id } = await lab.app.drive(lab.work('a', { n: 1, hang: true }));
    await lab.app.settle();
    const zombie = lab.let.bind(lab, 1);
    expect(await lab.app.drive(lab.app.bus.release(id))).toBe(true);
    await lab.app.settle();
    expect(await lab.app.status(id)).toMatchObject({ state: 'blocked' });
    zombie();
    await lab.app.settle();
    expect(await lab.app.drive(lab.app.node.engine.operations.unblock(id))).toBe(true);
    await lab.app.settle();
    expect(await lab.app.status(id)).toMatchObject({ state: 'dispatched', attempt: 2 });
    lab.let(1);
    await lab.app.settle();
    expect(await lab.app.status(id)).toMatchObject({ state: 'completed' });
    await lab.app.stop();
  });

  it('puts back what was marked ahead, and runs it after the head (dispatchAhead, I4)', async () => {
    const lab = await createLab({ entities: { account: { onFailure: 'block', dispatchAhead: 4 } } });
    for (let n = 1; n <= 6; n += 1) void lab.work('a', { n, ...(n === 2 && { failures: 1 }) });
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    const { pending } = await lab.app.inspect();
    expect(pending.map(({ state, attempt }) => [state, attempt])).toEqual([
      ['blocked', 1],
      ['enqueued', 0],
      ['enqueued', 0],
      ['enqueued', 0],
      ['enqueued', 0],
    ]);
    await lab.app.drive(lab.app.node.engine.operations.unblock(pending[0]?.id ?? ''));
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2, 2, 3, 4, 5, 6]);
    await lab.app.stop();
  });

  it('blocks a state-only actor with its state as before (M15, M17)', async () => {
    const { lab } = await createActorLab(
      { entities: { sum: { onFailure: 'block' } } },
      { binding: { effects: 'state' } },
    );
    await lab.app.drive(lab.workAndWait('sum/a', { n: 1 }));
    const { id } = await lab.app.drive(lab.work('sum/a', { n: 10, failures: 1 }));
    const behind = fate(lab.workAndWait('sum/a', { n: 100 }, { timeoutMs: 0 }));
    await lab.app.settle();
    expect(await lab.app.status(id)).toMatchObject({ state: 'blocked', attempt: 1 });
    expect(await lab.app.drive(lab.app.node.engine.operations.unblock(id))).toBe(true);
    await lab.app.settle();
    expect(behind).toMatchObject({ state: 'resolved', value: 111 });
    await lab.app.stop();
  });

  it('takes what other processes offer: another attempt, or a skip', async () => {
    const lab = await createLab(BLOCKING);
    const ids: string[] = [];
    for (const entity of ['a', 'b']) ids.push((await lab.app.drive(lab.work(entity, { n: 1, failures: 1 }))).id);
    await lab.app.settle();
    await lab.app.wal.wal.offer(0, [
      { session: 'cli', number: 1, transition: { type: 'unblock', id: ids[0] ?? '' } },
      { session: 'cli', number: 2, transition: { type: 'skip', id: ids[1] ?? '' } },
    ]);
    await lab.app.advance(200);
    expect(await lab.app.status(ids[0] ?? '')).toMatchObject({ state: 'completed' });
    expect(await lab.app.status(ids[1] ?? '')).toMatchObject({ state: 'failed' });
    await lab.app.stop();
  });
});
