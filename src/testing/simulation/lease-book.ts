/**
 * What is true of each lease, known to the simulation only: when the owner's last sign of life was sent, by its own
 * clock. The judge asks it whether an owner started a handler after its lease, and whether a shard was taken from an owner
 * whose lease was still running.
 */
import type { SimulatedProcess } from './simulated-process.js';

interface Tenancy {
  readonly process: SimulatedProcess;
  readonly epoch: number;
  /** Sending time of the last sign of life that the store has taken, by the owner's monotonic clock. */
  appliedSentAt: number;
  /** The same of the last one whose answer has come back: what the owner knows. Undefined: of none. */
  confirmedSentAt: number | undefined;
  /** The owner has given the shard up by itself, or released it. */
  isOver: boolean;
}

export interface SignSent {
  /** The store has taken it. */
  applied(epoch: number, incarnation: string): void;
  /** The owner has heard so. */
  confirmed(epoch: number): void;
}

export class LeaseBook {
  private readonly tenancies = new Map<string, Tenancy>();
  private readonly current = new Map<number, Tenancy>();

  constructor(private readonly leaseMs: number) {}

  /** A sign of life leaves its process now. */
  sending(process: SimulatedProcess, shard: number): SignSent {
    const sentAt = process.clock.monotonic();
    return {
      applied: (epoch) => {
        let tenancy = this.tenancies.get(`${shard}/${epoch}`);
        if (tenancy === undefined) {
          tenancy = { process, epoch, appliedSentAt: sentAt, confirmedSentAt: undefined, isOver: false };
          this.tenancies.set(`${shard}/${epoch}`, tenancy);
          this.current.set(shard, tenancy);
        }
        tenancy.appliedSentAt = Math.max(tenancy.appliedSentAt, sentAt);
      },
      confirmed: (epoch) => {
        const tenancy = this.tenancies.get(`${shard}/${epoch}`);
        if (tenancy !== undefined) tenancy.confirmedSentAt = Math.max(tenancy.confirmedSentAt ?? 0, sentAt);
      },
    };
  }

  /** The owner has ended by itself: it will not write or start anything more. */
  ended(process: SimulatedProcess, shard: number): void {
    for (const [key, tenancy] of this.tenancies)
      if (tenancy.process === process && key.startsWith(`${shard}/`)) tenancy.isOver = true;
  }

  /** What the present owner of a shard has left of its lease, by its own clock; undefined when it has given it up. */
  leftOfOwner(shard: number): number | undefined {
    const tenancy = this.current.get(shard);
    if (tenancy === undefined || tenancy.isOver) return undefined;
    return tenancy.appliedSentAt + this.leaseMs - tenancy.process.clock.monotonic();
  }

  /** What an owner may believe to have left; undefined when it never heard that it has the shard. */
  leftAsKnown(shard: number, epoch: number): number | undefined {
    const tenancy = this.tenancies.get(`${shard}/${epoch}`);
    if (tenancy?.confirmedSentAt === undefined) return undefined;
    return tenancy.confirmedSentAt + this.leaseMs - tenancy.process.clock.monotonic();
  }
}
