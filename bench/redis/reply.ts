/**
 * `redis-reply-local` and `redis-reply-remote`: one caller, one message at a time, over 1,000 entities. Right before it, on
 * the same server with nothing else at work, the round trip of one bare commit is measured: replies are told in multiples
 * of it. Remote: the entities live in another process, and the caller's node has no handlers.
 */
import { createNode } from 'atomic-queues/core';
import { type Figures, InvalidRow, type RunContext } from '../run.js';
import { runCallers } from './callers.js';
import { BARE_RTT, type DescribedSystem } from './described.js';
import { onFreshRedis, onFreshSystem } from './measured.js';
import { forkNode } from './node-process.js';
import { bareCommitRtt } from './script-loop.js';
import { payloadFor } from './system.js';
import { redisConfig, started } from './systems/atomic-queues.js';

const ENTITIES = 1_000;
/** Calls that are not counted: the first ones find out who owns what. */
const WARM_CALLS = 200;

function durations(context: RunContext, warm: boolean): { rttMs: number; durationMs: number } {
  const { warmUpMs, closedMs } = context.timings;
  return { rttMs: (warm ? warmUpMs : closedMs) / 4, durationMs: (warm ? warmUpMs : closedMs) / 2 };
}

export async function localReplyRun(described: DescribedSystem, context: RunContext, warm: boolean): Promise<Figures> {
  const { rttMs, durationMs } = durations(context, warm);
  const bare = await onFreshRedis(context, ({ server }) => bareCommitRtt(server, rttMs));
  if (described.name === BARE_RTT) return bare;
  const wish = { entities: ENTITIES, waits: true, callers: 1 };
  const { figures } = await onFreshSystem(described, context, wish, async ({ system, server }) => {
    for (let number = 0; number < WARM_CALLS; number += 1) await system.call(number);
    const measured = await runCallers(server, (number) => system.call(number + WARM_CALLS), 1, { durationMs });
    return { ...measured, sent: measured.sent + WARM_CALLS };
  });
  return { ...figures, ...inRoundTrips(figures, bare) };
}

export async function remoteReplyRun(described: DescribedSystem, context: RunContext, warm: boolean): Promise<Figures> {
  const { rttMs, durationMs } = durations(context, warm);
  return onFreshRedis(context, async ({ server }) => {
    const bare = await bareCommitRtt(server, rttMs);
    if (described.name === BARE_RTT) return bare;
    await server.admin.flushall();
    const redis = { host: server.host, port: server.port };
    const owner = await forkNode({ kind: 'owner', redis, serverId: 'bench-owner', entities: ENTITIES });
    const node = await started(() => createNode({ config: redisConfig({ redis, serverId: 'bench-caller' }) })).catch(
      async (error: unknown) => {
        await owner.stop();
        throw error;
      },
    );
    try {
      const call = (number: number): Promise<unknown> => node.queueBus.enqueueAndWait(payloadFor(number, ENTITIES));
      for (let number = 0; number < WARM_CALLS; number += 1) await call(number);
      const { sent, figures } = await runCallers(server, (number) => call(number + WARM_CALLS), 1, { durationMs });
      const { handled, problem } = await owner.ask<{ handled: number; problem?: string }>('report');
      if (problem !== undefined) throw new InvalidRow(problem);
      if (handled !== sent + WARM_CALLS) {
        throw new InvalidRow(`sent ${sent + WARM_CALLS} messages, the other node handled ${handled}`);
      }
      return { ...figures, ...inRoundTrips(figures, bare) };
    } finally {
      await node.stop();
      await owner.stop();
    }
  });
}

function inRoundTrips(figures: Figures, bare: Figures): Figures {
  const bareMs = bare['p50Ms'] as number;
  return { bareCommitRttMs: bareMs, p50RoundTrips: (figures['p50Ms'] as number) / bareMs };
}
