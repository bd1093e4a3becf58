/**
 * 100,000 reminders that are due within a minute: how late each run begins, and that
 * each runs once. In the quick mode fewer within a few seconds, at the same rate.
 */
import { join } from 'node:path';
import { createNode } from 'atomic-queues/core';
import { Latencies } from './latencies.js';
import { type Figures, InvalidRow, inFreshFolder, type RunContext } from './run.js';

const PER_SECOND = 100_000 / 60;
const FULL_MS = 60_000;
const QUICK_MS = 3_000;
/** Set so many at a time. */
const WINDOW = 2_000;
/** Time between the last one that is set and the first that is due. */
const LEAD_MS = 1_000;

export async function runReminders(context: RunContext): Promise<Figures[]> {
  const spanMs = context.timings.quick ? QUICK_MS : FULL_MS;
  const count = Math.round((spanMs / 1_000) * PER_SECOND);
  return inFreshFolder(context.folder, async (folder) => {
    const node = createNode({ config: { store: { path: join(folder, 'store.db') }, maxTotalQueueDepth: 0 } });
    const latencies = new Latencies();
    const runs = new Uint8Array(count);
    let left = count;
    let startAt = 0;
    let done = (): void => {};
    const allRan = new Promise<void>((resolve) => {
      done = resolve;
    });
    node.handle('meter', 'Read', (_, { entityId }) => {
      const index = Number(entityId);
      runs[index] = (runs[index] ?? 0) + 1;
      latencies.record(Date.now() - dueAt(startAt, index, count, spanMs));
      left -= 1;
      if (left === 0) done();
    });
    await node.start();
    // The time that setting takes is not known beforehand, so it is measured with a part of them that is never due.
    const setUpMs = await setAll(node, 'probe', Math.min(count, WINDOW), () => Date.now() + 3_600_000);
    const estimateMs = (setUpMs / Math.min(count, WINDOW)) * count * 2;
    startAt = Date.now() + Math.ceil(estimateMs) + LEAD_MS;
    const setMs = await setAll(node, '', count, (index) => dueAt(startAt, index, count, spanMs));
    if (Date.now() > startAt) throw new InvalidRow('setting the reminders took longer than until the first was due');
    await allRan;
    await node.whenIdle();
    await node.stop();
    if (runs.some((each) => each !== 1)) throw new InvalidRow('a reminder was lost or ran twice');
    return [
      {
        p50Ms: latencies.percentileMs(50),
        p99Ms: latencies.percentileMs(99),
        latestMs: latencies.maxMs,
        setPerSecond: (count / setMs) * 1_000,
      },
    ];
  });
}

function dueAt(startAt: number, index: number, count: number, spanMs: number): number {
  return startAt + Math.floor((index / count) * spanMs);
}

/** Sets the reminders of `count` entities; returns how long it took, milliseconds. */
async function setAll(
  node: ReturnType<typeof createNode>,
  prefix: string,
  count: number,
  at: (index: number) => number,
): Promise<number> {
  const startedAt = performance.now();
  for (let from = 0; from < count; from += WINDOW) {
    const size = Math.min(WINDOW, count - from);
    await Promise.all(
      Array.from({ length: size }, (_, place) => {
        const index = from + place;
        const schedule = { everyMs: 86_400_000, startAt: at(index) };
        return node.queueBus.forEntity('meter', `${prefix}${index}`).remind('read', 'Read', {}, schedule);
      }),
    );
  }
  return performance.now() - startedAt;
}
