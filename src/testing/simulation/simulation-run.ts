/** One simulated life from its seed to the verdict. The same seed gives the same trace. */
import { createHash } from 'node:crypto';
import { entityKey } from '../../message/entity-key.js';
import { sliceOf } from '../../message/shard-of.js';
import type { HistoryEvent } from '../history.js';
import { checkHistory } from '../history-checker.js';
import { explain, type HistoryReport } from '../history-report.js';
import { judgeActors } from './simulation-actors.js';
import { SIMULATION_RULES, SLICES } from './simulation-jobs.js';
import { type LifeOptions, SimulationLife } from './simulation-life.js';

export type SimulationOptions = LifeOptions;

export interface SimulationRun {
  readonly seed: number;
  readonly ok: boolean;
  readonly events: readonly HistoryEvent[];
  /** What the history says. */
  readonly report: HistoryReport;
  /** What is wrong that no history tells: calls without an answer, work left over, timers left. */
  readonly faults: readonly string[];
  /** The same for the same seed. */
  readonly traceHash: string;
  /** Virtual time that passed, milliseconds. */
  readonly virtualMs: number;
}

export async function runSimulation(options: SimulationOptions): Promise<SimulationRun> {
  const life = new SimulationLife(options);
  const { cluster, faults } = life;
  try {
    await life.run();
  } catch (error) {
    faults.push(`the run ended with ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  const { events } = cluster.history;
  faults.push(...cluster.illegal, ...life.callers.outgoing.judge(events));
  faults.push(
    ...judgeActors(events, (entityType, entityId) => {
      const key = entityKey(entityType, entityId);
      const first = Math.max(0, cluster.state.groups.indexOf('main')) * SLICES;
      return cluster.store.shard(first + sliceOf(key, SLICES)).actorStates.get(key)?.text;
    }),
  );
  const report = checkHistory(events, {
    ...SIMULATION_RULES,
    storeTold: true,
    leaseToleranceMs: cluster.leaseToleranceMs,
  });
  const hash = createHash('sha256');
  for (const event of events) hash.update(JSON.stringify(event));
  for (const fault of faults) hash.update(fault);
  return {
    seed: options.seed,
    ok: report.ok && faults.length === 0,
    events,
    report,
    faults,
    traceHash: hash.digest('hex'),
    virtualMs: cluster.runtime.clock.monotonic(),
  };
}

/** What went wrong in a run, in words. */
export function explainRun({ seed, report, faults }: SimulationRun): string {
  return [`Seed ${seed}.`, ...faults.map((fault) => `Fault: ${fault}`), explain(report)].join('\n');
}
