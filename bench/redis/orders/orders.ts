/**
 * `orders-flood`, `orders-draining`, `orders-cold`: one run of the workload on five node processes; between the second and
 * the third phase all five are replaced by new ones. Judged at the end: every line handled exactly once, every stock what
 * it must be, lines of one sender and product in order.
 */
import { Latencies } from '../../latencies.js';
import { type Figures, InvalidRow, type RunContext } from '../../run.js';
import { type DescribedSystem, OURS_AHEAD } from '../described.js';
import { onFreshRedis } from '../measured.js';
import { forkNode, type NodeProcess } from '../node-process.js';
import type { RedisAddress, RedisServer } from '../redis-server.js';
import { connections, scriptCalls } from '../server-figures.js';
import type { OrderReport, PhaseDone } from './order-node.js';
import { asOfPhase } from './orders-figures.js';
import { makeWorkload, PHASES, type Phase, STOCK, type Workload } from './workload.js';

const NODES = 5;
/** After the start of nodes, so that each knows the others: some heartbeats. */
const SETTLE_MS = 1_500;

/** Figures of each phase under `phase:figure`. */
export function ordersRun(described: DescribedSystem, context: RunContext): Promise<Figures> {
  const { quick } = context.timings;
  return onFreshRedis(context, async ({ server }) => {
    const redis = { host: server.host, port: server.port };
    const run = new OrdersRun(server, redis, quick, described.name === OURS_AHEAD ? 32 : 1);
    try {
      return await run.all();
    } finally {
      await run.stop();
    }
  });
}

class OrdersRun {
  readonly #workload: Workload;
  readonly #reports: OrderReport[] = [];
  #nodes: NodeProcess[] = [];
  #handled: readonly number[] = [];

  constructor(
    private readonly server: RedisServer,
    private readonly redis: RedisAddress,
    private readonly quick: boolean,
    private readonly dispatchAhead: number,
  ) {
    this.#workload = makeWorkload(quick);
  }

  async all(): Promise<Figures> {
    let figures: Figures = {};
    await this.#start();
    for (const phase of PHASES) {
      if (phase === 'cold') {
        await this.#collect();
        await this.stop();
        await this.#start();
      }
      figures = { ...figures, ...(await this.#phase(phase)) };
    }
    await this.#collect();
    const drift = this.#judge();
    return { ...figures, ...Object.fromEntries(PHASES.map((phase) => [`${phase}:drift`, drift])) };
  }

  async stop(): Promise<void> {
    const nodes = this.#nodes;
    this.#nodes = [];
    await Promise.all(nodes.map((node) => node.stop()));
  }

  async #start(): Promise<void> {
    const { redis, quick, dispatchAhead } = this;
    const starts = Array.from({ length: NODES }, (_, index) =>
      forkNode({ kind: 'orders', redis, serverId: `bench-${index}`, index, nodes: NODES, dispatchAhead, quick }),
    );
    const settled = await Promise.allSettled(starts);
    this.#nodes = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    for (const each of settled) if (each.status === 'rejected') throw each.reason as Error;
    this.#handled = this.#nodes.map(() => 0);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }

  async #phase(phase: Phase): Promise<Figures> {
    const orders = this.#workload.orders.filter((order) => order.phase === phase);
    const lines = orders.reduce((total, order) => total + order.lines.length, 0);
    const calls = await scriptCalls(this.server.admin);
    const startedAt = performance.now();
    const done = await Promise.all(this.#nodes.map((node) => node.ask<PhaseDone>(phase)));
    const elapsedMs = performance.now() - startedAt;
    const callsMade = (await scriptCalls(this.server.admin)) - calls;
    const latencies = new Latencies();
    for (const { orderMs } of done) for (const each of orderMs) latencies.record(each);
    const handled = await Promise.all(this.#nodes.map(async (node) => (await this.#report(node)).handled));
    const here = handled.map((count, index) => count - (this.#handled[index] as number));
    this.#handled = handled;
    const figures: Figures = {
      messagesPerSecond: (lines / elapsedMs) * 1_000,
      ordersPerSecond: (orders.length / elapsedMs) * 1_000,
      p50Ms: latencies.percentileMs(50),
      p99Ms: latencies.percentileMs(99),
      orders: orders.length,
      deductions: lines,
      nodesThatTookPart: here.filter((count) => count > 0).length,
      leastShareOfNode: Math.min(...here) / lines,
      mostShareOfNode: Math.max(...here) / lines,
      scriptCallsPerMessage: callsMade / lines,
      connectionsPerNode: (await connections(this.server.admin)).total / NODES,
    };
    return asOfPhase(figures, phase);
  }

  #report(node: NodeProcess): Promise<OrderReport> {
    return node.ask<OrderReport>('report');
  }

  async #collect(): Promise<void> {
    for (const node of this.#nodes) this.#reports.push(await this.#report(node));
  }

  /** Sum of what stocks are off by. @throws InvalidRow when anything was lost, doubled or out of order. */
  #judge(): number {
    const { lines, taken } = this.#workload;
    const counts = new Uint32Array(lines);
    for (const report of this.#reports) {
      if (report.disorder !== undefined) throw new InvalidRow(report.disorder);
      Buffer.from(report.lines, 'base64').forEach((count, line) => {
        counts[line] = (counts[line] as number) + count;
      });
    }
    const lost = counts.filter((count) => count === 0).length;
    const doubled = counts.filter((count) => count > 1).length;
    let drift = 0;
    taken.forEach((expected, product) => {
      const reported = this.#reports.reduce((total, report) => total + (report.taken[product] as number), 0);
      drift += Math.abs(STOCK - expected - (STOCK - reported));
    });
    if (lost > 0 || doubled > 0 || drift !== 0) {
      throw new InvalidRow(`drift ${drift}: of ${lines} deductions ${lost} were lost and ${doubled} done again`);
    }
    return drift;
  }
}
