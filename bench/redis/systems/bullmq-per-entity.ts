/** BullMQ made to keep order: a queue and a worker with concurrency 1 for each entity. */

import { type Job, Queue, QueueEvents, Worker } from 'bullmq';
import type { Deposit } from '../../messages.js';
import { InvalidRow } from '../../run.js';
import { connect } from '../redis-server.js';
import { Countdown, inParallel, payloadFor, type System } from '../system.js';

const LANES = 64;
const BULK = 100;
const KEPT_FOR_WAITERS = 100;

interface Entity {
  readonly queue: Queue<Deposit>;
  readonly worker: Worker<Deposit>;
  readonly events: QueueEvents | undefined;
}

export const bullmqPerEntity: System = {
  async start({ redis, entities, ledger, waits }) {
    const connection = connect({ ...redis, maxRetriesPerRequest: null });
    connection.setMaxListeners(0);
    const countdown = new Countdown();
    const handler = async (job: Job<Deposit>): Promise<void> => ledger.see(job.data.account, job.data.n);
    const all: Entity[] = [];
    await inParallel(entities, LANES, async (index) => {
      const name = `bench-${index}`;
      const queue = new Queue<Deposit>(name, { connection });
      const worker = new Worker<Deposit>(name, handler, { connection, concurrency: 1, autorun: false });
      worker.on('completed', () => countdown.settle());
      worker.on('failed', (_job, error) => countdown.fail(error));
      worker.on('error', () => {});
      queue.on('error', () => {});
      queue.setMaxListeners(0);
      const events = waits ? new QueueEvents(name, { connection }) : undefined;
      events?.setMaxListeners(0);
      events?.on('error', () => {});
      all[index] = { queue, worker, events };
      await Promise.all([queue.waitUntilReady(), worker.waitUntilReady(), events?.waitUntilReady()]);
      if (waits) void worker.run();
    });
    const opts = { removeOnComplete: waits ? { count: KEPT_FOR_WAITERS } : true };
    const of = (number: number): Entity => all[number % entities] as Entity;
    return {
      add: (count) =>
        inParallel(entities, LANES, async (index) => {
          const numbers: number[] = [];
          for (let number = index; number < count; number += entities) numbers.push(number);
          for (let first = 0; first < numbers.length; first += BULK) {
            const jobs = numbers.slice(first, first + BULK);
            await of(index).queue.addBulk(
              jobs.map((number) => ({ name: 'deposit', data: payloadFor(number, entities), opts })),
            );
          }
        }),
      work: async (count) => {
        for (const { worker } of all) void worker.run();
        await countdown.until(count);
      },
      call: async (number) => {
        const { queue, events } = of(number);
        const job = await queue.add('deposit', payloadFor(number, entities), opts);
        return job.waitUntilFinished(events as QueueEvents);
      },
      check: async () => {
        let left = 0;
        await inParallel(entities, LANES, async (index) => {
          left += await of(index).queue.getJobCountByTypes('waiting', 'active', 'failed', 'delayed');
        });
        if (left !== 0) throw new InvalidRow(`${left} jobs are left`);
      },
      stop: async () => {
        await inParallel(entities, entities, async (index) => {
          const { queue, worker, events } = of(index);
          await worker.close(true);
          await events?.close();
          await queue.close();
        });
        connection.disconnect();
      },
    };
  },
};
