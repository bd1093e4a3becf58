import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  claimOf,
  epochMet,
  nothingWatched,
  type ShardWatch,
  signsRead,
  stillForMs,
  unwatched,
} from '../../../src/cluster/shard-watch.js';
import type { SignOfLife } from '../../../src/wal/shared-wal.js';

const me = { node: 'me', incarnation: 'me-1', leaseMs: 2_000 };
const sign = (beat: number, rest: Partial<SignOfLife> = {}): SignOfLife => ({
  epoch: 7,
  incarnation: 'other-1',
  node: 'other',
  beat,
  ...rest,
});
const nobody = (epoch = 7): SignOfLife => ({ epoch, incarnation: undefined, node: '', beat: 0 });
const read = (watch: ShardWatch, seen: SignOfLife, sentAtMs: number, receivedAtMs = sentAtMs): ShardWatch =>
  signsRead(watch, { shards: [3], signs: [seen], sentAtMs, receivedAtMs });

describe('the watch over a shard', () => {
  it('proves silence only from the receipt of the first read to the sending of the last (M6)', () => {
    let watch = read(nothingWatched, sign(1), 0, 300);
    watch = read(watch, sign(1), 2_299, 9_000);
    expect(stillForMs(watch, 3)).toBe(1_999);
    expect(claimOf(watch, 3, me)).toBeUndefined();
    watch = read(watch, sign(1), 2_300, 2_301);
    expect(claimOf(watch, 3, me)).toEqual({ node: 'me', silent: sign(1), epochSeen: 7 });
  });

  it('starts anew with every other beat, epoch or incarnation', () => {
    for (const other of [sign(2), sign(1, { epoch: 8 }), sign(1, { incarnation: 'other-2' })]) {
      let watch = read(read(nothingWatched, sign(1), 0), sign(1), 1_999);
      watch = read(watch, other, 2_500);
      expect(claimOf(watch, 3, me)).toBeUndefined();
      watch = read(watch, other, 4_499);
      expect(claimOf(watch, 3, me)).toBeUndefined();
      expect(claimOf(read(watch, other, 4_500), 3, me)?.silent).toEqual(other);
    }
  });

  it('lets two reads a lease apart prove the silence between them, though the watcher slept', () => {
    const watch = read(read(nothingWatched, sign(1), 0, 1), sign(1), 3_600_000);
    expect(claimOf(watch, 3, me)?.silent).toEqual(sign(1));
  });

  it('proves nothing with one read, however long its answer took', () => {
    const watch = read(nothingWatched, sign(1), 0, 60_000);
    expect(stillForMs(watch, 3)).toBe(0);
    expect(claimOf(watch, 3, me)).toBeUndefined();
  });

  it('claims a shard without owner, and its own, without proof', () => {
    expect(claimOf(read(nothingWatched, nobody(), 0), 3, me)).toEqual({ node: 'me', epochSeen: 7 });
    const mine = sign(4, { incarnation: 'me-1' });
    expect(claimOf(read(nothingWatched, mine, 0), 3, me)).toEqual({ node: 'me', epochSeen: 7 });
    expect(claimOf(nothingWatched, 3, me)).toBeUndefined();
  });

  it('claims above the highest epoch that it ever saw, also after the store went back (M8)', () => {
    let watch = epochMet(nothingWatched, 3, 40);
    expect(claimOf(watch, 3, me)).toBeUndefined();
    watch = read(watch, nobody(12), 0);
    expect(claimOf(watch, 3, me)?.epochSeen).toBe(40);
    watch = read(read(watch, nobody(55), 10), nobody(20), 20);
    expect(claimOf(epochMet(watch, 3, 1), 3, me)?.epochSeen).toBe(55);
  });

  it('forgets what it proved of a shard that it left unwatched, and keeps the epoch', () => {
    let watch = read(read(nothingWatched, sign(1), 0), sign(1), 5_000);
    watch = unwatched(watch, [3, 9]);
    expect(claimOf(watch, 3, me)).toBeUndefined();
    watch = read(watch, sign(1), 5_001);
    expect(claimOf(watch, 3, me)).toBeUndefined();
    expect(claimOf(read(watch, sign(1), 7_001), 3, me)).toMatchObject({ epochSeen: 7 });
  });

  it('refuses a read that was answered before it was sent, or that misses an answer', () => {
    expect(() => read(nothingWatched, sign(1), 5, 4)).toThrow(RangeError);
    expect(() => signsRead(nothingWatched, { shards: [1], signs: [], sentAtMs: 0, receivedAtMs: 0 })).toThrow(
      RangeError,
    );
  });

  it('never claims while the owner has renewed within a lease, whatever the delays and the order of answers (M6)', () => {
    // True time: the owner renews at random moments; each read samples somewhere between its sending and its receipt.
    const reads = fc.array(fc.record({ afterMs: fc.nat(1_500), toStoreMs: fc.nat(900), backMs: fc.nat(900) }), {
      minLength: 1,
      maxLength: 40,
    });
    const renewals = fc.array(fc.nat(2_500), { maxLength: 40 });
    fc.assert(
      fc.property(reads, renewals, (plan, gaps) => {
        let atMs = 0;
        const renewedAt = gaps.map((gapMs) => (atMs += gapMs));
        atMs = 0;
        const answers = plan
          .map(({ afterMs, toStoreMs, backMs }) => {
            atMs += afterMs;
            const sampledAt = atMs + toStoreMs;
            const beat = renewedAt.filter((each) => each <= sampledAt).length;
            return { sentAtMs: atMs, sampledAt, receivedAtMs: sampledAt + backMs, beat };
          })
          .sort((a, b) => a.receivedAtMs - b.receivedAtMs);
        let watch = nothingWatched;
        for (const { beat, sentAtMs, receivedAtMs } of answers) {
          watch = read(watch, sign(beat), sentAtMs, receivedAtMs);
          const claim = claimOf(watch, 3, me);
          if (claim === undefined) continue;
          // The store opens only if the sign is the proven one now; then the owner's last renewal is a lease old.
          const nowBeat = renewedAt.filter((each) => each <= receivedAtMs).length;
          const last = renewedAt.filter((each) => each <= receivedAtMs).at(-1) ?? 0;
          if (claim.silent?.beat === nowBeat) expect(receivedAtMs - last).toBeGreaterThanOrEqual(me.leaseMs);
        }
      }),
      { numRuns: 500 },
    );
  });
});
