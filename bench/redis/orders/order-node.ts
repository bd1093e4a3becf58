/** A node of the orders workload: takes every fifth order, sends its deductions, and handles those of its products. */
import { type AtomicQueuesNode, createNode } from 'atomic-queues/core';
import type { NodeTask, Question } from '../node-process.js';
import { redisConfig, started } from '../systems/atomic-queues.js';
import {
  Deduct,
  DRAINING_WAVES,
  makeWorkload,
  type Order,
  PHASES,
  type Phase,
  PRODUCT_TYPE,
  PRODUCTS,
  WAVES,
} from './workload.js';

export interface PhaseDone {
  /** From the first deduction handed in to the reply of the last one, milliseconds, for each order. */
  readonly orderMs: readonly number[];
}

export interface OrderReport {
  /** What this node's handlers took from each product. */
  readonly taken: readonly number[];
  readonly handled: number;
  /** How often each line was handled here, a byte each, as base64. */
  readonly lines: string;
  readonly disorder?: string | undefined;
}

export async function startOrderNode(task: Extract<NodeTask, { kind: 'orders' }>): Promise<{
  node: AtomicQueuesNode;
  answer: (question: Question) => Promise<unknown>;
}> {
  const workload = makeWorkload(task.quick);
  const own = workload.orders.filter(({ number }) => number % task.nodes === task.index);
  const stock = new StockRoom(workload.lines, task.nodes);
  const config = redisConfig({ ...task, entityType: PRODUCT_TYPE });
  const node = await started(() => createNode({ config }).handle(Deduct, async (message) => stock.deduct(message)));
  const sender = new OrderSender(node, task.index);
  return {
    node,
    answer: async ({ ask }) => {
      if (ask === 'report') return stock.report();
      const phase = PHASES.find((each) => each === ask);
      if (phase === undefined) throw new Error(`Nobody knows "${ask}".`);
      return sender.run(
        phase,
        own.filter((order) => order.phase === phase),
      );
    },
  };
}

/** The handler's side: stock in memory, counted exactly. */
class StockRoom {
  readonly #taken = Array.from({ length: PRODUCTS }, () => 0);
  readonly #lines: Uint8Array;
  /** Last number of each sender and product. */
  readonly #last: Uint32Array;
  #handled = 0;
  #disorder: string | undefined;

  constructor(
    lines: number,
    private readonly nodes: number,
  ) {
    this.#lines = new Uint8Array(lines);
    this.#last = new Uint32Array(nodes * PRODUCTS);
  }

  deduct(message: Deduct): void {
    const product = Number(message.product);
    const place = product * this.nodes + message.sender;
    const last = this.#last[place] as number;
    // Numbers between may have been handled by an earlier owner of the product, but none may come after a later one.
    if (message.n <= last) {
      this.#disorder ??= `product ${product} got number ${message.n} of sender ${message.sender} after ${last}`;
    }
    this.#last[place] = message.n;
    this.#taken[product] = (this.#taken[product] as number) + message.quantity;
    this.#lines[message.line] = (this.#lines[message.line] as number) + 1;
    this.#handled += 1;
  }

  report(): OrderReport {
    return {
      taken: this.#taken,
      handled: this.#handled,
      lines: Buffer.from(this.#lines).toString('base64'),
      disorder: this.#disorder,
    };
  }
}

class OrderSender {
  readonly #sent = new Uint32Array(PRODUCTS);

  constructor(
    private readonly node: AtomicQueuesNode,
    private readonly index: number,
  ) {}

  async run(phase: Phase, orders: readonly Order[]): Promise<PhaseDone> {
    const orderMs: number[] = [];
    const place = async (order: Order): Promise<void> => {
      const placedAt = performance.now();
      await Promise.all(
        order.lines.map(({ number, product, quantity }) => {
          const n = (this.#sent[product] as number) + 1;
          this.#sent[product] = n;
          const message = new Deduct(String(product), order.number, number, quantity, this.index, n);
          return this.node.queueBus.enqueueAndWait(message);
        }),
      );
      orderMs.push(performance.now() - placedAt);
    };
    const backlog = Promise.all(orders.filter((order) => order.backlog).map(place));
    const others = orders.filter((order) => !order.backlog);
    const waves = phase === 'flood' ? WAVES : phase === 'draining' ? DRAINING_WAVES : 1;
    for (let wave = 0; wave < waves; wave += 1) {
      const from = Math.floor((others.length * wave) / waves);
      const to = Math.floor((others.length * (wave + 1)) / waves);
      await Promise.all(others.slice(from, to).map(place));
    }
    await backlog;
    return { orderMs };
  }
}
