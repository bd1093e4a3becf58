/**
 * `redis-memory`: what Redis' memory is before messages came and after all are worked off. All of them wait at the same
 * time: their type is paused while they are enqueued. Measured with a node connected both times.
 */

import { ENTITY_TYPE } from '../messages.js';
import type { Figures, RunContext } from '../run.js';
import type { DescribedSystem } from './described.js';
import { onFreshSystem } from './measured.js';
import { usedMemoryBytes } from './server-figures.js';
import { inParallel, payloadFor } from './system.js';
import type { StartedNode } from './systems/atomic-queues.js';

const ENTITIES = 1_000;
const MESSAGES = 1_000_000;
const QUICK_MESSAGES = 100_000;
const WARM = 20_000;
const LANES = 8_192;
const MIB = 2 ** 20;
/** Redis gives memory back a little after the last message: buffers shrink, kept answers go with the next clean-up. */
const SETTLE_MS = 7_000;
const SETTLE_BEFORE_MS = 2_000;
const LOOK_MS = 250;

export async function memoryRun(described: DescribedSystem, context: RunContext): Promise<Figures> {
  const messages = context.timings.quick ? QUICK_MESSAGES : MESSAGES;
  const wish = { entities: ENTITIES, waits: false, callers: 0 };
  const { figures } = await onFreshSystem(described, context, wish, async ({ system, server, ledger }) => {
    const { node } = system as StartedNode;
    const { queueBus } = node;
    const lowest = async (waitMs: number): Promise<number> => {
      let bytes = Number.POSITIVE_INFINITY;
      for (let waited = 0; waited < waitMs; waited += LOOK_MS) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        bytes = Math.min(bytes, await usedMemoryBytes(server.admin));
      }
      return bytes;
    };
    const handled = async (count: number): Promise<void> => {
      while (ledger.handled < count) await new Promise((resolve) => setTimeout(resolve, 5));
      await node.whenIdle();
    };
    await inParallel(WARM, LANES, (number) => queueBus.enqueue(payloadFor(number, ENTITIES)));
    await handled(WARM);
    const before = await lowest(SETTLE_BEFORE_MS);
    await queueBus.pause(ENTITY_TYPE);
    const addedAt = performance.now();
    await inParallel(messages, LANES, (number) => queueBus.enqueue(payloadFor(WARM + number, ENTITIES)));
    const workedAt = performance.now();
    const full = await usedMemoryBytes(server.admin);
    await queueBus.resume(ENTITY_TYPE);
    await handled(WARM + messages);
    const elapsedMs = performance.now() - workedAt;
    const after = await lowest(SETTLE_MS);
    return {
      sent: WARM + messages,
      figures: {
        messagesPerSecond: (messages / elapsedMs) * 1_000,
        addPerSecond: (messages / (workedAt - addedAt)) * 1_000,
        drainedMessages: messages,
        memoryAboveStartMiB: (after - before) / MIB,
        memoryBeforeMiB: before / MIB,
        memoryFullMiB: full / MIB,
        bytesPerWaitingMessage: (full - before) / messages,
      },
    };
  });
  return figures;
}
