/** What is measured: a node on a fresh store, with handlers that do nothing but check that they are called in order. */
import { join } from 'node:path';
import { type AtomicQueuesConfig, type AtomicQueuesNode, createNode, type QueueBus } from 'atomic-queues/core';
import { Balance, Deposit, ENTITY_TYPE, Refused } from './messages.js';

export interface SubjectOptions {
  readonly folder: string;
  readonly durability?: 'commit' | 'fsync' | undefined;
  readonly entities: number;
  readonly dispatchAhead?: number | undefined;
  readonly driver?: object | undefined;
}

export interface Subject {
  readonly queueBus: QueueBus;
  readonly node: AtomicQueuesNode;
  readonly order: OrderCheck;
  stop(): Promise<void>;
}

/** Each account's messages must come numbered 0, 1, 2, … (I4). Costs an array access for each message. */
export class OrderCheck {
  readonly #next: Uint32Array;
  handled = 0;
  problem: string | undefined;

  constructor(entities: number) {
    this.#next = new Uint32Array(entities);
  }

  see(account: string, n: number): void {
    const index = Number(account);
    const expected = this.#next[index] as number;
    if (n !== expected) {
      this.problem ??= `Account ${account} got message ${n} where ${expected} is next.`;
      throw new Error(this.problem);
    }
    this.#next[index] = expected + 1;
    this.handled += 1;
  }
}

export function configOf(options: SubjectOptions): AtomicQueuesConfig {
  const { folder, durability = 'commit', dispatchAhead = 1, driver } = options;
  return {
    store: { path: join(folder, 'bench.db'), durability, driver },
    entities: { [ENTITY_TYPE]: { dispatchAhead } },
  };
}

export async function openSubject(options: SubjectOptions): Promise<Subject> {
  const order = new OrderCheck(options.entities);
  const node = createNode({ config: configOf(options) })
    .handle(Deposit, async (message) => order.see(message.account, message.n))
    .handle(Balance, async () => 125, { kind: 'query' })
    .handle(Refused, async () => {
      throw new Error('refused');
    });
  await node.start();
  return {
    node,
    queueBus: node.queueBus,
    order,
    stop: async () => {
      await node.stop();
    },
  };
}

/** Everything that was sent has completed, in the store's own books (I7). */
export async function checkCounts(subject: Subject, sent: number): Promise<void> {
  if (subject.order.problem !== undefined) throw new Error(subject.order.problem);
  const counts = await subject.node.wal.counts(0);
  const { accepted, completed, pending } = counts;
  if (accepted !== sent || completed !== sent || pending !== 0 || subject.order.handled !== sent) {
    throw new Error(
      `Sent ${sent} messages, handled ${subject.order.handled}, and the store counts ${JSON.stringify(counts)}.`,
    );
  }
}
