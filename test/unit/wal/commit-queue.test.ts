/** What waits for the next commits of a shard keeps its order and its groups, whatever is put back. */
import { describe, expect, it } from 'vitest';
import type { Batch, Participant } from '../../../src/wal/commit-batch.js';
import { COMMIT_WEIGHT_MAX, CommitQueue, deferredOf } from '../../../src/wal/commit-queue.js';
import type { Outcome, Transition } from '../../../src/wal/transition.js';

const nobody: Participant = { committed: () => {}, refused: () => {} };
const dispatch = (seq: number): Transition => ({ type: 'dispatch', seq });
const seqs = ({ transitions }: Batch): number[] =>
  transitions.map((transition) => ('seq' in transition ? transition.seq : 0));
const queueOf = (count: number): CommitQueue => {
  const queue = new CommitQueue();
  for (let seq = 1; seq <= count; seq += 1) queue.push(dispatch(seq), nobody);
  return queue;
};

describe('the queue of a group commit', () => {
  it('gives everything out in order, a commit at a time (I4)', () => {
    const queue = queueOf(2 * COMMIT_WEIGHT_MAX + 3);
    const given: number[] = [];
    while (queue.size > 0) {
      const batch = queue.cut();
      expect(batch.transitions.length).toBeLessThanOrEqual(COMMIT_WEIGHT_MAX);
      given.push(...seqs(batch));
    }
    expect(given).toEqual(Array.from({ length: 2 * COMMIT_WEIGHT_MAX + 3 }, (_, index) => index + 1));
  });

  it('takes back what has not gone out yet, and keeps the rest and its groups as they are (M1, I4)', () => {
    const someone = (): Participant => ({ committed: () => {}, refused: () => {} });
    const [first, second, third] = [someone(), someone(), someone()];
    const queue = queueOf(COMMIT_WEIGHT_MAX);
    queue.push(dispatch(1_001), first);
    queue.cut();
    queue.push(dispatch(1_002), second);
    queue.pushGroup([dispatch(1_003), dispatch(1_004)], [third, third]);
    expect([queue.withdraw(second, 'expire'), queue.withdraw(second, 'dispatch')]).toEqual([false, true]);
    expect(queue.withdraw(second, 'dispatch')).toBe(false);
    const batch = queue.cut();
    expect([seqs(batch), batch.groups]).toEqual([[1_001, 1_003, 1_004], [{ start: 1, end: 3 }]]);
    // It is in a commit now.
    expect([queue.withdraw(first, 'dispatch'), queue.size]).toEqual([false, 0]);
  });

  it('gives long contents out in more commits, about 2 MiB at a time (M3, I9)', () => {
    const queue = new CommitQueue();
    const content = 'x'.repeat(64 * 1024);
    const message = { id: 'm', kind: 'command', entityType: 't', entityId: 'e', name: 'N', payload: content } as const;
    for (let seq = 1; seq <= 100; seq += 1) {
      queue.push({ type: 'append', message }, nobody);
      queue.push({ type: 'complete', seq, state: content }, nobody);
      queue.push(
        { type: 'complete', seq, outgoing: [{ targetShard: 1, append: { type: 'append', message } }] },
        nobody,
      );
    }
    const sizes: number[] = [];
    while (queue.size > 0) sizes.push(queue.cut().transitions.length);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(300);
    expect(Math.max(...sizes) * content.length).toBeLessThanOrEqual(2.1 * 1024 * 1024);
    expect(Math.min(...sizes.slice(0, -1)) * content.length).toBeGreaterThan(1024 * 1024);
  });

  it('never parts a group, also one that stands across the end of a commit', () => {
    const queue = queueOf(COMMIT_WEIGHT_MAX - 1);
    queue.pushGroup([dispatch(9_001), dispatch(9_002), dispatch(9_003)], [nobody, nobody, nobody]);
    expect(seqs(queue.cut()).slice(-3)).toEqual([9_001, 9_002, 9_003]);
    expect(queue.size).toBe(0);
  });

  it('puts a batch back ahead of what came since, with its groups whole (I4)', () => {
    const queue = new CommitQueue();
    queue.pushGroup([dispatch(1), dispatch(2)], [nobody, nobody]);
    queue.push(dispatch(3), nobody);
    const batch = queue.cut();
    queue.push(dispatch(4), nobody);
    queue.putFront(batch, true);
    expect(seqs(queue.cut())).toEqual([1, 2]);
    expect(seqs(queue.cut())).toEqual([3]);
    expect(seqs(queue.cut())).toEqual([4]);
  });

  it('takes the deferred appends of a batch out, each group still one (M2)', () => {
    const queue = new CommitQueue();
    queue.push(dispatch(1), nobody);
    queue.pushGroup([dispatch(2), dispatch(3)], [nobody, nobody]);
    queue.push(dispatch(4), nobody);
    const deferred: Outcome = { type: 'deferred' };
    const left = deferredOf(queue.cut(), [{ type: 'applied' }, deferred, deferred, { type: 'applied' }]);
    expect(seqs(left)).toEqual([2, 3]);
    expect(left.groups).toEqual([{ start: 0, end: 2 }]);
  });
});
