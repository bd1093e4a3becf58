/**
 * What an actor without state keeps of the memory while it is resident: the heap with many of them, their workers gone,
 * above the heap of the same node before, garbage collected in both cases. Ids of entities are not counted: whoever names
 * an entity has them.
 */
import { Actor, createNode, On, registerActor } from 'atomic-queues/core';
import { accountName } from '../load.js';
import { type Figures, inFreshFolder, type RunContext } from '../run.js';
import { configOf } from '../subject.js';

const ACTORS = 100_000;
const QUICK_ACTORS = 30_000;
const WARM_ACTORS = 2_000;
const BATCH = 2_000;
const WORKER_IDLE_MS = 100;
const SETTLE_MS = 1_500;

@Actor('empty', { actorIdleTimeout: 2_147_483_647 })
class EmptyActor {
  @On('touch')
  touch(): void {}
}

export async function runResidentBytes(context: RunContext): Promise<Figures[]> {
  const actors = context.timings.quick ? QUICK_ACTORS : ACTORS;
  return inFreshFolder(context.folder, async (folder) => {
    const config = {
      ...configOf({ folder, entities: actors }),
      entities: { empty: { workerIdleTimeout: WORKER_IDLE_MS } },
      maxResidentActors: 0,
    };
    const node = createNode({ config });
    registerActor(node, EmptyActor);
    let resident = 0;
    node.events.on('actorWoken', () => {
      resident += 1;
    });
    node.events.on('actorPassivated', () => {
      resident -= 1;
    });
    await node.start();
    const touch = async (from: number, to: number): Promise<void> => {
      for (let index = from; index < to; index += BATCH) {
        const batch = Array.from({ length: Math.min(BATCH, to - index) }, (_, offset) => accountName(index + offset));
        await Promise.all(batch.map((id) => node.queueBus.enqueueAndWait('empty', 'touch', id, {})));
      }
      await node.whenIdle();
    };
    accountName(WARM_ACTORS + actors);
    await touch(0, WARM_ACTORS);
    const before = await heapBytes();
    const residentBefore = resident;
    await touch(WARM_ACTORS, WARM_ACTORS + actors);
    const after = await heapBytes();
    const added = resident - residentBefore;
    await node.stop();
    return [{ residentActors: added, bytesPerActor: (after - before) / added }];
  });
}

/** After the workers have gone. */
async function heapBytes(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage().heapUsed;
}
