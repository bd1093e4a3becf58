/**
 * A node's part in the registry: it publishes what the node takes, keeps that alive, and knows what all services take.
 *
 * Owns: the heartbeat's timer, the node's record and the last picture of everybody's. A registry that does not answer later
 * on stops nothing: calls are checked with what is known, and their owners check for themselves.
 */
import type { Logger } from '../runtime/logger.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TimerHandle } from '../runtime/timers.js';
import { conflictText, schemaConflict } from './contract-errors.js';
import type { ContractRegistry, RegistryReading } from './contract-registry.js';
import type { ServiceRecord } from './contract-snapshot.js';
import { type ContractWarning, type MergedContracts, mergeRecords } from './merge-records.js';
import { printable } from './printable.js';

export interface RegistrationOptions {
  readonly runtime: Pick<Runtime, 'timers'>;
  readonly logger: Logger;
  /** Undefined: this node keeps to itself. */
  readonly registry: ContractRegistry | undefined;
  readonly heartbeatMs: number;
  readonly ttlMs: number;
  /** Handlers are known by the time this is first called. */
  readonly record: () => { readonly record: ServiceRecord; readonly warnings: readonly ContractWarning[] };
}

export interface RegistryPicture extends MergedContracts {
  readonly records: readonly ServiceRecord[];
}

/** Publishing is tried again when others come or go at the same moment. */
const PUBLISH_TRIES_MAX = 1_000;
/** Different warnings that are remembered as told. */
const TOLD_MAX = 1_000;

const NOTHING_READ: RegistryReading = { token: '', records: [], warnings: [] };

export class Registration {
  private own: ReturnType<RegistrationOptions['record']> | undefined;
  private reading = NOTHING_READ;
  private merged: RegistryPicture | undefined;
  private timer: TimerHandle | undefined;
  private isOpen = false;
  private isBeating = false;
  private readonly told = new Set<string>();

  constructor(private readonly options: RegistrationOptions) {}

  /** What all services say, this node's own record included, as far as is known at the moment. */
  get picture(): RegistryPicture {
    this.merged ??= this.merge(this.reading);
    return this.merged;
  }

  /** The same, read anew. What is known has to do when the registry does not answer. */
  async look(): Promise<RegistryPicture> {
    const { registry } = this.options;
    if (registry === undefined || !this.isOpen) return this.picture;
    try {
      this.learn(await registry.read());
      return this.picture;
    } catch (error) {
      const reason = `it does not answer (${(error as Error).message}); this is what was known before`;
      const warning = { service: 'the registry', reason: printable(reason) };
      return { ...this.picture, warnings: [...this.picture.warnings, warning] };
    }
  }

  /**
   * Publishes the node's record. The registry must answer.
   * @throws AtomicQueuesError `SCHEMA_CONFLICT` when another live service says something else of the same messages; nothing
   *   was published then.
   */
  async open(): Promise<void> {
    const { registry, heartbeatMs } = this.options;
    const { record } = this.ownRecord;
    if (registry === undefined) {
      this.tell(this.picture.warnings);
      return;
    }
    for (let tries = 0; tries < PUBLISH_TRIES_MAX; tries += 1) {
      this.learn(await registry.read());
      // Which group a type belongs to is decided by its binding in the store, which outlives every record (M5).
      const own = this.picture.conflicts.filter(
        ({ services, what }) => services.includes(record.serviceName) && what !== 'group',
      );
      if (own.length > 0) throw schemaConflict(own, record.serviceName);
      if (await this.publish(registry, record)) break;
    }
    this.isOpen = true;
    this.tellAll();
    if (heartbeatMs > 0) this.arm();
  }

  /** Takes the record away, so that nobody counts on this node. */
  async close(): Promise<void> {
    if (this.timer !== undefined) this.options.runtime.timers.clear(this.timer);
    this.timer = undefined;
    if (!this.isOpen) return;
    this.isOpen = false;
    try {
      await this.options.registry?.leave(this.ownRecord.record.incarnation);
    } catch {
      // It ends by itself when no heartbeats come.
    }
  }

  /** A file that cannot be written keeps nobody from working; a registry that others rely on does. */
  private async publish(registry: ContractRegistry, record: ServiceRecord): Promise<boolean> {
    const { ttlMs, heartbeatMs, logger } = this.options;
    try {
      return await registry.publish(record, ttlMs, this.reading.token);
    } catch (error) {
      if (heartbeatMs > 0) throw error;
      logger.warn(`Contracts: what this application takes could not be written down: ${(error as Error).message}`);
      return true;
    }
  }

  private get ownRecord(): ReturnType<RegistrationOptions['record']> {
    this.own ??= this.options.record();
    return this.own;
  }

  private arm(): void {
    this.timer = this.options.runtime.timers.set(() => {
      this.arm();
      void this.beat();
    }, this.options.heartbeatMs);
  }

  private async beat(): Promise<void> {
    const { registry, ttlMs, logger } = this.options;
    if (registry === undefined || this.isBeating) return;
    this.isBeating = true;
    const { record } = this.ownRecord;
    try {
      const isKept = await registry.beat(record.incarnation, ttlMs);
      this.learn(await registry.read());
      // It was silent for too long, or the server has lost it: what is running is not stopped by anything it finds now.
      if (!isKept && this.isOpen) await registry.publish(record, ttlMs, this.reading.token);
      // A node that was stopped meanwhile must not stay.
      if (!this.isOpen) await registry.leave(record.incarnation);
      this.tellAll();
    } catch (error) {
      logger.debug(`The registry of contracts does not answer: ${(error as Error).message}`);
    } finally {
      this.isBeating = false;
    }
  }

  private learn(reading: RegistryReading): void {
    const known = this.reading;
    this.reading = reading;
    if (this.merged === undefined || !isSame(known, reading)) this.merged = this.merge(reading);
  }

  private merge(reading: RegistryReading): RegistryPicture {
    const { record, warnings: ownWarnings } = this.ownRecord;
    const others = reading.records.filter(({ incarnation }) => incarnation !== record.incarnation);
    const records = [...others, record];
    const { snapshot, conflicts, warnings } = mergeRecords(records);
    return { records, snapshot, conflicts, warnings: [...ownWarnings, ...reading.warnings, ...warnings] };
  }

  private tellAll(): void {
    const { conflicts, warnings } = this.picture;
    this.tell(warnings);
    for (const conflict of conflicts) {
      const [service] = conflict.services;
      this.tell([{ service, reason: `it contradicts another service: ${conflictText(conflict)}` }]);
    }
  }

  /** Each warning once. */
  private tell(warnings: readonly ContractWarning[]): void {
    for (const warning of warnings) {
      const text = warningText(warning);
      if (this.told.has(text) || this.told.size >= TOLD_MAX) continue;
      this.told.add(text);
      this.options.logger.warn(`Contracts: ${text}.`);
    }
  }
}

export function warningText({ service, entityType, message, reason }: ContractWarning): string {
  const what = message === undefined ? entityType : `${entityType ?? ''}/${message}`;
  return `service ${service}${what === undefined ? '' : `, ${what}`}: ${reason}`;
}

/** Whether two readings say the same. Records are compared by what they are, since those that end leave the token as it is. */
function isSame(one: RegistryReading, other: RegistryReading): boolean {
  if (one.token !== other.token || one.records.length !== other.records.length) return false;
  if (one.warnings.length !== other.warnings.length) return false;
  return one.records.every(({ incarnation }, index) => incarnation === other.records[index]?.incarnation);
}
