/** BullMQ as most use it: one queue, one worker with a high concurrency, jobs added in bulk. */

import { type Job, Queue, QueueEvents, Worker } from 'bullmq';
import type { Deposit } from '../../messages.js';
import { InvalidRow } from '../../run.js';
import { connect } from '../redis-server.js';
import { Countdown, payloadFor, type System } from '../system.js';

const NAME = 'bench';
const CONCURRENCY = 100;
const BULK = 1_000;
/** Someone who waits may ask for a job after it ended, so it cannot go at once. */
const KEPT_FOR_WAITERS = 1_000;

export const bullmq: System = {
  async start({ redis, entities, ledger, waits }) {
    const connection = connect({ ...redis, maxRetriesPerRequest: null });
    const queue = new Queue<Deposit>(NAME, { connection });
    const countdown = new Countdown();
    const handler = async (job: Job<Deposit>): Promise<void> => ledger.see(job.data.account, job.data.n);
    const worker = new Worker<Deposit>(NAME, handler, { connection, concurrency: CONCURRENCY, autorun: false });
    worker.on('completed', () => countdown.settle());
    worker.on('failed', (_job, error) => countdown.fail(error));
    worker.on('error', () => {});
    queue.on('error', () => {});
    // Every waiting caller listens.
    queue.setMaxListeners(0);
    await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
    const events = waits ? new QueueEvents(NAME, { connection }) : undefined;
    events?.setMaxListeners(0);
    events?.on('error', () => {});
    await events?.waitUntilReady();
    if (waits) void worker.run();
    const opts = { removeOnComplete: waits ? { count: KEPT_FOR_WAITERS } : true };
    return {
      add: async (count) => {
        for (let first = 0; first < count; first += BULK) {
          const length = Math.min(BULK, count - first);
          await queue.addBulk(
            Array.from({ length }, (_, index) => ({
              name: 'deposit',
              data: payloadFor(first + index, entities),
              opts,
            })),
          );
        }
      },
      work: async (count) => {
        void worker.run();
        await countdown.until(count);
      },
      call: async (number) => {
        const job = await queue.add('deposit', payloadFor(number, entities), opts);
        return job.waitUntilFinished(events as QueueEvents);
      },
      check: async () => {
        const { waiting, active, failed, delayed } = await queue.getJobCounts('waiting', 'active', 'failed', 'delayed');
        const left = [waiting, active, failed, delayed];
        if (left.some((each) => each !== 0))
          throw new InvalidRow(`waiting, active, failed, delayed: ${left.join(', ')}`);
      },
      stop: async () => {
        await worker.close();
        await events?.close();
        await queue.close();
        connection.disconnect();
      },
    };
  },
};
