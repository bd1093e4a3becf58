/** What a node has announced so far, in order, for tests that ask afterwards what happened. Owns its list only. */
import type { LifecycleEvents } from '../entity/lifecycle-events.js';
import type { TypedEvents } from '../runtime/typed-events.js';

/** One lifecycle event with its name as `type`. */
export type AppEvent = {
  readonly [K in keyof LifecycleEvents]: { readonly type: K } & LifecycleEvents[K];
}[keyof LifecycleEvents];

/** All of them but `committed` and `idle`, which say nothing about messages. */
const RECORDED = [
  'accepted',
  'rejected',
  'started',
  'settled',
  'retried',
  'blocked',
  'unblocked',
  'ended',
  'stuck',
  'workerSpawned',
  'workerRemoved',
  'actorWoken',
  'actorPassivated',
  'parked',
  'degraded',
  'recovered',
  'deadLettersFull',
  'fatal',
] as const satisfies readonly (keyof LifecycleEvents)[];

export class EventLog {
  readonly events: AppEvent[] = [];

  constructor(source: TypedEvents<LifecycleEvents>) {
    for (const type of RECORDED) source.on(type, (event) => void this.events.push({ type, ...event } as AppEvent));
  }

  /** The events of one name, oldest first. */
  of<K extends AppEvent['type']>(type: K): Extract<AppEvent, { readonly type: K }>[] {
    return this.events.filter((event): event is Extract<AppEvent, { readonly type: K }> => event.type === type);
  }
}
