import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { confirmed, leaseFrom, leaseState, leaseTimes, mayStart, renewalDue } from '../../../src/cluster/lease.js';

const times = leaseTimes(2_000);
const at = (monotonicMs: number, wallMs = 1_000_000 + monotonicMs) => ({ monotonicMs, wallMs });
const HOUR_MS = 3_600_000;

describe('a lease', () => {
  it('allows starts from its sending until its margin, and is over after its time (M7)', () => {
    const lease = leaseFrom(at(100));
    expect(leaseState(lease, times, at(100))).toBe('held');
    expect(leaseState(lease, times, at(1_899))).toBe('held');
    expect(leaseState(lease, times, at(1_900))).toBe('doubtful');
    expect(leaseState(lease, times, at(2_099))).toBe('doubtful');
    expect(leaseState(lease, times, at(2_100))).toBe('expired');
    expect(mayStart(lease, times, at(1_899))).toBe(true);
    expect(mayStart(lease, times, at(1_900))).toBe(false);
  });

  it('counts from before the renewal was sent, and a late answer to an older one shortens nothing', () => {
    let lease = leaseFrom(at(0));
    lease = confirmed(lease, at(800));
    lease = confirmed(lease, at(400));
    expect(leaseState(lease, times, at(2_799))).toBe('doubtful');
    expect(leaseState(lease, times, at(2_800))).toBe('expired');
  });

  it('wants a renewal in time for an event loop that then stands still for 1.2 s', () => {
    const lease = leaseFrom(at(0));
    expect(renewalDue(lease, times, at(399))).toBe(false);
    expect(renewalDue(lease, times, at(400))).toBe(true);
    expect(mayStart(lease, times, at(400 + 1_200))).toBe(true);
  });

  it('starts nothing after a suspension that only the wall clock saw, until the store has answered', () => {
    let lease = leaseFrom(at(0));
    const awake = at(10, 1_000_000 + HOUR_MS);
    expect(leaseState(lease, times, awake)).toBe('doubtful');
    expect(renewalDue(lease, times, awake)).toBe(true);
    lease = confirmed(lease, awake);
    expect(leaseState(lease, times, at(20, awake.wallMs + 10))).toBe('held');
  });

  it('is only doubted, and once, by a wall clock that is set ahead by an hour', () => {
    let lease = confirmed(leaseFrom(at(0)), at(400));
    const ahead = (ms: number) => at(ms, 1_000_000 + ms + HOUR_MS);
    expect(leaseState(lease, times, ahead(500))).toBe('doubtful');
    lease = confirmed(lease, ahead(500));
    for (let ms = 501; ms < 900; ms += 1) expect(leaseState(lease, times, ahead(ms))).toBe('held');
  });

  it('takes no notice of a wall clock that is set back', () => {
    const lease = leaseFrom(at(0));
    const back = (ms: number) => at(ms, 1_000_000 + ms - HOUR_MS);
    expect(leaseState(lease, times, back(1_799))).toBe('held');
    expect(leaseState(lease, times, back(1_800))).toBe('doubtful');
    expect(leaseState(lease, times, back(2_000))).toBe('expired');
  });

  it('never allows a start when a lease has passed on either clock, whatever was confirmed when', () => {
    const sends = fc.array(fc.record({ monotonicMs: fc.nat(10_000), wallMs: fc.nat(20_000) }), { minLength: 1 });
    fc.assert(
      fc.property(sends, fc.nat(12_000), fc.nat(24_000), (sent, monotonicMs, wallMs) => {
        const now = { monotonicMs, wallMs };
        const [first, ...rest] = sent;
        const lease = rest.reduce(confirmed, leaseFrom(first!));
        const last = Math.max(...sent.map((each) => each.monotonicMs));
        expect(lease.sentAt.monotonicMs).toBe(last);
        if (mayStart(lease, times, now)) {
          expect(monotonicMs - last).toBeLessThan(times.leaseMs - times.marginMs);
          expect(wallMs - lease.sentAt.wallMs).toBeLessThan(times.leaseMs - times.marginMs);
        } else expect(renewalDue(lease, times, now)).toBe(true);
        expect(monotonicMs >= last + times.leaseMs).toBe(leaseState(lease, times, now) === 'expired');
      }),
    );
  });
});
