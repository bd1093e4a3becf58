/**
 * The orders workload: 12,300 orders of 1 to 14 lines, 104,004 lines in all, each a deduction from the stock of one of 20
 * products. Made from a seed, so that every process makes the same one and knows what every stock must be at the end.
 * Quick mode has exactly a quarter of it.
 */
import { EntityType, QueueEntityId } from 'atomic-queues/core';

export const PRODUCT_TYPE = 'product';
export const PRODUCTS = 20;
export const STOCK = 10_000_000;
export const PHASES = ['flood', 'draining', 'cold'] as const;
export type Phase = (typeof PHASES)[number];

const SEED = 20_240_517;
const DEDUCTIONS = 104_004;
const QUICK_DIVISOR = 4;
const ORDERS: Readonly<Record<Phase, number>> = { flood: 10_000, draining: 1_300, cold: 1_000 };
/** Of the orders of `draining`, so many are handed in at once before the others come. */
const BACKLOG = 300;
/** A wave of `flood` is 200 orders over all nodes, handed in together; the next begins when the wave has completed. */
export const WAVES = 50;
/** The orders that come while the backlog drains, in waves of 200 as well. */
export const DRAINING_WAVES = 5;

export interface Line {
  /** Its number among all lines of the workload. */
  readonly number: number;
  readonly product: number;
  readonly quantity: number;
}

export interface Order {
  readonly number: number;
  readonly phase: Phase;
  /** Handed in before the others of its phase. */
  readonly backlog: boolean;
  readonly lines: readonly Line[];
}

export interface Workload {
  readonly orders: readonly Order[];
  readonly lines: number;
  /** What is taken from each product by all orders. */
  readonly taken: readonly number[];
}

/** A generator of even numbers in [0, 1) (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function makeWorkload(quick: boolean): Workload {
  const divisor = quick ? QUICK_DIVISOR : 1;
  const next = chance(SEED);
  const below = (limit: number): number => Math.floor(next() * limit);
  const phases = PHASES.flatMap((phase) => Array.from({ length: ORDERS[phase] / divisor }, () => phase));
  const sizes = phases.map(() => 3 + below(12));
  // The sum is near what is wanted; single lines are added or taken away until it is that.
  for (let missing = DEDUCTIONS / divisor - sum(sizes); missing !== 0; ) {
    const index = below(sizes.length);
    const size = (sizes[index] as number) + Math.sign(missing);
    if (size < 1 || size > PRODUCTS) continue;
    sizes[index] = size;
    missing -= Math.sign(missing);
  }
  const taken = Array.from({ length: PRODUCTS }, () => 0);
  const begun: Record<Phase, number> = { flood: 0, draining: 0, cold: 0 };
  let lines = 0;
  const orders = phases.map((phase, number) => {
    const left = Array.from({ length: PRODUCTS }, (_, product) => product);
    const order: Order = {
      number,
      phase,
      backlog: phase === 'draining' && begun.draining < BACKLOG / divisor,
      lines: Array.from({ length: sizes[number] as number }, () => {
        const product = left.splice(below(left.length), 1)[0] as number;
        const quantity = 1 + below(5);
        taken[product] = (taken[product] as number) + quantity;
        lines += 1;
        return { number: lines - 1, product, quantity };
      }),
    };
    begun[phase] += 1;
    return order;
  });
  return { orders, lines, taken };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

@EntityType(PRODUCT_TYPE, { name: 'Deduct' })
export class Deduct {
  @QueueEntityId()
  readonly product: string;

  constructor(
    product: string,
    readonly order: number,
    /** The line's number among all of the workload. */
    readonly line: number,
    readonly quantity: number,
    /** The node that sends it, and the how-manieth for this product from there, from 1: what the order is checked by. */
    readonly sender: number,
    readonly n: number,
  ) {
    this.product = product;
  }
}
