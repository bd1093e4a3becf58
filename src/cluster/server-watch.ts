/** Whether the store's server answers, told to people and listeners when it changes. */
import type { LifecycleEvents } from '../entity/lifecycle-events.js';
import type { ResolvedCluster } from '../runtime/config-cluster.js';
import type { Logger } from '../runtime/logger.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TypedEvents } from '../runtime/typed-events.js';
import { NodeHealth } from './node-health.js';

export interface ServerWatchOptions {
  readonly runtime: Runtime;
  readonly cluster: ResolvedCluster;
  /** Resolves when the server answers. Undefined: nobody asks, and it always does. */
  readonly ping: (() => Promise<unknown>) | undefined;
  readonly events: TypedEvents<LifecycleEvents>;
  readonly logger: Logger;
  readonly degraded: () => void;
  readonly recovered: () => void;
}

export class ServerWatch {
  private readonly health: NodeHealth | undefined;
  private since = 0;

  constructor(private readonly options: ServerWatchOptions) {
    const { runtime, cluster, ping } = options;
    if (ping === undefined) return;
    this.health = new NodeHealth({
      timers: runtime.timers,
      ping,
      checkEveryMs: cluster.redisHealthCheckMs,
      failureThreshold: cluster.redisHealthFailureThreshold,
    });
    this.health.events.on('degraded', ({ failures, cause }) => this.degraded(failures, cause));
    this.health.events.on('recovered', () => this.recovered());
  }

  get isDegraded(): boolean {
    return this.health?.degraded === true;
  }

  start(): void {
    this.health?.start();
  }

  stop(): void {
    this.health?.stop();
  }

  private degraded(failures: number, cause: unknown): void {
    const { runtime, events, logger, degraded } = this.options;
    this.since = runtime.clock.monotonic();
    const reason = `Redis has not answered ${failures} times in a row: ${cause instanceof Error ? cause.message : String(cause)}`;
    logger.error(`${reason} New messages are refused until it does.`);
    degraded();
    events.emit('degraded', { reason });
  }

  private recovered(): void {
    const { runtime, events, logger, recovered } = this.options;
    const degradedMs = runtime.clock.monotonic() - this.since;
    logger.info(`Redis answers again after ${Math.round(degradedMs)} ms.`);
    events.emit('recovered', { degradedMs });
    recovered();
  }
}
