import { describe, expect, it } from 'vitest';
import { createLab } from './lab.js';

describe('the line of an entity', () => {
  it('runs messages in the order in which they were enqueued (I4)', async () => {
    const lab = await createLab();
    for (let n = 1; n <= 50; n += 1) void lab.work('a', { n, ms: n % 3 });
    await lab.app.advance(1_000);
    expect(lab.order()).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    await lab.app.stop();
  });

  it('never runs two handlers of one entity at once, and those of different entities side by side (I3, I9)', async () => {
    const lab = await createLab();
    for (let n = 1; n <= 30; n += 1) void lab.work(`e${n % 3}`, { n, ms: 10 });
    await lab.app.advance(99);
    expect(lab.most).toBe(3);
    await lab.app.advance(1);
    expect(lab.finished).toHaveLength(30);
    expect(lab.overlaps).toEqual([]);
    await lab.app.stop();
  });

  it('is not held up by a slow entity beside it (I9)', async () => {
    const lab = await createLab();
    void lab.work('slow', { n: 1, hang: true });
    for (let n = 2; n <= 100; n += 1) void lab.work('slow', { n });
    void lab.work('quick', { n: 1000 });
    await lab.app.settle();
    expect(lab.order('account/quick')).toEqual([1000]);
    expect(lab.order('account/slow')).toEqual([1]);
    lab.let(1);
    await lab.app.settle();
    expect(lab.order('account/slow')).toHaveLength(100);
    await lab.app.stop();
  });

  it('treats ids that look like keys, and equal ids of two types, as different entities', async () => {
    const lab = await createLab({}, { types: ['account', 'order'] });
    const ids = ['a', 'a\n', '{a}', 'a:b', '__proto__', 'constructor', '😀', 'x'.repeat(512), '\0'];
    ids.forEach((id, index) => {
      void lab.app.bus.enqueue('account', 'Work', id, { n: index, hang: true });
      void lab.app.bus.enqueue('order', 'Work', id, { n: 100 + index, hang: true });
    });
    await lab.app.settle();
    expect(lab.started).toHaveLength(2 * ids.length);
    ids.forEach((_, index) => {
      lab.let(index);
      lab.let(100 + index);
    });
    await lab.app.stop();
  });

  it('starts a handler only after its dispatch is durable (I2)', async () => {
    const lab = await createLab();
    const open = lab.app.wal.hold('commit');
    const accepted = lab.work('a', { n: 1 });
    await lab.app.settle();
    expect(lab.started).toEqual([]);
    open();
    await lab.app.settle();
    await accepted;
    expect(lab.order()).toEqual([1]);
    await lab.app.stop();
  });

  it('puts completion and the next dispatch of an entity into one commit', async () => {
    const lab = await createLab();
    void lab.work('a', { n: 1, hang: true });
    void lab.work('a', { n: 2 });
    await lab.app.settle();
    lab.app.wal.requests.length = 0;
    lab.let(1);
    await lab.app.settle();
    const kinds = lab.app.wal.requests.map(({ transitions }) => transitions.map((each) => each.type));
    expect(kinds).toEqual([['complete', 'dispatch'], ['complete']]);
    await lab.app.stop();
  });

  it('gives each start a fencing token that is larger than all before (M7)', async () => {
    const lab = await createLab({ retry: { maxAttempts: 3, backoffDelay: 1 } });
    for (let n = 1; n <= 5; n += 1) void lab.work(`e${n % 2}`, { n, failures: n % 3 });
    await lab.app.advance(100);
    const first = lab.contexts.map((context) => context.fencingToken);
    lab.app.crash();
    const other = await lab.app.restart();
    lab.app = other;
    void lab.work('e1', { n: 9 });
    await other.settle();
    const all = lab.contexts.map((context) => context.fencingToken);
    expect(first.length).toBeGreaterThan(5);
    expect(all).toEqual([...all].sort());
    expect(new Set(all).size).toBe(all.length);
    await other.stop();
  });
});
