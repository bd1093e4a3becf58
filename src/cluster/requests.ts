/**
 * Requests to the owner of a shard on another node that leave nothing in the store: queries, and what operators do to
 * messages. The transport may lose any of it, so a request is repeated until it is answered or nobody waits any more; the
 * receiver answers a repeated one as the first time.
 *
 * Owns: the requests of this node that are not answered, and one timer while there are any.
 */
import type { Clock } from '../runtime/clock.js';
import type { TimerHandle, Timers } from '../runtime/timers.js';
import type { TransportMessage } from './transport/transport.js';

export type Request = Extract<TransportMessage, { readonly type: 'ask' | 'operate' }>;
export type Answer = Extract<TransportMessage, { readonly type: 'verdict' | 'operated' | 'refused' }>;

export interface RequestsOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Hands a request to whoever owns the shard now, this node included. Nothing happens when nobody does. */
  readonly send: (request: Request) => void;
}

interface Pending {
  readonly request: Request;
  readonly answered: (answer: Answer) => void;
  /** Whether anyone still wants the answer. */
  readonly isWanted: () => boolean;
  /** The node stops, and there will be no answer. */
  readonly stopped: () => void;
  nextSendAt: number;
}

/** A request is repeated after this long, milliseconds. */
const AGAIN_MS = 300;
/** Sooner when the receiver said that it cannot answer. */
const ELSEWHERE_MS = 40;
const SWEEP_MS = 20;

export class Requests {
  private readonly pending = new Map<string, Pending>();
  private timer: TimerHandle | undefined;

  constructor(private readonly options: RequestsOptions) {}

  get size(): number {
    return this.pending.size;
  }

  send(request: Request, answered: (answer: Answer) => void, isWanted: () => boolean, stopped: () => void): void {
    const nextSendAt = this.options.clock.monotonic() + AGAIN_MS;
    this.pending.set(request.id, { request, answered, isWanted, stopped, nextSendAt });
    this.options.send(request);
    this.arm();
  }

  /** False when no request of this id is open. */
  answered(answer: Answer): boolean {
    const pending = this.pending.get(answer.id);
    if (pending === undefined) return false;
    this.pending.delete(answer.id);
    pending.answered(answer);
    return true;
  }

  notHere(id: string): void {
    const pending = this.pending.get(id);
    if (pending !== undefined) pending.nextSendAt = this.options.clock.monotonic() + ELSEWHERE_MS;
  }

  stop(): void {
    if (this.timer !== undefined) this.options.timers.clear(this.timer);
    this.timer = undefined;
    const left = [...this.pending.values()];
    this.pending.clear();
    for (const { stopped } of left) stopped();
  }

  private arm(): void {
    if (this.timer !== undefined || this.pending.size === 0) return;
    this.timer = this.options.timers.set(this.sweep, SWEEP_MS);
  }

  private readonly sweep = (): void => {
    this.timer = undefined;
    const now = this.options.clock.monotonic();
    for (const [id, each] of this.pending) {
      if (!each.isWanted()) this.pending.delete(id);
      else if (now >= each.nextSendAt) {
        each.nextSendAt = now + AGAIN_MS;
        this.options.send(each.request);
      }
    }
    this.arm();
  };
}
