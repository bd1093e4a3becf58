/**
 * What goes wrong in a simulated cluster, drawn from one seed: how calls to the stores and messages between nodes fare, who
 * is cut off from whom, and which call a process dies in. The write-ahead log and the cluster store have troubles of their
 * own, so that heartbeats can be lost while commits pass, and the other way round.
 */
import type { Random } from '../../runtime/random.js';
import type { CallPlan, ConnectionFaults } from './simulated-connection.js';
import type { SimulatedProcess } from './simulated-process.js';

/** Which server a call goes to. */
export type ServerName = 'wal' | 'cluster';

/** Chances, each between 0 and 1. */
export interface CallChances {
  readonly refused: number;
  readonly request: number;
  readonly answer: number;
  readonly late: number;
  readonly again: number;
  /** Takes much longer than usual, and is answered in time. */
  readonly slow: number;
}

export interface WireChances {
  readonly loss: number;
  readonly double: number;
  readonly slow: number;
}

export const NO_CALL_FAULTS: CallChances = { refused: 0, request: 0, answer: 0, late: 0, again: 0, slow: 0 };
export const NO_WIRE_FAULTS: WireChances = { loss: 0, double: 0, slow: 0 };

interface PlannedCrash {
  readonly call: string;
  readonly when: 'before' | 'after';
  /** Calls of this name that pass first. */
  left: number;
}

/** Calls to the cluster store. */
const CLUSTER_CALLS: ReadonlySet<string> = new Set(['bind', 'beat', 'view', 'leave', 'assign']);
/** An opening that arrives twice would be a second opening: no client sends one again by itself. */
const ONCE: ReadonlySet<string> = new Set(['open', 'bind', 'assign']);
const AT_ONCE: readonly number[] = [0];

export class SimulatedFaults implements ConnectionFaults {
  chances: Readonly<Record<ServerName, CallChances>> = { wal: NO_CALL_FAULTS, cluster: NO_CALL_FAULTS };
  wire: WireChances = NO_WIRE_FAULTS;
  /** Usual time of one way, milliseconds. */
  latencyMs = 1;
  private readonly down = new Set<ServerName>();
  private readonly crashes = new Map<SimulatedProcess, PlannedCrash>();
  private readonly cut = new Set<SimulatedProcess>();

  /**
   * @param kill ends a process at once.
   */
  constructor(
    private readonly random: Random,
    private readonly kill: (process: SimulatedProcess) => void,
  ) {}

  /** Everything is well from now on. */
  heal(): void {
    this.chances = { wal: NO_CALL_FAULTS, cluster: NO_CALL_FAULTS };
    this.wire = NO_WIRE_FAULTS;
    this.down.clear();
    this.crashes.clear();
    this.cut.clear();
  }

  setDown(server: ServerName, isDown: boolean): void {
    if (isDown) this.down.add(server);
    else this.down.delete(server);
  }

  /** Messages between these processes and the others are lost. */
  partition(processes: readonly SimulatedProcess[]): void {
    this.cut.clear();
    for (const process of processes) this.cut.add(process);
  }

  /** The process dies in one of its next calls of this name. */
  crashIn(process: SimulatedProcess, call: string, when: 'before' | 'after', after = 0): void {
    this.crashes.set(process, { call, when, left: after });
  }

  plan(call: string, process: SimulatedProcess): CallPlan {
    const server: ServerName = CLUSTER_CALLS.has(call) ? 'cluster' : 'wal';
    const thereMs = this.way();
    const backMs = this.way();
    if (this.down.has(server)) return { thereMs, backMs, fault: 'refused' };
    const crash = this.crashOf(call, process);
    if (crash !== undefined) return { thereMs, backMs, crash };
    const chances = this.chances[server];
    const total = chances.refused + chances.request + chances.answer + chances.late + chances.again + chances.slow;
    if (total === 0) return { thereMs, backMs };
    let dice = this.random.next();
    const falls = (chance: number): boolean => {
      dice -= chance;
      return dice < 0;
    };
    if (falls(chances.refused)) return { thereMs, backMs, fault: 'refused' };
    if (falls(chances.request)) return { thereMs, backMs, fault: 'request' };
    if (falls(chances.answer)) return { thereMs, backMs, fault: 'answer' };
    if (falls(chances.late)) return { thereMs: 310 + this.random.next() * 3_000, backMs, fault: 'late' };
    if (falls(chances.again) && !ONCE.has(call)) return { thereMs, backMs, againMs: 1 + this.random.next() * 2_000 };
    if (falls(chances.slow)) return { thereMs: thereMs + this.random.next() * 120, backMs: this.random.next() * 120 };
    return { thereMs, backMs };
  }

  crash(process: SimulatedProcess): void {
    this.kill(process);
  }

  /** When the copies of a message arrive. */
  route(from: SimulatedProcess | undefined, to: SimulatedProcess | undefined): readonly number[] {
    if (from !== undefined && to !== undefined && this.cut.has(from) !== this.cut.has(to)) return [];
    const { loss, double, slow } = this.wire;
    if (loss + double + slow === 0) return AT_ONCE;
    const dice = this.random.next();
    if (dice < loss) return [];
    if (dice < loss + double) return [1, 1 + this.random.next() * 500];
    if (dice < loss + double + slow) return [1 + this.random.next() * 1_000];
    return AT_ONCE;
  }

  private crashOf(call: string, process: SimulatedProcess): 'before' | 'after' | undefined {
    const planned = this.crashes.get(process);
    if (planned === undefined || planned.call !== call) return undefined;
    planned.left -= 1;
    if (planned.left >= 0) return undefined;
    this.crashes.delete(process);
    return planned.when;
  }

  private way(): number {
    return this.latencyMs * (0.5 + this.random.next());
  }
}
