/** `redis-hot-entity`, `redis-hot-entity-ahead`, `redis-waiting-256`: callers who each wait before they call again. */
import { Latencies } from '../latencies.js';
import type { Figures, RunContext } from '../run.js';
import type { DescribedSystem } from './described.js';
import { onFreshSystem, seenFigures, watched } from './measured.js';
import type { RedisServer } from './redis-server.js';

export interface CallersWish {
  readonly entities: number;
  readonly callers: number;
}

export const HOT: CallersWish = { entities: 1, callers: 64 };
export const WAITING: CallersWish = { entities: 1_000, callers: 256 };

export async function callersRun(
  described: DescribedSystem,
  context: RunContext,
  wish: CallersWish,
  warm: boolean,
): Promise<Figures> {
  const durationMs = warm ? context.timings.warmUpMs : context.timings.closedMs;
  const { figures } = await onFreshSystem(described, context, { ...wish, waits: true }, ({ system, server }) =>
    runCallers(server, system.call, wish.callers, { durationMs }),
  );
  return figures;
}

export type Extent = { readonly messages: number } | { readonly durationMs: number };

/** Calls numbered from 0 on, each by a caller that is free. */
export async function runCallers(
  server: RedisServer,
  call: (number: number) => Promise<unknown>,
  callers: number,
  extent: Extent,
): Promise<{ sent: number; figures: Figures }> {
  const latencies = new Latencies();
  let sent = 0;
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const isOver = (now: number): boolean =>
    'messages' in extent ? sent >= extent.messages : now - startedAt >= extent.durationMs;
  const { seen } = await watched(server, () =>
    Promise.all(
      Array.from({ length: callers }, async () => {
        for (let now = performance.now(); !isOver(now); ) {
          sent += 1;
          await call(sent - 1);
          const repliedAt = performance.now();
          latencies.record(repliedAt - now);
          now = repliedAt;
        }
      }),
    ),
  );
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  return {
    sent,
    figures: {
      messagesPerSecond: (sent / elapsedMs) * 1_000,
      p50Ms: latencies.percentileMs(50),
      p99Ms: latencies.percentileMs(99),
      maxMs: latencies.maxMs,
      cpuMicrosPerMessage: (user + system) / sent,
      ...(seen.commands > 0 && seenFigures(seen, sent)),
    },
  };
}
