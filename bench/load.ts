/**
 * The load generator. Messages go round the accounts, so that the k-th message of account e is number k × accounts + e of
 * all: with that, a completed message finds the time it was sent at without a table of ids.
 *
 * Closed loop: a fixed number of messages is under way, a new one goes when one completes. Open loop: messages go at a
 * fixed rate whatever the system does, and latency counts from the time at which a message should have gone, so that a
 * stall is charged to every message that it delays (no coordinated omission).
 */
import { Latencies } from './latencies.js';
import { deposit } from './messages.js';
import type { Subject } from './subject.js';

export interface LoadResult {
  readonly messages: number;
  readonly elapsedMs: number;
  readonly latencies: Latencies;
  /** CPU of all threads of this process, the generator's included. */
  readonly cpuMicros: number;
  readonly commits: number;
  readonly transitions: number;
  /** The open loop fell so far behind that it was ended. */
  readonly saturated: boolean;
}

/** Send times are kept for this many messages; more are never under way. */
const TIMES = 2 ** 20;
/** An open loop with this many messages under way has failed; the default `maxTotalQueueDepth` is 100,000. */
const UNDER_WAY_MAX = 90_000;
/** Numbers of accounts, made once. */
const names: string[] = [];

export function accountName(index: number): string {
  for (let next = names.length; next <= index; next += 1) names.push(String(next));
  return names[index] as string;
}

export class Load {
  readonly #times = new Float64Array(TIMES);
  readonly #done: Uint32Array;
  #sent = 0;
  #underWay = 0;
  #completed = 0;
  #commits = 0;
  #transitions = 0;
  #latencies: Latencies | undefined;
  /** Latency ends with the durable verdict (nobody waits), or with the reply in the caller's hands. */
  #byEnd = true;
  #onCompleted: () => void = () => {};

  constructor(
    private readonly subject: Pick<Subject, 'node' | 'queueBus'>,
    private readonly entities: number,
  ) {
    accountName(entities - 1);
    this.#done = new Uint32Array(entities);
    subject.node.events.on('ended', (event) => {
      // Someone else's messages may run beside this load.
      if (event.name !== 'Deposit') return;
      const index = Number(event.entityId);
      const number = (this.#done[index] as number) * this.entities + index;
      this.#done[index] = (this.#done[index] as number) + 1;
      if (this.#byEnd) this.#latencies?.record(performance.now() - (this.#times[number % TIMES] as number));
      this.#underWay -= 1;
      this.#completed += 1;
      this.#onCompleted();
    });
    subject.node.events.on('committed', ({ transitions }) => {
      this.#commits += 1;
      this.#transitions += transitions;
    });
  }

  get sent(): number {
    return this.#sent;
  }

  /** Sends and does not wait for replies; `window` messages are under way. */
  flood(window: number, durationMs: number): Promise<LoadResult> {
    const step = Math.max(1, Math.min(256, window / 4));
    return this.#measured(durationMs, true, (isOver) => {
      let scheduled = false;
      const topUp = (): void => {
        scheduled = false;
        while (this.#underWay < window && !isOver()) this.#fire(performance.now());
      };
      this.#onCompleted = () => {
        if (scheduled || window - this.#underWay < step || isOver()) return;
        scheduled = true;
        setImmediate(topUp);
      };
      topUp();
    });
  }

  /** So many callers, each waiting for its reply before it sends again. */
  callers(count: number, durationMs: number): Promise<LoadResult> {
    return this.#measured(durationMs, false, (isOver) => {
      const call = async (): Promise<void> => {
        while (!isOver()) await this.#ask(performance.now());
      };
      for (let index = 0; index < count; index += 1) void call();
    });
  }

  /** `ratePerSecond` messages a second; `waits`: by callers who wait for the reply (any number of them). */
  open(ratePerSecond: number, durationMs: number, waits: boolean): Promise<LoadResult> {
    return this.#measured(durationMs, !waits, (isOver, saturate) => {
      const startedAt = performance.now();
      let sent = 0;
      const pump = (): void => {
        const due = ((performance.now() - startedAt) * ratePerSecond) / 1_000;
        for (; sent <= due && !isOver(); sent += 1) {
          if (this.#underWay >= UNDER_WAY_MAX) return saturate();
          const intendedAt = startedAt + (sent * 1_000) / ratePerSecond;
          if (waits) void this.#ask(intendedAt);
          else this.#fire(intendedAt);
        }
        if (!isOver()) setImmediate(pump);
      };
      pump();
    });
  }

  /** A refused message rejects without anyone listening, which ends the process: no figure hides a refusal. */
  #fire(at: number): void {
    void this.subject.queueBus.enqueue(this.#next(at));
  }

  async #ask(at: number): Promise<void> {
    await this.subject.queueBus.enqueueAndWait(this.#next(at));
    this.#latencies?.record(performance.now() - at);
  }

  #next(at: number): object {
    const number = this.#sent;
    this.#sent += 1;
    this.#underWay += 1;
    this.#times[number % TIMES] = at;
    const index = number % this.entities;
    return deposit(names[index] as string, Math.floor(number / this.entities));
  }

  async #measured(
    durationMs: number,
    byEnd: boolean,
    run: (isOver: () => boolean, saturate: () => void) => void,
  ): Promise<LoadResult> {
    const latencies = new Latencies();
    const commits = this.#commits;
    const transitions = this.#transitions;
    const completed = this.#completed;
    let over = false;
    let saturated = false;
    this.#latencies = latencies;
    this.#byEnd = byEnd;
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      run(
        () => over,
        () => {
          saturated = true;
          clearTimeout(timer);
          resolve();
        },
      );
    });
    over = true;
    const elapsedMs = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpu);
    const result = {
      messages: this.#completed - completed,
      elapsedMs,
      latencies,
      cpuMicros: user + system,
      commits: this.#commits - commits,
      transitions: this.#transitions - transitions,
      saturated,
    };
    this.#latencies = undefined;
    await this.#drained();
    this.#onCompleted = () => {};
    return result;
  }

  #drained(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onCompleted = () => {
        if (this.#underWay === 0) resolve();
      };
    });
  }
}
