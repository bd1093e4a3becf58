/**
 * A backlog of 1,000,000 messages over 100,000 accounts. `recovery-build` appends it through the store's own port and dies
 * by SIGKILL, so the next process finds what a crash leaves: a store without a release, and its log. `recovery-drain` is
 * that next process.
 */
import { join } from 'node:path';
import { createNode } from 'atomic-queues/core';
import { SqliteWal } from 'atomic-queues/sqlite';
import { accountName } from './load.js';
import { Deposit, ENTITY_TYPE, payloadOf } from './messages.js';
import type { Figures, RunContext } from './run.js';
import { configOf, OrderCheck } from './subject.js';

export const BACKLOG = 1_000_000;
const ACCOUNTS = 100_000;
const APPENDS_PER_COMMIT = 2_000;

/** Sends no answer: the parent waits for the end by SIGKILL. */
export async function buildBacklog({ folder }: RunContext): Promise<Figures[]> {
  const wal = new SqliteWal({ path: join(folder, 'bench.db') });
  await wal.start();
  const incarnation = 'backlog';
  const { epoch } = await wal.open(0, incarnation);
  const prefix = `${wal.description.clusterId.slice(0, 8)}-${epoch.toString(36)}`;
  let next = 0;
  for (let number = 1; next < BACKLOG; number += 1) {
    const transitions = Array.from({ length: APPENDS_PER_COMMIT }, () => {
      const account = accountName(next % ACCOUNTS);
      const payload = payloadOf(account, Math.floor(next / ACCOUNTS));
      next += 1;
      const id = `${prefix}-${next.toString(36)}`;
      const message = {
        id,
        kind: 'command',
        entityType: ENTITY_TYPE,
        entityId: account,
        name: 'Deposit',
        payload,
      } as const;
      return { type: 'append', message } as const;
    });
    await wal.commit({ shard: 0, epoch, incarnation, number, transitions });
  }
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}

export async function drainBacklog({ folder, timings }: RunContext): Promise<Figures[]> {
  const order = new OrderCheck(ACCOUNTS);
  let firstAt = 0;
  let completed = 0;
  let resolveEnd = (): void => {};
  const ended = new Promise<void>((resolve) => {
    resolveEnd = resolve;
  });
  const node = createNode({ config: configOf({ folder, entities: ACCOUNTS }) }).handle(Deposit, async (message) => {
    if (firstAt === 0) firstAt = performance.now();
    order.see(message.account, message.n);
  });
  node.events.on('ended', () => {
    completed += 1;
    if (completed === BACKLOG) resolveEnd();
  });
  const startedAt = performance.now();
  const report = await node.start();
  if (timings.drainMs > 0) setTimeout(resolveEnd, timings.drainMs);
  await ended;
  const drainMs = performance.now() - firstAt;
  const drained = completed;
  if (order.problem !== undefined) throw new Error(order.problem);
  if (report.pending !== BACKLOG) throw new Error(`The node found ${report.pending} of ${BACKLOG} messages.`);
  if (timings.drainMs === 0) {
    const { pending, completed: inStore } = await node.wal.counts(0);
    if (pending !== 0 || inStore !== BACKLOG) throw new Error(`${pending} messages are left, ${inStore} completed.`);
  }
  const rssPeakMiB = process.resourceUsage().maxRSS / 1_024;
  await node.stop();
  return [
    {
      messagesPerSecond: (drained / drainMs) * 1_000,
      firstHandlerMs: firstAt - startedAt,
      // performance.now() counts from the start of the process.
      firstHandlerFromProcessStartMs: firstAt,
      rssPeakMiB,
      drained,
      drainMs,
    },
  ];
}
