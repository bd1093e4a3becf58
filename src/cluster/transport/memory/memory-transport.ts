/**
 * The transport in memory: a `MemoryNetwork` is the wire, and each node of a process has a `MemoryTransport` on it. The
 * network's `route` decides what becomes of each message, so that a test or a simulation can delay, lose, double and
 * partition. What arrives is a copy, as from a real wire.
 */
import type { Timers } from '../../../runtime/timers.js';
import type { Transport, TransportMessage } from '../transport.js';
import { transportMessageOf } from '../transport-message.js';

/**
 * When the copies of a message arrive, in milliseconds from now: none for a loss, two for a double. 0: at the end of this
 * turn of the event loop. `from` and `to` are incarnations; a message to all nodes is asked about once for each of them.
 */
export type Route = (from: string, to: string, message: TransportMessage) => readonly number[];

export interface MemoryNetworkOptions {
  readonly timers: Timers;
  /** Default: every message arrives once, at the end of the turn. */
  readonly route?: Route | undefined;
}

const AT_ONCE: readonly number[] = [0];

export class MemoryNetwork {
  /** May be replaced at any time; messages that are on their way arrive as they were routed. */
  route: Route;
  private readonly timers: Timers;
  private readonly receivers = new Map<string, (message: TransportMessage) => void>();

  constructor(options: MemoryNetworkOptions) {
    this.timers = options.timers;
    this.route = options.route ?? (() => AT_ONCE);
  }

  /** As anyone outside the cluster may: a hint to all nodes that a shard was offered something. */
  wake(shard: number): void {
    this.send('', '*', { type: 'wake', shard });
  }

  send(from: string, to: string, message: TransportMessage): void {
    const text = JSON.stringify(message);
    for (const receiver of to === '*' ? [...this.receivers.keys()] : [to]) {
      for (const delayMs of this.route(from, receiver, message)) {
        const deliver = (): void => this.deliver(receiver, text);
        if (delayMs > 0) this.timers.set(deliver, delayMs);
        else this.timers.defer(deliver);
      }
    }
  }

  join(incarnation: string, receive: (message: TransportMessage) => void): void {
    this.receivers.set(incarnation, receive);
  }

  leave(incarnation: string): void {
    this.receivers.delete(incarnation);
  }

  private deliver(to: string, text: string): void {
    const message = transportMessageOf(JSON.parse(text));
    if (message !== undefined) this.receivers.get(to)?.(message);
  }
}

export class MemoryTransport implements Transport {
  private incarnation: string | undefined;

  constructor(private readonly network: MemoryNetwork) {}

  async start(incarnation: string, receive: (message: TransportMessage) => void): Promise<void> {
    if (this.incarnation === incarnation) return;
    await this.stop();
    this.incarnation = incarnation;
    this.network.join(incarnation, receive);
  }

  async stop(): Promise<void> {
    if (this.incarnation !== undefined) this.network.leave(this.incarnation);
    this.incarnation = undefined;
  }

  send(to: string, message: TransportMessage): void {
    if (this.incarnation !== undefined) this.network.send(this.incarnation, to, message);
  }
}
