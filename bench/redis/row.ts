/** In the measuring process: one row, that is all runs of one system in one scenario. */
import { type Figures, NotMeasured, type RunContext } from '../run.js';
import { callersRun, HOT, WAITING } from './callers.js';
import { type DescribedSystem, describedSystem, isOurs } from './described.js';
import { fireRun } from './fire.js';
import { memoryRun } from './memory.js';
import { ordersRun } from './orders/orders.js';
import { localReplyRun, remoteReplyRun } from './reply.js';

interface RowPlan {
  readonly run: (described: DescribedSystem, context: RunContext, warm: boolean) => Promise<Figures>;
  /** Has no warm-up: it has fresh processes, or is long. */
  readonly withoutWarmUp?: boolean;
  /** Runs in quick and in full mode, when not those of the timings. */
  readonly runs?: readonly [quick: number, full: number];
}

const plans: Readonly<Record<string, RowPlan>> = {
  'redis-fire': { run: fireRun },
  'redis-hot-entity': { run: (described, context, warm) => callersRun(described, context, HOT, warm) },
  'redis-hot-entity-ahead': { run: (described, context, warm) => callersRun(described, context, HOT, warm) },
  'redis-waiting-256': { run: (described, context, warm) => callersRun(described, context, WAITING, warm) },
  'redis-reply-local': { run: localReplyRun },
  'redis-reply-remote': { run: remoteReplyRun },
  'actor-state-redis': { run: fireRun },
  'actor-hot-state-only-redis': { run: (described, context, warm) => callersRun(described, context, HOT, warm) },
  'redis-memory': { run: memoryRun, withoutWarmUp: true, runs: [1, 1] },
  orders: { run: ordersRun, withoutWarmUp: true, runs: [1, 3] },
};

/** A row that takes longer hangs. */
const QUICK_LIMIT_MS = 60_000;
const FULL_LIMIT_MS = 900_000;

/** `name` is `scenario@system`. */
export async function measureRow(name: string, context: RunContext): Promise<Figures[]> {
  const [scenario = '', system = ''] = name.split('@');
  const plan = plans[scenario];
  if (plan === undefined) throw new Error(`There is no scenario "${scenario}" on Redis.`);
  const described = describedSystem(system);
  const limitMs = context.timings.quick ? QUICK_LIMIT_MS : FULL_LIMIT_MS;
  return within(limitMs, system, allRuns(plan, described, context));
}

async function allRuns(plan: RowPlan, described: DescribedSystem, context: RunContext): Promise<Figures[]> {
  const { quick, runs: usual } = context.timings;
  const runs = plan.runs === undefined ? usual : plan.runs[quick ? 0 : 1];
  if (plan.withoutWarmUp !== true) await plan.run(described, context, true);
  const figures: Figures[] = [];
  for (let run = 0; run < runs; run += 1) figures.push(await plan.run(described, context, false));
  return figures;
}

async function within<T>(limitMs: number, system: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const words = `did not end within ${limitMs / 1_000} s`;
      reject(isOurs(system) ? new Error(words) : new NotMeasured(words));
    }, limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
