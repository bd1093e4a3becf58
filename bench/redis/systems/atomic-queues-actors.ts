/** Actors of this library on Redis, through its public interface only. */
import { createNode } from 'atomic-queues/core';
import { type BenchActor, checkStates, registerBenchActor, Summary } from '../../actors/bench-actors.js';
import { accountName } from '../../load.js';
import { entityOf, inParallel, payloadFor, type System, type SystemOptions } from '../system.js';
import { checkBooks, redisConfig, type StartedNode, started } from './atomic-queues.js';

/** So many entities that every shard has one of them. */
const TOUCHED = 256;

async function start(which: BenchActor, { redis, entities, ledger }: SystemOptions): Promise<StartedNode> {
  const node = await started(() => {
    const made = createNode({ config: redisConfig({ redis, serverId: 'bench-1' }) });
    registerBenchActor(made, which, ledger);
    return made;
  });
  const { queueBus } = node;
  // The first messages of a node wait until it has its shards. Queries are not counted.
  await inParallel(TOUCHED, TOUCHED, (index) => queueBus.enqueueAndWait(new Summary(entityOf(index, TOUCHED))));
  return {
    node,
    call: (number) => queueBus.enqueueAndWait(payloadFor(number, entities)),
    check: async (sent) => {
      await checkBooks(node, sent);
      const accounts = Array.from({ length: entities }, (_, index) => accountName(index));
      await checkStates(node, accounts, ledger.handled);
    },
    stop: async () => {
      await node.stop();
    },
  };
}

export const atomicQueuesActors: System = { start: (options) => start('account', options) };
export const atomicQueuesStateOnly: System = { start: (options) => start('state-only', options) };
