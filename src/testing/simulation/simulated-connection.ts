/**
 * The way from a process to a server and back. A call takes time to get there and time to come back, and a plan says what
 * goes wrong with it: it never arrives, its answer never does, it arrives twice or long after its caller has given up or
 * died. What goes wrong is what a socket can do: calls that nothing happens to arrive in the order in which they were sent.
 *
 * Owns: the order of the calls that are on their way. The server is the caller's.
 */
import type { Runtime } from '../../runtime/runtime.js';
import { StoreUnavailableError } from '../../wal/wal.js';
import type { SimulatedProcess } from './simulated-process.js';

/** What becomes of one call. Times in milliseconds of the world. */
export interface CallPlan {
  /** Until it reaches the server. */
  readonly thereMs: number;
  /** Until the answer is back. */
  readonly backMs: number;
  /**
   * `refused`: there is no connection; nothing was sent. `request`: it never arrives. `answer`: the server does it and the
   * answer is lost. `late`: the caller has given up long before the server does it, and later calls overtake it.
   */
  readonly fault?: 'refused' | 'request' | 'answer' | 'late' | undefined;
  /** The server gets it once more, so much later. */
  readonly againMs?: number | undefined;
  /** The process dies just before, or just after, the server does it. */
  readonly crash?: 'before' | 'after' | undefined;
}

export interface ConnectionFaults {
  plan(call: string, process: SimulatedProcess): CallPlan;
  /** Ends the process in the middle of a call. */
  crash(process: SimulatedProcess): void;
}

/** A caller that has no answer after this long gives up, milliseconds of its own clock. */
export const CALL_TIMEOUT_MS = 300;

export class SimulatedConnection {
  /** When the last call in order arrives. */
  private lastArrivalAt = 0;
  /** How to end each call that has no answer yet. */
  private readonly underWay = new Set<() => void>();
  private isClosed = false;

  constructor(
    private readonly world: Runtime,
    readonly process: SimulatedProcess,
    private readonly faults: ConnectionFaults,
  ) {}

  /** @param action what the server does; called once for each time that the call arrives. */
  call<T>(name: string, action: () => Promise<T>): Promise<T> {
    const { process, world } = this;
    if (!process.isAlive) return new Promise<T>(() => {});
    if (this.isClosed)
      return Promise.reject(new StoreUnavailableError('Simulated: the connection is closed.', 'no', false));
    const plan = this.faults.plan(name, process);
    return new Promise<T>((resolve, reject) => {
      let isOver = false;
      const end = (settle: () => void): void => {
        if (isOver) return;
        isOver = true;
        this.underWay.delete(closed);
        process.timers.clear(timer);
        settle();
      };
      const closed = (): void => end(() => reject(unavailable(`the connection was closed under ${name}`, 'unknown')));
      this.underWay.add(closed);
      const timer = process.timers.set(
        () => end(() => reject(unavailable(`no answer to ${name} in ${CALL_TIMEOUT_MS} ms`, 'unknown'))),
        CALL_TIMEOUT_MS,
      );
      const answered = (settle: () => void): void => {
        world.timers.set(() => process.deliver(() => end(settle)), plan.backMs);
      };
      if (plan.fault === 'refused') {
        answered(() => reject(unavailable(`no connection for ${name}`, 'no')));
        return;
      }
      if (plan.fault === 'request') return;
      const arrive = (): void => {
        if (plan.crash === 'before') {
          this.faults.crash(process);
          return;
        }
        const done = action();
        if (plan.crash === 'after') this.faults.crash(process);
        if (plan.fault === 'answer') {
          done.catch(() => {});
          return;
        }
        done.then(
          (value) => answered(() => resolve(value)),
          (error: unknown) => answered(() => reject(error as Error)),
        );
      };
      this.arriveIn(plan, arrive);
      const { againMs } = plan;
      if (againMs !== undefined) world.timers.set(() => void action().catch(() => {}), plan.thereMs + againMs);
    });
  }

  /** Ends every call that has no answer. What was sent arrives all the same. */
  close(): void {
    this.isClosed = true;
    for (const end of this.underWay) end();
  }

  private arriveIn({ thereMs, fault }: CallPlan, arrive: () => void): void {
    const now = this.world.clock.monotonic();
    if (fault === 'late') {
      this.world.timers.set(arrive, thereMs);
      return;
    }
    this.lastArrivalAt = Math.max(this.lastArrivalAt, now + thereMs);
    this.world.timers.set(arrive, this.lastArrivalAt - now);
  }
}

function unavailable(why: string, applied: 'no' | 'unknown'): StoreUnavailableError {
  return new StoreUnavailableError(`Simulated: ${why}.`, applied, true);
}
