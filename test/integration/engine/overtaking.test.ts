/** Ways in which a message could start ahead of one that was accepted before it (I4), each as it once happened. */
import { describe, expect, it, vi } from 'vitest';
import type { OfferedTransition } from '../../../src/wal/wal.js';
import { createLab, fate } from './lab.js';

const append = (id: string, n: number): OfferedTransition => ({
  type: 'append',
  message: { id, kind: 'command', entityType: 'account', entityId: 'a', name: 'Work', payload: JSON.stringify({ n }) },
});

describe.each([1, 8])('a place taken ahead of an append with a query behind it, dispatchAhead %d', (dispatchAhead) => {
  const config = { entities: { account: { dispatchAhead } } };

  it('by an offer', async () => {
    const lab = await createLab(config);
    await lab.app.wal.offer(0, [{ session: 's', number: 1, transition: append('o1', 1) }]);
    void lab.work('a', { n: 2 });
    void lab.ask('a', { n: 3 });
    await lab.app.advance(200);
    expect(lab.order()).toEqual([1, 2, 3]);
    await lab.app.stop();
  });

  it('by a message that came due', async () => {
    const lab = await createLab(config);
    await lab.app.drive(lab.work('a', { n: 1 }, { delayMs: 1_000 }));
    await lab.app.advance(990);
    const open = lab.app.wal.hold('commit');
    await lab.app.advance(20);
    void lab.work('a', { n: 2 });
    void lab.ask('a', { n: 3 });
    await lab.app.settle();
    open();
    await lab.app.advance(200);
    expect(lab.order()).toEqual([1, 2, 3]);
    await lab.app.stop();
  });
});

describe('a message marked ahead that is put back while the next one is being marked', () => {
  it.each(['a pause and a resume', 'a lease in doubt for a moment'])('by %s', async (cause) => {
    const lab = await createLab({ entities: { account: { dispatchAhead: 3 } } });
    let number = 0;
    const offer = (transition: OfferedTransition) =>
      lab.app.wal.offer(0, [{ session: 's', number: ++number, transition }]);
    await lab.app.drive(lab.work('a', { n: 1, hang: true }));
    await lab.app.drive(lab.work('a', { n: 2 }));
    await lab.app.settle();
    await offer(append('o3', 3));
    // Held is the commit that marks the third.
    const commit = lab.app.wal.wal.commit.bind(lab.app.wal.wal);
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    lab.app.wal.wal.commit = async (request) => {
      if (request.transitions.some(({ type }) => type === 'dispatch')) await gate;
      return commit(request);
    };
    await lab.app.advance(200);
    if (cause === 'a pause and a resume') {
      await offer({ type: 'pause', entityType: 'account' });
      await offer({ type: 'resume', entityType: 'account' });
    } else {
      const { owner } = lab.app.node;
      const holds = vi.spyOn(owner, 'startsMessages', 'get').mockReturnValue(false);
      owner.advanceAll();
      holds.mockRestore();
      owner.advanceAll();
    }
    open();
    await lab.app.advance(200);
    lab.let(1);
    await lab.app.advance(200);
    expect(lab.order()).toEqual([1, 2, 3]);
    await lab.app.stop();
  });
});

describe('a message ahead of others that is not to start after all', () => {
  it('starts nothing ahead of a message that was not started because its line was paused for a moment', async () => {
    const lab = await createLab({ entities: { account: { dispatchAhead: 2 } } });
    let number = 0;
    const offer = (transition: OfferedTransition) =>
      lab.app.wal.wal.offer(0, [{ session: 's', number: ++number, transition }]);
    for (const n of [1, 2, 3, 4]) await lab.app.drive(lab.work('a', { n, hang: true }));
    await lab.app.settle();
    expect(lab.order()).toEqual([1]);
    const first = lab.app.wal.hold('commit');
    await offer({ type: 'pause', entityType: 'account', entityId: 'a' });
    // The commit that marks 3 is on its way, and takes the pause in first; what marks 4 waits for the next one.
    lab.let(1);
    await lab.app.settle();
    lab.let(2);
    await lab.app.settle();
    first();
    const second = lab.app.wal.hold('commit');
    await lab.app.settle();
    await offer({ type: 'resume', entityType: 'account', entityId: 'a' });
    second();
    await lab.app.settle();
    lab.let(3);
    await lab.app.settle();
    lab.let(4);
    await lab.app.settle();
    expect([lab.order(), lab.app.node.engine.phase]).toEqual([[1, 2, 3, 4], 'running']);
    await lab.app.stop();
  });

  it('starts an append that was on its way although what came ahead of it was withdrawn again', async () => {
    const lab = await createLab();
    const first = lab.app.wal.hold('commit');
    const mine = fate(lab.workAndWait('a', { n: 2 }));
    await lab.app.settle();
    await lab.app.wal.wal.offer(0, [
      { session: 's', number: 1, transition: append('o1', 1) },
      { session: 's', number: 2, transition: { type: 'cancel', id: 'o1' } },
    ]);
    first();
    await lab.app.settle();
    expect([mine.state, lab.order(), lab.app.node.engine.isIdle]).toEqual(['resolved', [2], true]);
    await lab.app.stop();
  });

  it('starts no more handlers than there are slots, when its line was empty for a moment (I9)', async () => {
    const lab = await createLab({ maxRunningHandlers: 1 });
    const first = lab.app.wal.hold('commit');
    void lab.work('a', { n: 2, hang: true });
    void lab.work('b', { n: 3, hang: true });
    await lab.app.settle();
    await lab.app.wal.wal.offer(0, [
      { session: 's', number: 1, transition: append('o1', 1) },
      { session: 's', number: 2, transition: { type: 'cancel', id: 'o1' } },
    ]);
    first();
    await lab.app.settle();
    const [begun] = lab.order();
    lab.let(begun as number);
    await lab.app.settle();
    lab.let(begun === 2 ? 3 : 2);
    await lab.app.settle();
    expect([lab.most, lab.order().toSorted((left, right) => left - right), lab.app.node.engine.isIdle]).toEqual([
      1,
      [2, 3],
      true,
    ]);
    await lab.app.stop();
  });
});

describe('a query behind a message that is on its way to the store', () => {
  const sendQuery = (lab: Awaited<ReturnType<typeof createLab>>) =>
    fate(lab.app.bus.enqueue('account', 'Ask', 'a', { n: 3 }));

  it('is not accepted while something that comes later may still go ahead of it (I4)', async () => {
    const lab = await createLab();
    // Nothing starts, so that only its place can make it accepted.
    await lab.app.drive(lab.app.bus.pause('account'));
    const open = lab.app.wal.hold('commit');
    void lab.work('a', { n: 2 });
    const query = sendQuery(lab);
    await lab.app.settle();
    expect(query.state).toBe('pending');
    await lab.app.wal.wal.offer(0, [{ session: 's', number: 1, transition: append('o1', 1) }]);
    open();
    await lab.app.settle();
    expect([query.state, lab.order()]).toEqual(['resolved', []]);
    await lab.app.stop();
  });

  it('is accepted when the store does not take that message', async () => {
    const lab = await createLab();
    lab.app.wal.fail('commit', { times: 1 });
    const refused = fate(lab.work('a', { n: 2 }));
    const query = sendQuery(lab);
    await lab.app.advance(1_000);
    expect([refused.state, query.state, lab.order()]).toEqual(['rejected', 'resolved', [3]]);
    await lab.app.stop();
  });

  it('leaves no news of an end when it is dropped before it was accepted', async () => {
    const lab = await createLab();
    const news: string[] = [];
    for (const name of ['accepted', 'ended'] as const)
      lab.app.node.events.on(name, ({ kind }) => void news.push(`${kind} ${name}`));
    const open = lab.app.wal.hold('commit');
    void lab.work('a', { n: 2 });
    const asked = fate(lab.ask('a', { n: 3 }, { timeoutMs: 10, cancelOnTimeout: true }));
    await lab.app.advance(20);
    expect([asked.code, news]).toEqual(['REPLY_TIMEOUT', []]);
    open();
    await lab.app.advance(200);
    expect([lab.order(), news]).toEqual([[2], ['command accepted', 'command ended']]);
    await lab.app.stop();
  });
});
