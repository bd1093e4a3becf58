/** Actors on the embedded store, as subjects of the load scenarios. */
import { createNode } from 'atomic-queues/core';
import { accountName } from '../load.js';
import { configOf, OrderCheck, type Subject, type SubjectOptions } from '../subject.js';
import { type BenchActor, checkStates, registerBenchActor } from './bench-actors.js';

export function openActor(which: BenchActor): (options: SubjectOptions) => Promise<Subject> {
  return async (options) => {
    const order = new OrderCheck(options.entities);
    const node = createNode({ config: configOf(options) });
    registerBenchActor(node, which, order);
    await node.start();
    return {
      node,
      queueBus: node.queueBus,
      order,
      stop: async () => {
        const accounts = Array.from({ length: options.entities }, (_, index) => accountName(index));
        await checkStates(node, accounts, order.handled);
        await node.stop();
      },
    };
  };
}
