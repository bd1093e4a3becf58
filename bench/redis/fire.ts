/**
 * `redis-fire`: messages that nobody waits for, over 1,000 entities, one process.
 *
 * A queue beside us is given all its messages first, with no worker running; then its workers are started. Both phases are
 * told apart, and its messages/s are those of the second one alone. What has no queue is called by 256 callers. This
 * library sends and works at the same time, 8,192 messages under way (actors: 1,000), and its messages/s hold all of it.
 */
import { Load } from '../load.js';
import { type Figures, type RunContext, throughput } from '../run.js';
import { runCallers } from './callers.js';
import { type DescribedSystem, isOurs, OURS_ACTORS, SCRIPT_LOOP } from './described.js';
import { onFreshRedis, onFreshSystem, seenFigures, watched } from './measured.js';
import { scriptLoop } from './script-loop.js';
import type { StartedNode } from './systems/atomic-queues.js';

const ENTITIES = 1_000;
const WINDOW = 8_192;
/** Actors have one message under way for each entity, as they have on the embedded store: more would wait behind those. */
const ACTORS_WINDOW = ENTITIES;
const CALLERS = 256;
const QUICK_SHARE = 0.2;

export async function fireRun(described: DescribedSystem, context: RunContext, warm: boolean): Promise<Figures> {
  const { timings } = context;
  const durationMs = warm ? timings.warmUpMs : timings.closedMs;
  if (described.name === SCRIPT_LOOP) {
    return onFreshRedis(context, ({ server }) => scriptLoop(server, durationMs));
  }
  if (isOurs(described.name)) return flood(described, context, durationMs);
  const count = Math.round(described.fireMessages * (timings.quick ? QUICK_SHARE : 1) * (warm ? QUICK_SHARE : 1));
  const wish = { entities: ENTITIES, waits: false, callers: CALLERS };
  const { figures } = await onFreshSystem(described, context, wish, async ({ system, server }) => {
    const { add, work, call } = system;
    if (add === undefined || work === undefined) {
      const { sent, ...called } = await runCallers(server, call, CALLERS, { messages: count });
      return { sent, figures: called.figures };
    }
    const addedAt = performance.now();
    await add(count);
    const workedAt = performance.now();
    const cpu = process.cpuUsage();
    const { seen } = await watched(server, () => work(count));
    const elapsedMs = performance.now() - workedAt;
    const { user, system: kernel } = process.cpuUsage(cpu);
    return {
      sent: count,
      figures: {
        messagesPerSecond: (count / elapsedMs) * 1_000,
        addPerSecond: (count / (workedAt - addedAt)) * 1_000,
        endToEndPerSecond: (count / (elapsedMs + workedAt - addedAt)) * 1_000,
        cpuMicrosPerMessage: (user + kernel) / count,
        ...seenFigures(seen, count),
      },
    };
  });
  return figures;
}

async function flood(described: DescribedSystem, context: RunContext, durationMs: number): Promise<Figures> {
  const wish = { entities: ENTITIES, waits: false, callers: 0 };
  const { figures } = await onFreshSystem(described, context, wish, async ({ system, server }) => {
    const { node } = system as StartedNode;
    const load = new Load({ node, queueBus: node.queueBus }, ENTITIES);
    const { result, seen } = await watched(server, () =>
      load.flood(described.name === OURS_ACTORS ? ACTORS_WINDOW : WINDOW, durationMs),
    );
    const all = load.sent;
    return {
      sent: all,
      figures: {
        messagesPerSecond: throughput(result),
        p50Ms: result.latencies.percentileMs(50),
        p99Ms: result.latencies.percentileMs(99),
        cpuMicrosPerMessage: result.cpuMicros / result.messages,
        messagesPerCommit: result.transitions / 3 / result.commits,
        // The drain after the measured time is in both.
        ...seenFigures(seen, all),
      },
    };
  });
  return figures;
}
