import { describe, expect, it } from 'vitest';
import type { CommitRequest } from '../../../src/wal/wal.js';
import { createLab, fate, refusal } from './lab.js';

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
}

describe('pause', () => {
  it('of an entity stops its next starts, accepts and keeps new messages, and resume goes on in order', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    void lab.work('a', { n: 2 });
    await lab.app.drive(lab.app.bus.pause('account', 'a'));
    await lab.app.drive(lab.app.bus.pause('account', 'a'));
    void lab.work('a', { n: 3 });
    void lab.work('b', { n: 4 });
    await lab.app.settle();
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 4]);
    expect((await refusal(lab.workAndWait('a', { n: 5 }))).code).toBe('ENTITY_PAUSED');
    await lab.app.drive(lab.app.bus.resume('account', 'a'));
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 4, 2, 3]);
    await lab.app.stop();
  });

  it.each([1, 4])(
    'keeps a query that was about to start ahead of the command that came after it, dispatchAhead %i (I4)',
    async (dispatchAhead) => {
      // Where the turns fall decides what shares a commit; in some, the query is chosen, and the command marked behind it.
      for (let ended = 0; ended < 8; ended += 1) {
        for (let held = 0; held < 8; held += 1) {
          const lab = await createLab({ entities: { account: { dispatchAhead } } });
          void lab.work('a', { n: 1, hang: true });
          await lab.app.settle();
          const asked = lab.ask('a', { n: 2 });
          await lab.app.settle();
          lab.let(1);
          await turns(ended);
          void lab.work('a', { n: 3 });
          const paused = lab.app.bus.pause('account', 'a');
          if (held < 4) await lab.app.drive(paused);
          await turns(held);
          await lab.app.drive(lab.app.bus.resume('account', 'a'));
          await lab.app.drive(asked);
          await lab.app.settle();
          expect(lab.order(), `${ended} and ${held} turns`).toEqual([1, 2, 3]);
          await lab.app.stop();
        }
      }
    },
  );

  it('keeps it ahead also when the command was marked meanwhile, since the line is resumed already (I4)', async () => {
    let duringPause = (): void => {};
    const lab = await createLab(
      {},
      {
        wrapWal: (wal) =>
          new Proxy(wal, {
            get: (target, name) => {
              const value: unknown = Reflect.get(target, name, target);
              if (name !== 'commit' || typeof value !== 'function') {
                return typeof value === 'function' ? value.bind(target) : value;
              }
              return (request: CommitRequest) => {
                if (request.transitions.some(({ type }) => type === 'pause')) duringPause();
                return target.commit(request);
              };
            },
          }),
      },
    );
    void lab.work('a', { n: 1, hang: true });
    await lab.app.settle();
    const asked = lab.ask('a', { n: 2 });
    await lab.app.settle();
    lab.let(1);
    await turns(4);
    void lab.work('a', { n: 3 });
    void lab.app.bus.pause('account', 'a');
    duringPause = () => void lab.app.bus.resume('account', 'a');
    await lab.app.drive(asked);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2, 3]);
    expect((await lab.app.inspect()).pending).toEqual([]);
    await lab.app.stop();
  });

  it('of a type leaves entities that were paused on their own paused when it is resumed', async () => {
    const lab = await createLab();
    await lab.app.drive(lab.app.bus.pause('account', 'a'));
    await lab.app.drive(lab.app.bus.pause('account'));
    void lab.work('a', { n: 1 });
    void lab.work('b', { n: 2 });
    await lab.app.settle();
    await lab.app.drive(lab.app.bus.resume('account'));
    await lab.app.settle();
    expect(lab.order()).toEqual([2]);
    await lab.app.drive(lab.app.bus.resume('account', 'a'));
    await lab.app.settle();
    expect(lab.order()).toEqual([2, 1]);
    await lab.app.stop();
  });

  it('is durable', async () => {
    const lab = await createLab();
    await lab.app.drive(lab.app.bus.pause('account', 'a'));
    await lab.app.drive(lab.work('a', { n: 1 }));
    lab.app.crash();
    lab.app = await lab.app.restart();
    await lab.app.drive(lab.work('a', { n: 2 }));
    expect(lab.order()).toEqual([]);
    await lab.app.drive(lab.app.bus.resume('account', 'a'));
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    await lab.app.stop();
  });

  it('puts messages that were marked ahead back into the line, unstarted', async () => {
    const lab = await createLab({ entities: { account: { dispatchAhead: 4 } } });
    void lab.work('a', { n: 1, hang: true });
    for (let n = 2; n <= 6; n += 1) void lab.work('a', { n });
    await lab.app.settle();
    expect((await lab.app.inspect()).pending.filter(({ state }) => state === 'dispatched')).toHaveLength(4);
    await lab.app.drive(lab.app.bus.pause('account', 'a'));
    lab.let(1);
    await lab.app.settle();
    expect((await lab.app.inspect()).pending.map(({ state, attempt }) => [state, attempt])).toEqual(
      Array.from({ length: 5 }, () => ['enqueued', 0]),
    );
    await lab.app.drive(lab.app.bus.resume('account', 'a'));
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(lab.started.every(({ attempt }) => attempt === 1)).toBe(true);
    await lab.app.stop();
  });

  it('in the commit of an append and of a dispatch is kept to', async () => {
    const lab = await createLab();
    const paused = lab.app.bus.pause('account');
    // The pause is on its way to the store, in the same commit as what follows.
    while (lab.app.node.owner.commits.gathered === 0) await Promise.resolve();
    void lab.work('a', { n: 1 });
    void lab.work('a', { n: 2 });
    await lab.app.drive(paused);
    await lab.app.settle();
    expect(lab.order()).toEqual([]);
    await lab.app.drive(lab.app.bus.resume('account'));
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 2]);
    await lab.app.stop();
  });
});

describe('purge', () => {
  it('withdraws what waits of an entity, delayed messages too, and leaves what runs', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    const waited = fate(lab.workAndWait('a', { n: 2 }));
    void lab.work('a', { n: 3 }, { delayMs: 100 });
    void lab.work('b', { n: 4 }, { delayMs: 100 });
    await lab.app.settle();
    expect(await lab.app.drive(lab.app.bus.purge('account', 'a'))).toBe(2);
    expect(waited.code).toBe('CANCELLED');
    lab.let(1);
    await lab.app.advance(200);
    expect(lab.order()).toEqual([1, 4]);
    await lab.app.stop();
  });

  it('of a type takes thousands, also those recovered and never looked at; nothing is left behind', async () => {
    const lab = await createLab();
    await lab.app.drive(lab.app.bus.pause('account'));
    await lab.app.drive(Promise.all(Array.from({ length: 1_200 }, (_, n) => lab.work(`e${n % 30}`, { n }))));
    lab.app.crash();
    lab.app = await lab.app.restart();
    expect(await lab.app.drive(lab.app.bus.purge('account'))).toBe(1_200);
    const { owner } = lab.app.node;
    expect([owner.isIdle, owner.door.depth, owner.directory.active]).toEqual([true, 0, 0]);
    await lab.app.drive(lab.app.bus.resume('account'));
    await lab.app.drive(lab.work('e1', { n: 5_000 }));
    await lab.app.settle();
    expect(lab.order()).toEqual([5_000]);
    await lab.app.stop();
  });
});

describe('dead letters', () => {
  it('are replayed as new messages at the end of the line, and remember their origin (M17)', async () => {
    const lab = await createLab();
    let broken = true;
    lab.app.node.handle('account', 'Flaky', (_message, { entityId }) => {
      if (broken) throw new Error('broken');
      lab.started.push({ entity: entityId, n: 7, attempt: 1, at: lab.now });
    });
    const { id } = await lab.app.drive(lab.app.bus.enqueue('account', 'Flaky', 'a', { x: 1 }, { messageId: 'k' }));
    await lab.app.settle();
    broken = false;
    void lab.work('a', { n: 1, hang: true });
    await lab.app.settle();
    const replayed = await lab.app.drive(lab.app.node.deadLetters.replay(id));
    expect(await lab.app.drive(lab.app.node.deadLetters.replay(id))).toBeUndefined();
    expect(replayed?.id).not.toBe(id);
    expect((await lab.app.inspect()).deadLetters).toEqual([]);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 7]);
    // The idempotency key points to the new one now.
    const again = await lab.app.drive(lab.app.bus.enqueue('account', 'Flaky', 'a', { x: 1 }, { messageId: 'k' }));
    expect(again.id).toBe(replayed?.id);
    await lab.app.stop();
  });

  it('are listed, counted, replayed and purged by filters and pages', async () => {
    const lab = await createLab({}, { types: ['account', 'order'] });
    for (let n = 0; n < 25; n += 1) void lab.work(`${n % 2 === 0 ? 'account' : 'order'}/e${n % 3}`, { n, failures: 1 });
    await lab.app.drive(lab.work('account/late', { n: 99 }, { expiresInMs: 0 }));
    await lab.app.advance(10);
    const { deadLetters } = lab.app.node;
    const page = await deadLetters.list({ entityType: 'account', reason: 'failed', limit: 10 });
    expect(page.letters).toHaveLength(10);
    const rest = await deadLetters.list({ entityType: 'account', reason: 'failed', limit: 10, cursor: page.cursor });
    expect(rest.letters).toHaveLength(3);
    expect(rest.cursor).toBeUndefined();
    expect(await deadLetters.count({ reason: 'expired' })).toBe(1);
    expect(await deadLetters.count({ entityType: 'order', entityId: 'e1' })).toBe(4);
    expect(await lab.app.drive(deadLetters.purge({ entityType: 'order' }))).toBe(12);
    expect(await lab.app.drive(deadLetters.replay({ entityType: 'account', reason: 'failed' }))).toBe(13);
    await lab.app.settle();
    // They fail again: new letters, and one expired one.
    expect(await deadLetters.count()).toBe(14);
    await lab.app.stop();
  });

  it('at their limit refuse new messages of that type only, with an alarm, and let them in again when some are gone', async () => {
    const lab = await createLab({ entities: { account: { deadLettersMax: 2 } } }, { types: ['account', 'order'] });
    const first = await lab.app.drive(lab.work('a', { n: 1, failures: 1 }));
    void lab.work('a', { n: 2, failures: 1 });
    await lab.app.settle();
    expect(lab.app.log.of('deadLettersFull')).toMatchObject([{ entityType: 'account', count: 2, limit: 2 }]);
    expect((await refusal(lab.work('a', { n: 3 }))).code).toBe('STORE_DEGRADED');
    await lab.app.drive(lab.work('order/a', { n: 4 }));
    lab.app.crash();
    lab.app = await lab.app.restart();
    expect((await refusal(lab.app.drive(lab.work('a', { n: 5 })))).code).toBe('STORE_DEGRADED');
    await lab.app.drive(lab.app.node.deadLetters.purge(first.id));
    await lab.app.drive(lab.work('a', { n: 6 }));
    await lab.app.settle();
    expect(lab.order()).toContain(6);
    await lab.app.stop();
  });
});

describe('dispatchAhead', () => {
  const commitsFor = async (dispatchAhead: number): Promise<number> => {
    const lab = await createLab({ entities: { account: { dispatchAhead } } });
    void lab.work('a', { n: 0, hang: true });
    for (let n = 1; n <= 64; n += 1) void lab.work('a', { n });
    await lab.app.settle();
    lab.app.wal.requests.length = 0;
    lab.let(0);
    await lab.app.settle();
    expect(lab.order()).toEqual(Array.from({ length: 65 }, (_, n) => n));
    const commits = lab.app.wal.requests.length;
    await lab.app.stop();
    return commits;
  };

  it('lets many messages of a hot entity share a commit', async () => {
    expect(await commitsFor(1)).toBeGreaterThanOrEqual(64);
    expect(await commitsFor(16)).toBeLessThan(12);
  });

  it('marks no more than it says (I2)', async () => {
    const lab = await createLab({ entities: { account: { dispatchAhead: 5 } } });
    for (let n = 0; n < 30; n += 1) void lab.work('a', { n, ms: 1 });
    for (let ms = 0; ms < 30; ms += 1) {
      await lab.app.advance(1);
      const marked = (await lab.app.inspect()).pending.filter(({ state }) => state === 'dispatched');
      expect(marked.length).toBeLessThanOrEqual(5);
    }
    await lab.app.advance(10);
    expect(lab.order()).toEqual(Array.from({ length: 30 }, (_, n) => n));
    await lab.app.stop();
  });
});
