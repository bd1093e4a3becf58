/** Injection tokens of the module. Classes are their own tokens; these stand for what has no class. */

/** What the user configured, before defaults and before what `@WorkerProcessor` adds. */
export const ATOMIC_QUEUES_CONFIG = Symbol.for('atomic-queues.config');

/** Clocks, timers, chance and ids. Override it in a test to run an application on a virtual clock. */
export const ATOMIC_QUEUES_RUNTIME = Symbol.for('atomic-queues.runtime');

/** Whether guards, interceptors, pipes and filters of the whole application run for messages. */
export const ATOMIC_QUEUES_GLOBAL_ENHANCERS = Symbol.for('atomic-queues.global-enhancers');
