/** The transport of one process: what arrives waits while the process is paused, and is lost when it is dead. */
import type { MemoryNetwork } from '../../cluster/transport/memory/memory-transport.js';
import type { Transport, TransportMessage } from '../../cluster/transport/transport.js';
import type { SimulatedProcess } from './simulated-process.js';

export class SimulatedTransport implements Transport {
  private incarnation: string | undefined;

  /** @param addresses processes by incarnation, for whoever routes. */
  constructor(
    private readonly network: MemoryNetwork,
    private readonly process: SimulatedProcess,
    private readonly addresses: Map<string, SimulatedProcess>,
  ) {}

  async start(incarnation: string, receive: (message: TransportMessage) => void): Promise<void> {
    this.incarnation = incarnation;
    this.addresses.set(incarnation, this.process);
    this.network.join(incarnation, (message) => this.process.deliver(() => receive(message)));
  }

  async stop(): Promise<void> {
    if (this.incarnation !== undefined) this.network.leave(this.incarnation);
    this.incarnation = undefined;
  }

  send(to: string, message: TransportMessage): void {
    if (this.incarnation !== undefined && this.process.isAlive) this.network.send(this.incarnation, to, message);
  }
}
