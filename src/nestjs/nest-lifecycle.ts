/**
 * Ties the node's life to the application's.
 *
 * Order is all that matters here. Nest calls the hooks of modules sorted by their distance from the root: the farthest
 * first when it starts, the nearest first when it ends, and a global module counts as infinitely far. Left like that,
 * handlers would start before the modules that they need have started, and would still run after those have closed their
 * connections. So this module puts itself nearest of all: it opens and starts last, and it drains first, in
 * `onModuleDestroy`, which is the first hook of a shutdown. The distance is read once, before the first hook, and has a
 * public setter in Nest 11 and 12.
 */
import { resolve } from 'node:path';
import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { AtomicQueuesNode } from '../bus/node.js';
import type { StopReport } from '../entity/shutdown.js';
import type { Logger } from '../runtime/logger.js';
import type { TimerHandle } from '../runtime/timers.js';
import { NestActors } from './nest-actors.js';
import { nestLogger } from './nest-logger.js';

/**
 * Milliseconds after bootstrap until a missing listener for SIGTERM is reported: `createApplicationContext` bootstraps
 * before its caller can call `enableShutdownHooks`.
 */
const SIGNAL_CHECK_DELAY_MS = 1_000;
/** Abandoned messages that the log names one by one. */
const NAMED_MAX = 10;

@Injectable()
export class NestLifecycle implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger: Logger;
  private signalCheck: TimerHandle | undefined;
  private stopped: Promise<void> | undefined;

  constructor(
    @Inject(AtomicQueuesNode) private readonly node: AtomicQueuesNode,
    @Inject(NestActors) private readonly actors: NestActors,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    this.logger = nestLogger(node.config.verbose);
    for (const module of modules.values()) if (module.providers.has(NestLifecycle)) module.distance = -1;
  }

  async onModuleInit(): Promise<void> {
    await this.orStop(this.node.open().then(() => this.actors.prepare()));
  }

  async onApplicationBootstrap(): Promise<void> {
    const { interrupted, putBack, pending } = await this.orStop(this.node.start());
    const { wal, store } = this.node.config;
    if (wal.enabled) this.logger.info(`The store is ${resolve(store.path)}.`);
    if (interrupted + putBack + pending > 0) {
      this.logger.info(
        `Started with ${pending} pending messages from before; ${interrupted} were interrupted, ${putBack} are tried again.`,
      );
    }
    if (interrupted > 0) {
      this.logger.warn(
        `${interrupted} messages were running when the process before this one ended. They may or may not have been ` +
          `carried out: npx atomic-queues dlq list --path ${store.path} --reason interrupted`,
      );
    }
    const { timers } = this.node.runtime;
    if (!listensForSigterm()) {
      this.signalCheck = timers.set(() => {
        if (!listensForSigterm()) this.logger.warn(NO_SHUTDOWN_HOOKS);
      }, SIGNAL_CHECK_DELAY_MS);
    }
  }

  onModuleDestroy(): Promise<void> {
    this.stopped ??= this.stop();
    return this.stopped;
  }

  private async stop(): Promise<void> {
    if (this.signalCheck !== undefined) this.node.runtime.timers.clear(this.signalCheck);
    this.report(await this.node.stop());
  }

  /** A start that failed must not keep the store: Nest calls no further hooks then. */
  private async orStop<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      await this.node.stop().catch((failure: unknown) => {
        this.logger.error('Closing the store after a failed start did not work.', failure);
      });
      throw error;
    }
  }

  private report({ drained, abandoned, pending }: StopReport): void {
    const { wal, shutdownTimeout } = this.node.config;
    this.logger.debug(`Stopped: ${drained} running handlers ended in time.`);
    if (abandoned.length > 0) {
      const named = abandoned
        .slice(0, NAMED_MAX)
        .map((each) => `${each.name} of ${each.entityType} "${each.entityId}"`);
      const more = abandoned.length > NAMED_MAX ? ` and ${abandoned.length - NAMED_MAX} more` : '';
      this.logger.warn(
        `${abandoned.length} handlers had not ended ${shutdownTimeout} ms (shutdownTimeout) after the shutdown began; ` +
          `their messages count as interrupted: ${named.join(', ')}${more}.`,
      );
    }
    if (pending === 0) return;
    if (wal.enabled) this.logger.info(`${pending} messages stay in the store and run after the next start.`);
    else this.logger.warn(`${pending} messages that had not ended are gone: wal.enabled is false.`);
  }
}

const NO_SHUTDOWN_HOOKS =
  'Nothing in this process listens for SIGTERM, so it would end without letting running handlers finish; their messages ' +
  'would count as interrupted. Call app.enableShutdownHooks() after creating the application.';

/**
 * Whoever listens for SIGTERM is taken to have thought of the end: Nest once its shutdown hooks are enabled, or the
 * application itself. Nest does not tell which signals it listens for.
 */
function listensForSigterm(): boolean {
  return process.listenerCount('SIGTERM') > 0;
}
