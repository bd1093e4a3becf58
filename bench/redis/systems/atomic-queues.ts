/** This library on Redis, through its public interface only. */
import { type AtomicQueuesConfig, type AtomicQueuesNode, createNode } from 'atomic-queues/core';
import { Balance, Deposit, ENTITY_TYPE } from '../../messages.js';
import { InvalidRow, NotMeasured } from '../../run.js';
import type { RedisAddress } from '../redis-server.js';
import { entityOf, inParallel, payloadFor, type StartedSystem, type System, type SystemOptions } from '../system.js';

export const KEY_PREFIX = 'aq-bench';

/** Long enough that only a hanging system meets it. */
const REPLY_TIMEOUT_MS = 120_000;

/** So many entities that every shard has one of them. */
const TOUCHED = 256;

export interface NodeSetting {
  readonly redis: RedisAddress;
  readonly serverId: string;
  readonly dispatchAhead?: number | undefined;
  readonly entityType?: string | undefined;
}

export function redisConfig(setting: NodeSetting): AtomicQueuesConfig {
  const { redis, serverId, dispatchAhead = 1, entityType = ENTITY_TYPE } = setting;
  return {
    redis: { host: redis.host, port: redis.port },
    keyPrefix: KEY_PREFIX,
    cluster: { serverId },
    maxTotalQueueDepth: 0,
    replyTimeout: REPLY_TIMEOUT_MS,
    entities: { [entityType]: { dispatchAhead } },
  } as AtomicQueuesConfig;
}

export interface StartedNode extends StartedSystem {
  readonly node: AtomicQueuesNode;
}

/** @throws NotMeasured when the library cannot run on Redis here. */
export async function startNode(options: SystemOptions): Promise<StartedNode> {
  const { redis, entities, ledger, dispatchAhead } = options;
  const node = await started(() =>
    createNode({ config: redisConfig({ redis, serverId: 'bench-1', dispatchAhead }) })
      .handle(Deposit, async (message) => ledger.see(message.account, message.n))
      .handle(Balance, async () => 125, { kind: 'query' }),
  );
  const { queueBus } = node;
  // The first messages of a node wait until it has its shards. Queries are not counted.
  await inParallel(TOUCHED, TOUCHED, (index) => queueBus.enqueueAndWait(new Balance(entityOf(index, TOUCHED))));
  return {
    node,
    call: (number) => queueBus.enqueueAndWait(payloadFor(number, entities)),
    check: (sent) => checkBooks(node, sent),
    stop: async () => {
      await node.stop();
    },
  };
}

export async function started(make: () => AtomicQueuesNode): Promise<AtomicQueuesNode> {
  let node: AtomicQueuesNode | undefined;
  try {
    node = make();
    await node.start();
    return node;
  } catch (error) {
    await node?.stop().catch(() => {});
    throw new NotMeasured(`a node does not start on Redis: ${oneLine(error)}`);
  }
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ');
}

/** All that was sent has completed, in the store's own books (I7). */
export async function checkBooks(node: AtomicQueuesNode, sent: number): Promise<void> {
  const { wal } = node;
  let accepted = 0;
  let completed = 0;
  let pending = 0;
  for (let shard = 0; shard < wal.description.shardCount; shard += 1) {
    const counts = await wal.counts(shard);
    accepted += counts.accepted;
    completed += counts.completed;
    pending += counts.pending;
  }
  if (accepted !== sent || completed !== sent || pending !== 0) {
    throw new InvalidRow(
      `sent ${sent} messages; the store accepted ${accepted}, completed ${completed}, has ${pending} left`,
    );
  }
}

export const atomicQueues: System = { start: startNode };
export const atomicQueuesAhead: System = { start: (options) => startNode({ ...options, dispatchAhead: 32 }) };
