/**
 * The port of what services publish. It is small, it is read whole, and nothing of it is trusted for safety: a wrong record
 * can only make calls fail that would have been fine, or start-ups that contradict it.
 */
import type { ServiceRecord } from './contract-snapshot.js';
import type { ContractWarning } from './merge-records.js';

export interface ContractRegistry {
  /** Everything that processes which are taken to live have published. */
  read(): Promise<RegistryReading>;
  /**
   * Publishes a record for `ttlMs` milliseconds, in the place of an earlier one of its incarnation, unless somebody has
   * published or left since the reading with this token: then false, and nothing was written.
   */
  publish(record: ServiceRecord, ttlMs: number, token: string): Promise<boolean>;
  /** Keeps the record for `ttlMs` milliseconds from now. False when there is none (any more). */
  beat(incarnation: string, ttlMs: number): Promise<boolean>;
  /** Takes the record away. */
  leave(incarnation: string): Promise<void>;
}

export interface RegistryReading {
  /** Changes with each record that comes or goes; those that end by themselves need not change it. */
  readonly token: string;
  readonly records: readonly ServiceRecord[];
  /** What was left out, and why. */
  readonly warnings: readonly ContractWarning[];
}
