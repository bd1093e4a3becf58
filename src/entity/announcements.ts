/**
 * Lifecycle events made of items. Each is one object literal: with a spread, making these events cost more than storing
 * the message (4 µs each, measured).
 */
import type { ErrorDescription } from '../message/envelope.js';
import type { Clock } from '../runtime/clock.js';
import type { TypedEvents } from '../runtime/typed-events.js';
import type { FinalState } from '../wal/transition.js';
import type { Item } from './item.js';
import type { LifecycleEvents } from './lifecycle-events.js';

export class Announcements {
  constructor(
    private readonly events: TypedEvents<LifecycleEvents>,
    private readonly clock: Clock,
  ) {}

  accepted(item: Item): void {
    if (!this.events.wants('accepted')) return;
    const { id, kind, name, worker } = item;
    const { entityType, entityId } = worker;
    this.events.emit('accepted', { id, kind, entityType, entityId, name, at: item.enqueuedAt });
  }

  started(item: Item): void {
    if (!this.events.wants('started')) return;
    const { id, kind, name, worker, attempt } = item;
    const { entityType, entityId } = worker;
    const fencingToken = item.active?.fencingToken ?? '';
    this.events.emit('started', { id, kind, entityType, entityId, name, attempt, fencingToken, at: this.clock.now() });
  }

  settled(item: Item, ok: boolean): void {
    if (!this.events.wants('settled')) return;
    const { id, kind, name, worker, attempt } = item;
    const { entityType, entityId } = worker;
    const durationMs = this.clock.monotonic() - item.startedAt;
    this.events.emit('settled', { id, kind, entityType, entityId, name, attempt, ok, durationMs });
  }

  tookBack(item: Item): void {
    if (!this.events.wants('tookBack')) return;
    const { id, kind, name, worker, attempt } = item;
    const { entityType, entityId } = worker;
    this.events.emit('tookBack', { id, kind, entityType, entityId, name, attempt });
  }

  retried(item: Item, notBefore: number, error: ErrorDescription): void {
    if (!this.events.wants('retried')) return;
    const { id, kind, name, worker, attempt } = item;
    const { entityType, entityId } = worker;
    this.events.emit('retried', { id, kind, entityType, entityId, name, attempt, notBefore, error });
  }

  ended(item: Item, state: FinalState): void {
    if (!this.events.wants('ended')) return;
    const { id, kind, name, worker, attempt, error } = item;
    const { entityType, entityId } = worker;
    this.events.emit('ended', { id, kind, entityType, entityId, name, state, attempt, at: this.clock.now(), error });
  }

  blocked(item: Item, error: ErrorDescription): void {
    if (!this.events.wants('blocked')) return;
    const { id, kind, name, worker, attempt } = item;
    const { entityType, entityId } = worker;
    this.events.emit('blocked', { id, kind, entityType, entityId, name, attempt, at: this.clock.now(), error });
  }

  stuck(item: Item, runningMs: number): void {
    const { id, kind, name, worker, attempt } = item;
    const { entityType, entityId } = worker;
    this.events.emit('stuck', { id, kind, entityType, entityId, name, attempt, runningMs });
  }
}
