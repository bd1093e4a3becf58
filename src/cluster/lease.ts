/**
 * The owner's side of a lease (M7): how long it may go on starting handlers. Pure; the time is handed in.
 *
 * A lease counts from before the renewal (or the commit, or the opening) was SENT, so it is over here before anyone else
 * can have seen a full lease of silence. Two clocks are asked:
 *
 * - The monotonic clock decides: past `leaseMs` the lease is `expired`, and what runs under it must be told to stop.
 * - The wall clock raises doubt. On a suspended machine the monotonic clock may stand still while others count on. So when
 *   the wall clock says that the lease is over and the monotonic one does not, the lease is `doubtful`: nothing starts and a
 *   renewal is due at once. The store's answer settles it, since it knows whether anyone opened the shard meanwhile.
 *
 * A wall clock that is set ahead by an hour therefore costs one round trip, once, and ends nothing: the next renewal counts
 * from the new time. One that is set back says nothing and is ignored; a machine that is suspended for the very time by
 * which its clock is set back is not noticed here, and the store refuses what it does.
 *
 * A renewal that the store confirmed makes a lease hold again, also one that was expired: the store would have refused it
 * if anyone had opened the shard. What was stopped at the expiry stays stopped.
 */

export interface LeaseTimes {
  readonly leaseMs: number;
  /**
   * Nothing starts in the last part of a lease: for what lies between the check and the handler's first instruction, and
   * for clocks that tick at different speed.
   */
  readonly marginMs: number;
  /** A renewal is due this long after the last confirmed one was sent, unless a commit was one. */
  readonly renewAfterMs: number;
}

/** One moment on both clocks. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export interface Lease {
  /** When the last confirmed renewal was about to be sent. */
  readonly sentAt: Instant;
}

/** `doubtful`: start nothing and renew at once. `expired`: as doubtful, and stop what is running. */
export type LeaseState = 'held' | 'doubtful' | 'expired';

/**
 * A fifth of the lease between renewals leaves room for an event loop that stands still for more than half of it; a tenth
 * is the margin.
 */
export function leaseTimes(leaseMs: number): LeaseTimes {
  return { leaseMs, marginMs: leaseMs / 10, renewAfterMs: leaseMs / 5 };
}

/** A lease from its first sign of life: the moment before `open` was sent. */
export function leaseFrom(sentAt: Instant): Lease {
  return { sentAt };
}

/** The store took a renewal or commit that was sent after `sentAt`. Confirmations may come in any order. */
export function confirmed(lease: Lease, sentAt: Instant): Lease {
  return sentAt.monotonicMs < lease.sentAt.monotonicMs ? lease : { sentAt };
}

export function leaseState(lease: Lease, times: LeaseTimes, now: Instant): LeaseState {
  const elapsedMs = now.monotonicMs - lease.sentAt.monotonicMs;
  if (elapsedMs >= times.leaseMs) return 'expired';
  const wallElapsedMs = now.wallMs - lease.sentAt.wallMs;
  return Math.max(elapsedMs, wallElapsedMs) >= times.leaseMs - times.marginMs ? 'doubtful' : 'held';
}

/** Whether a handler may start now. */
export function mayStart(lease: Lease, times: LeaseTimes, now: Instant): boolean {
  return leaseState(lease, times, now) === 'held';
}

/** Whether a renewal is to be sent now, if none is on its way. */
export function renewalDue(lease: Lease, times: LeaseTimes, now: Instant): boolean {
  return now.monotonicMs - lease.sentAt.monotonicMs >= times.renewAfterMs || leaseState(lease, times, now) !== 'held';
}
