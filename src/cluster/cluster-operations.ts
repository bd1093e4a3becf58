/**
 * What operators and callers do to messages, wherever in the cluster those are: each is done by the owner of the shard,
 * here or on another node. What names a message only by its id is looked for in every shard.
 */
import type { MessageOperations } from '../entity/engine.js';
import type { MessageStatus } from '../entity/operations.js';
import { entityKey } from '../message/entity-key.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { Runtime } from '../runtime/runtime.js';
import type { SharedWal } from '../wal/shared-wal.js';
import type { OfferedTransition } from '../wal/wal.js';
import type { OfferPlace } from './offer-sender.js';
import { OfferedCancels } from './offered-cancels.js';
import { findStatus } from './remote-waits.js';
import { perform } from './request-desk.js';
import type { Requests } from './requests.js';
import type { Routes } from './routes.js';
import type { Tenure } from './tenure.js';
import type { OperationResult, ShardOperation } from './transport/transport.js';

export interface ClusterOperationsOptions {
  readonly wal: SharedWal;
  readonly routes: () => Routes;
  readonly runtime: Runtime;
  readonly requests: Requests;
  /** Puts a wish into the shard's inbox; resolves when it is durable. */
  readonly offer: (shard: number, transition: OfferedTransition) => Promise<OfferPlace>;
  readonly address: string;
  readonly serving: (shard: number) => Tenure | undefined;
  readonly tenures: () => readonly Tenure[];
  /** How long another node may take to answer, milliseconds. */
  readonly timeoutMs: number;
}

export class ClusterOperations implements MessageOperations {
  private readonly cancels: OfferedCancels;

  constructor(private readonly options: ClusterOperationsOptions) {
    this.cancels = new OfferedCancels(options);
  }

  /** Whoever still waits for the outcome of a wish hears that it is not known. */
  stop(): void {
    this.cancels.stop();
  }

  async status(id: string): Promise<MessageStatus> {
    const found = await this.find(id);
    if (found !== undefined) {
      const { isOffered: _internal, ...status } = found.record;
      return status;
    }
    for (const tenure of this.options.tenures()) {
      const state = tenure.owner.verdicts.recent.find(id);
      if (state !== undefined) return { id, state };
    }
    return { id, state: 'unknown' };
  }

  async cancel(id: string): Promise<boolean> {
    const found = await this.find(id);
    if (found === undefined || found.record.state !== 'enqueued') return false;
    // Nobody can withdraw what is not taken in yet; a wish that is offered now comes right after it.
    if (found.record.isOffered === true) return this.cancels.cancel(found.shard, id);
    return (await this.do(found.shard, { type: 'cancel', messageId: id })) === true;
  }

  async setPaused(paused: boolean, entityType: string, entityId?: string): Promise<void> {
    const type = paused ? 'pause' : 'resume';
    await this.each(entityType, entityId, { type, entityType, entityId });
  }

  async purge(entityType: string, entityId?: string): Promise<number> {
    const counts = await this.each(entityType, entityId, { type: 'purge', entityType, entityId });
    return counts.reduce<number>((sum, count) => sum + Number(count), 0);
  }

  async replay(id: string, known?: number): Promise<string | undefined> {
    const shard = known ?? (await this.shardOfLetter(id));
    if (shard === undefined) return undefined;
    const newId = await this.do(shard, { type: 'replay', messageId: id });
    return typeof newId === 'string' ? newId : undefined;
  }

  async purgeDeadLetter(id: string, known?: number): Promise<boolean> {
    const shard = known ?? (await this.shardOfLetter(id));
    return shard !== undefined && (await this.do(shard, { type: 'purge-letter', messageId: id })) === true;
  }

  unblock(id: string): Promise<boolean> {
    return this.withBlocked(id, 'unblock');
  }

  skip(id: string): Promise<boolean> {
    return this.withBlocked(id, 'skip');
  }

  release(id: string): boolean {
    return this.options.tenures().some((tenure) => tenure.serves && tenure.operations.release(id));
  }

  private async withBlocked(id: string, type: 'unblock' | 'skip'): Promise<boolean> {
    const found = await this.find(id);
    if (found === undefined || found.record.state !== 'blocked') return false;
    return (await this.do(found.shard, { type, messageId: id })) === true;
  }

  private find(id: string): ReturnType<typeof findStatus> {
    return findStatus(this.options.wal, this.options.routes().allShards(), id);
  }

  private async shardOfLetter(id: string): Promise<number | undefined> {
    const { wal, routes } = this.options;
    const shards = routes().allShards();
    const letters = await Promise.all(shards.map((shard) => wal.deadLetter(shard, id)));
    return shards[letters.findIndex((letter) => letter !== undefined)];
  }

  private async each(
    entityType: string,
    entityId: string | undefined,
    operation: ShardOperation,
  ): Promise<readonly OperationResult[]> {
    const routes = this.options.routes();
    const binding = routes.bindingOf(entityType);
    if (binding === undefined) {
      // Done in silence it would seem to have worked, and the type's first node would know nothing of it.
      throw new AtomicQueuesError(
        'UNKNOWN_ENTITY_TYPE',
        `No node of the cluster has ever had handlers for entity type "${entityType}", as far as this node knows: there is no line to ${operation.type}.`,
        { subject: { entityType, ...(entityId !== undefined && { entityId }) } },
      );
    }
    const one = entityId === undefined ? undefined : routes.shardOf(entityType, entityKey(entityType, entityId));
    const shards = one === undefined ? routes.shardsOf(binding.index) : [one];
    return Promise.all(shards.map((shard) => this.do(shard, operation)));
  }

  private async do(shard: number, operation: ShardOperation): Promise<OperationResult> {
    const tenure = this.options.serving(shard);
    if (tenure !== undefined) return perform(tenure, operation);
    const { runtime, requests, address, timeoutMs } = this.options;
    return new Promise<OperationResult>((resolve, reject) => {
      let isOpen = true;
      const timer = runtime.timers.set(() => {
        isOpen = false;
        reject(
          new AtomicQueuesError(
            'INDETERMINATE',
            `No owner of shard ${shard} has answered to "${operation.type}" within ${timeoutMs} ms; whether it was done is not known. Ask again when a node of the service group is up.`,
            { retryable: true },
          ),
        );
      }, timeoutMs);
      requests.send(
        { type: 'operate', id: runtime.freshId(), replyTo: address, shard, operation },
        (answer) => {
          isOpen = false;
          runtime.timers.clear(timer);
          resolve(answer.type === 'operated' ? answer.result : null);
        },
        () => isOpen,
        () => {
          isOpen = false;
          runtime.timers.clear(timer);
          reject(
            new AtomicQueuesError(
              'INDETERMINATE',
              `This node has stopped before the owner of shard ${shard} answered to "${operation.type}"; whether it was done is not known.`,
              { retryable: false },
            ),
          );
        },
      );
    });
  }
}
