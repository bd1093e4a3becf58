/** GroupMQ: a group for each entity, one worker. */

import { Queue, Worker } from 'groupmq';
import type { Deposit } from '../../messages.js';
import { InvalidRow } from '../../run.js';
import { connect } from '../redis-server.js';
import { Countdown, entityOf, inParallel, payloadFor, type System } from '../system.js';

const CONCURRENCY = 100;
/** Adds that wait for their acknowledgement at the same time. */
const LANES = 1_000;

export const groupmq: System = {
  async start({ redis, entities, ledger, waits }) {
    const connection = connect({ ...redis, maxRetriesPerRequest: null });
    const queue = new Queue<Deposit>({
      redis: connection,
      namespace: 'bench',
      maxAttempts: 1,
      keepCompleted: 0,
      autoBatch: { size: 100, maxWaitMs: 1 },
    });
    const countdown = new Countdown();
    const waiting = new Map<string, () => void>();
    const worker = new Worker<Deposit>({
      queue,
      concurrency: CONCURRENCY,
      handler: async (job) => ledger.see(job.data.account, job.data.n),
    });
    const keyOf = (message: Deposit): string => `${message.account}/${message.n}`;
    worker.on('completed', (job) => {
      countdown.settle();
      if (!waits) return;
      const key = keyOf(job.data);
      waiting.get(key)?.();
      waiting.delete(key);
    });
    worker.on('failed', (job) => countdown.fail(new Error(`a job failed: ${job.failedReason}`)));
    worker.on('error', () => {});
    const running = waits ? worker.run() : undefined;
    running?.catch(() => {});
    const addOne = (number: number): Promise<unknown> =>
      queue.add({ groupId: entityOf(number, entities), data: payloadFor(number, entities) });
    return {
      add: (count) => inParallel(count, LANES, addOne),
      work: async (count) => {
        void worker.run().catch(() => {});
        await countdown.until(count);
      },
      call: (number) =>
        new Promise<void>((resolve, reject) => {
          waiting.set(keyOf(payloadFor(number, entities)), resolve);
          addOne(number).catch(reject);
        }),
      check: async () => {
        const { active, waiting: inLine, delayed } = await queue.getJobCounts();
        if (active + inLine + delayed !== 0) {
          throw new InvalidRow(`active, waiting, delayed: ${active}, ${inLine}, ${delayed}`);
        }
      },
      stop: async () => {
        await worker.close(1_000);
        await queue.close();
        connection.disconnect();
      },
    };
  },
};
