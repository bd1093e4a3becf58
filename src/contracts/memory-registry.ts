/**
 * The registry in memory, for tests and simulated clusters: the nodes of one process share one state. It survives nothing.
 */
import type { Clock } from '../runtime/clock.js';
import type { ContractRegistry, RegistryReading } from './contract-registry.js';
import type { ServiceRecord } from './contract-snapshot.js';
import { readServiceRecord } from './read-record.js';

export class MemoryRegistryState {
  /** JSON texts, as on a server, by incarnation, with the monotonic time at which each ends. */
  readonly entries = new Map<string, { readonly text: string; endsAt: number }>();
  token = 0;
}

export class MemoryRegistry implements ContractRegistry {
  constructor(
    private readonly clock: Clock,
    readonly state = new MemoryRegistryState(),
  ) {}

  async read(): Promise<RegistryReading> {
    const now = this.clock.monotonic();
    const { entries } = this.state;
    for (const [incarnation, { endsAt }] of entries) if (endsAt <= now) entries.delete(incarnation);
    const read = [...entries].map(([incarnation, { text }]) => readServiceRecord(text, incarnation));
    return {
      token: String(this.state.token),
      records: read.flatMap(({ record }) => record ?? []),
      warnings: read.flatMap(({ warnings }) => warnings),
    };
  }

  async publish(record: ServiceRecord, ttlMs: number, token: string): Promise<boolean> {
    const { state } = this;
    if (token !== String(state.token)) return false;
    state.token += 1;
    state.entries.set(record.incarnation, { text: JSON.stringify(record), endsAt: this.clock.monotonic() + ttlMs });
    return true;
  }

  async beat(incarnation: string, ttlMs: number): Promise<boolean> {
    const now = this.clock.monotonic();
    const entry = this.state.entries.get(incarnation);
    if (entry === undefined || entry.endsAt <= now) return false;
    entry.endsAt = now + ttlMs;
    return true;
  }

  async leave(incarnation: string): Promise<void> {
    if (this.state.entries.delete(incarnation)) this.state.token += 1;
  }
}
