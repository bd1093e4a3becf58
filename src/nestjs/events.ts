/** The lifecycle events of the node, for injection. */
import type { LifecycleEvents } from '../entity/lifecycle-events.js';
import { TypedEvents } from '../runtime/typed-events.js';

/** Injects as the node's own emitter: `events.on('ended', (event) => …)`. */
export abstract class AtomicQueuesEvents extends TypedEvents<LifecycleEvents> {}
