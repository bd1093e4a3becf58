/** What every measured system can be asked for. How it does it is its own; the messages and the handler are the same. */
import { deposit } from '../messages.js';
import type { Ledger } from './ledger.js';
import type { RedisAddress } from './redis-server.js';

export interface SystemOptions {
  /** Fresh, and removed after the run. */
  readonly folder: string;
  readonly redis: RedisAddress;
  readonly entities: number;
  readonly ledger: Ledger;
  /** Messages of one entity that may be started before its last one is durable; only some systems have that. */
  readonly dispatchAhead?: number | undefined;
  /** Somebody waits for each message: `call` is going to be used, not `add` and `work`. */
  readonly waits: boolean;
  /** Callers that wait at the same time. */
  readonly callers: number;
}

export interface StartedSystem {
  /** Adds messages 0 … count − 1 and resolves when all are accepted. Nothing works them off yet. Absent: has no queue. */
  readonly add?: (count: number) => Promise<void>;
  /** Works off what was added; resolves when `count` messages are settled. */
  readonly work?: (count: number) => Promise<void>;
  /** One message, by a caller who waits until it was handled. Started systems that wait are at work already. */
  readonly call: (number: number) => Promise<unknown>;
  /** @throws InvalidRow when the system's own books do not say that `sent` messages are done and nothing is left. */
  readonly check: (sent: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface System {
  start(options: SystemOptions): Promise<StartedSystem>;
}

const names: string[] = [];

/** Message `number` of all goes to entity `number mod entities`. */
export function entityOf(number: number, entities: number): string {
  const index = number % entities;
  for (let next = names.length; next <= index; next += 1) names.push(String(next));
  return names[index] as string;
}

/** The same five fields for every system. */
export function payloadFor(number: number, entities: number): ReturnType<typeof deposit> {
  return deposit(entityOf(number, entities), Math.floor(number / entities));
}

/** Resolves when so many messages are settled. */
export class Countdown {
  #settled = 0;
  #target = Number.POSITIVE_INFINITY;
  #reached: () => void = () => {};
  #failed: (error: Error) => void = () => {};

  settle(): void {
    this.#settled += 1;
    if (this.#settled === this.#target) this.#reached();
  }

  fail(error: Error): void {
    this.#failed(error);
  }

  until(target: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#target = target;
      this.#reached = resolve;
      this.#failed = reject;
      if (this.#settled >= target) resolve();
    });
  }
}

/** Runs `work` for 0 … count − 1, so many at the same time. */
export async function inParallel(
  count: number,
  lanes: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      await work(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}
