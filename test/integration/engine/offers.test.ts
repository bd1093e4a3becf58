import { describe, expect, it } from 'vitest';
import type { OfferedTransition } from '../../../src/wal/wal.js';
import { createLab, fate, type Script } from './lab.js';

describe('what other processes hand in', () => {
  const append = (id: string, entityId: string, script: Script, extra = {}): OfferedTransition => ({
    type: 'append',
    message: { id, kind: 'command', entityType: 'account', entityId, name: 'Work', payload: JSON.stringify(script) },
    ...extra,
  });

  it('is found without a hint, takes its place before what is enqueued later, and is run (M2)', async () => {
    const lab = await createLab();
    let number = 0;
    const offer = (transition: OfferedTransition) =>
      lab.app.wal.offer(0, [{ session: 's', number: ++number, transition }]);
    void lab.work('a', { n: 1, hang: true });
    await lab.app.settle();
    await offer(append('o2', 'a', { n: 2 }));
    void lab.work('a', { n: 3 });
    await lab.app.settle();
    await offer(append('o4', 'b', { n: 4 }));
    await lab.app.advance(150);
    expect(lab.order()).toEqual([1, 4]);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order()).toEqual([1, 4, 2, 3]);
    await offer(append('o5', 'c', { n: 5 }, { delayMs: 1_000 }));
    await lab.app.advance(1_200);
    expect(lab.order()).toEqual([1, 4, 2, 3, 5]);
    expect(lab.app.node.owner.door.depth).toBe(0);
    await lab.app.stop();
  });

  it('withdraws, pauses, replays and purges', async () => {
    const lab = await createLab();
    let number = 0;
    const offer = (transition: OfferedTransition) =>
      lab.app.wal.offer(0, [{ session: 's', number: ++number, transition }]);
    void lab.work('a', { n: 1, hang: true });
    const waited = fate(lab.workAndWait('a', { n: 2 }, { timeoutMs: 0 }));
    const dead = await lab.app.drive(lab.work('d', { n: 3, failures: 1 }));
    const gone = await lab.app.drive(lab.work('d', { n: 4, failures: 1 }));
    await lab.app.settle();
    const waiting = (await lab.app.inspect()).pending.find(({ state }) => state === 'enqueued');
    await offer({ type: 'cancel', id: waiting?.id ?? '' });
    await offer({ type: 'pause', entityType: 'account', entityId: 'd' });
    await offer({ type: 'replay', id: dead.id, newId: 'again' });
    await offer({ type: 'purge', id: gone.id });
    await lab.app.advance(150);
    expect(waited.code).toBe('CANCELLED');
    expect((await lab.app.inspect()).deadLetters).toEqual([]);
    expect(lab.order()).toEqual([1, 3, 4]);
    await offer({ type: 'resume', entityType: 'account', entityId: 'd' });
    await lab.app.advance(150);
    expect(lab.order()).toEqual([1, 3, 4, 3]);
    expect([...lab.app.node.owner.door.deadLettersByType.values()]).toEqual([1]);
    lab.let(1);
    await lab.app.stop();
  });
});
