/** The scenarios with many messages under way: closed loop, open loop at 70 % of it, then the ceiling, per run. */
import { openActor } from './actors/embedded.js';
import { bareLoop } from './bare-loop.js';
import { Load } from './load.js';
import { closedFigures, type Figures, inFreshFolder, openFigures, type RunContext, throughput } from './run.js';
import { checkCounts, openSubject, type Subject, type SubjectOptions } from './subject.js';

const OPEN_SHARE = 0.7;

interface LoadScenario {
  readonly entities: number;
  readonly durability: 'commit' | 'fsync';
  readonly dispatchAhead?: number | undefined;
  /** Messages under way when nobody waits. */
  readonly window?: number | undefined;
  /** Or so many callers that wait for their replies. */
  readonly callers?: number | undefined;
  /** A second closed loop with so many waiting callers, printed beside the first. */
  readonly alsoCallers?: number | undefined;
  readonly open?: ((options: SubjectOptions) => Promise<Subject>) | undefined;
}

const ACCOUNTS = 1_000;
const WINDOW = 8_192;
/** One message under way for each entity keeps all of them at work; more would wait behind those, and cost memory. */
const ONE_EACH = ACCOUNTS;
const HOT_WINDOW = 4_096;

/** Nest is loaded only where it is measured: elsewhere its memory would be part of the figures. */
async function openInNest(options: SubjectOptions): Promise<Subject> {
  return (await import('./nest-subject.js')).openNestSubject(options);
}

export const loadScenarios: Readonly<Record<string, LoadScenario>> = {
  'core-commit': { entities: ACCOUNTS, durability: 'commit', window: WINDOW },
  'nest-commit': { entities: ACCOUNTS, durability: 'commit', window: WINDOW, open: openInNest },
  'core-fsync': { entities: ACCOUNTS, durability: 'fsync', callers: 256 },
  'actor-state-embedded': { entities: ACCOUNTS, durability: 'commit', window: ONE_EACH, open: openActor('account') },
  'actor-hot-state-only-embedded': { entities: 1, durability: 'commit', callers: 64, open: openActor('state-only') },
  'hot-entity': { entities: 1, durability: 'commit', window: HOT_WINDOW, alsoCallers: 64 },
  'hot-entity-ahead': { entities: 1, durability: 'commit', window: HOT_WINDOW, dispatchAhead: 32, alsoCallers: 64 },
};

export async function runLoadScenario(scenario: LoadScenario, context: RunContext): Promise<Figures[]> {
  const { timings } = context;
  await measure(scenario, context, { closedMs: timings.warmUpMs, openMs: 0, ceilingMs: 0 });
  const runs: Figures[] = [];
  for (let run = 0; run < timings.runs; run += 1) runs.push(await measure(scenario, context, timings));
  return runs;
}

interface Durations {
  readonly closedMs: number;
  readonly openMs: number;
  readonly ceilingMs: number;
}

async function measure(scenario: LoadScenario, context: RunContext, durations: Durations): Promise<Figures> {
  return inFreshFolder(context.folder, async (folder) => {
    const { entities, durability, dispatchAhead, window = 0, callers = 0, alsoCallers = 0 } = scenario;
    const { closedMs, openMs, ceilingMs } = durations;
    const subject = await (scenario.open ?? openSubject)({ folder, durability, entities, dispatchAhead });
    const load = new Load(subject, entities);
    const closed = await (callers > 0 ? load.callers(callers, closedMs) : load.flood(window, closedMs));
    let figures: Figures = closedFigures(closed);
    if (openMs > 0) {
      figures = { ...figures, ...openFigures(await load.open(OPEN_SHARE * throughput(closed), openMs, callers > 0)) };
    }
    if (alsoCallers > 0 && !context.timings.quick) {
      const waited = closedFigures(await load.callers(alsoCallers, closedMs / 2));
      figures = {
        ...figures,
        callersPerSecond: waited['messagesPerSecond'] as number,
        callersP50Ms: waited['p50Ms'] as number,
        callersP99Ms: waited['p99Ms'] as number,
      };
    }
    await checkCounts(subject, load.sent);
    await subject.stop();
    if (ceilingMs === 0) return figures;
    const messagesPerCommit = Math.max(1, Math.round(figures['messagesPerCommit'] as number));
    const ceilingPerSecond = bareLoop({
      folder,
      durability,
      entities,
      messagesPerCommit,
      waiting: window,
      durationMs: ceilingMs,
    });
    return { ...figures, ceilingPerSecond };
  });
}
