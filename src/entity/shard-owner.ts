/**
 * The owner of one shard on this node: it brings the WAL, the workers and the executor together. It is the workers' host
 * and the listener of the shard's group commit; the order of messages is the workers' business, durability the store's.
 *
 * Owns: the shard's group commit, worker directory, executor, delayed messages, deadlines, and its timers for polling
 * offers and cleaning up. `open` and `close` are its life; the constructor does no I/O.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { decodeReply, encodeReply } from '../message/codec.js';
import { type EntityKey, entityKey, splitEntityKey } from '../message/entity-key.js';
import type { ErrorDescription } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { MessageRegistry } from '../message/message-registry.js';
import type { ResolvedConfig, ResolvedEntityOptions } from '../runtime/config.js';
import { type Deadline, Deadlines } from '../runtime/deadlines.js';
import type { Logger } from '../runtime/logger.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TimerHandle } from '../runtime/timers.js';
import type { TypedEvents } from '../runtime/typed-events.js';
import { GroupCommit, type GroupCommitEvents, type Participant } from '../wal/group-commit.js';
import type { FinalState, Outcome, StoredMessage, Transition } from '../wal/transition.js';
import type { CommitAnswer, MessageHead, OpenedShard, StoreUnavailableError, TakenOffer, Wal } from '../wal/wal.js';
import { Announcements } from './announcements.js';
import { DelayedMessages } from './delayed-messages.js';
import { Door } from './door.js';
import { EntityWorker, type WorkerHost } from './entity-worker.js';
import { Executor } from './executor.js';
import type { HandlerTable } from './handler-table.js';
import { Item } from './item.js';
import type { LifecycleEvents, MessageSubject } from './lifecycle-events.js';
import { RunningSlots } from './running-slots.js';
import { Verdicts } from './verdicts.js';
import { WorkerDirectory } from './worker-directory.js';

export interface ShardOwnerOptions {
  readonly runtime: Runtime;
  readonly wal: Wal;
  readonly shard: number;
  readonly config: ResolvedConfig;
  readonly handlers: HandlerTable;
  readonly registry: MessageRegistry;
  readonly events: TypedEvents<LifecycleEvents>;
  readonly logger: Logger;
}

/** How often an idle owner looks for offers from other processes, milliseconds. */
const OFFER_POLL_MS = 100;
/** Verdicts forgotten in one go; more go in the next turns of the event loop. */
const CLEANUP_BATCH = 500;
/** A handler without a time limit is reported as stuck after this long, milliseconds. */
const STUCK_AFTER_MS = 30_000;
/** How often running handlers are looked at for that, milliseconds. */
const STUCK_SWEEP_MS = 1_000;

/** `recovering`: the shard is open, and what the last owner left is being given its place; nothing new comes in yet. */
export type OwnerPhase = 'closed' | 'recovering' | 'accepting' | 'running' | 'draining' | 'lost';

export class ShardOwner implements WorkerHost, GroupCommitEvents {
  readonly directory: WorkerDirectory;
  readonly door: Door;
  readonly deadlines: Deadlines;
  readonly verdicts: Verdicts;
  private readonly announce: Announcements;
  readonly delayedMessages: DelayedMessages;
  readonly unusual = new Map<number, MessageHead>();
  readonly pausedTypes = new Set<string>();
  readonly pausedEntities = new Set<EntityKey>();
  readonly slots: RunningSlots;
  phase: OwnerPhase = 'closed';
  opened: OpenedShard | undefined;
  /** Recovered messages that are in the store only and not in any line yet: new work waits for them (M-limits). */
  catchingUp = false;
  lostWith: Error | undefined;
  private groupCommit: GroupCommit | undefined;
  private currentExecutor: Executor | undefined;
  private residentBytes = 0;
  private offersLeft = false;
  /** The number of the next plain id; the store's next place whenever no append is under way. */
  private plainIds = 0;
  private nextSeq = 0;
  private appendsUnderWay = 0;
  private otherIds = 0;
  private idPrefix = '';
  private readonly timerHandles = new Map<string, TimerHandle>();
  private readonly rootContext = AsyncLocalStorage.snapshot();
  private readonly typeOptions = new Map<string, ResolvedEntityOptions>();

  constructor(readonly options: ShardOwnerOptions) {
    const { runtime, config } = options;
    this.deadlines = new Deadlines(runtime.clock, runtime.timers);
    this.announce = new Announcements(options.events, () => runtime.clock.now());
    this.slots = new RunningSlots(config.maxRunningHandlers);
    this.verdicts = new Verdicts((text) => decodeReply(text, config));
    this.directory = new WorkerDirectory({
      clock: runtime.clock,
      timers: runtime.timers,
      workersMax: config.maxTotalWorkers,
      make: (key) => this.makeWorker(key),
      isStartable: (key, place) => {
        const head = this.unusual.get(place);
        if (head !== undefined && options.handlers.find(head.entityType, head.name) === undefined) return false;
        return !this.isPaused(key, splitEntityKey(key).entityType);
      },
      idleTimeoutMs: (worker) => this.typeOf(worker.entityType).workerIdleTimeout,
      spawned: ({ entityType, entityId }) => this.events.emit('workerSpawned', { entityType, entityId }),
      removed: ({ entityType, entityId }, reason) =>
        this.events.emit('workerRemoved', { entityType, entityId, reason }),
    });
    this.door = new Door(
      {
        depthMax: config.maxTotalQueueDepth,
        workersMax: config.maxTotalWorkers,
        workerDepthMax: (type) => this.typeOf(type).workerMaxQueueDepth,
        deadLettersMax: (type) => this.typeOf(type).deadLettersMax,
      },
      this.directory,
      (key) => this.directory.depthOf(key),
    );
    this.delayedMessages = new DelayedMessages({
      clock: runtime.clock,
      timers: runtime.timers,
      due: (now, limit) => options.wal.due(options.shard, now, limit),
      commit: (transition, participant) => this.add(transition, participant),
      queued: (message, item) => this.enterLine(message, item),
      expired: (message, item) => this.endOutOfLine(message, 'expired', item),
      failed: (error) => options.logger.error('Looking for delayed messages failed; it is tried again.', error),
    });
  }

  get events(): TypedEvents<LifecycleEvents> {
    return this.options.events;
  }

  get commits(): GroupCommit {
    if (this.groupCommit === undefined) throw new Error('The shard is not open.');
    return this.groupCommit;
  }

  get executor(): Executor {
    if (this.currentExecutor === undefined) throw new Error('The shard is not open.');
    return this.currentExecutor;
  }

  /** Nothing is pending in memory, running, or on its way to the store. */
  get isIdle(): boolean {
    return (
      (this.groupCommit?.idle ?? true) &&
      (this.currentExecutor?.isIdle ?? true) &&
      !this.delayedMessages.isPromoting &&
      this.directory.active === 0 &&
      this.directory.backlogEntities === 0
    );
  }

  /** Becomes the shard's owner. New messages come in after `accept` only, behind what is found in the store (I4). */
  async open(): Promise<OpenedShard> {
    const { wal, shard, runtime } = this.options;
    const incarnation = runtime.freshId();
    const opened = await wal.open(shard, incarnation);
    this.opened = opened;
    this.idPrefix = `${wal.description.clusterId.slice(0, 8)}-${opened.epoch.toString(36)}`;
    this.plainIds = opened.nextSeq;
    this.groupCommit = new GroupCommit({
      wal,
      clock: runtime.clock,
      timers: runtime.timers,
      shard,
      epoch: opened.epoch,
      incarnation,
      events: this,
      detached: this.detached,
    });
    this.currentExecutor = this.makeExecutor(opened.epoch);
    for (const [type, count] of Object.entries(opened.deadLettersByType)) this.door.deadLettersByType.set(type, count);
    for (const { entityType, entityId } of opened.paused) this.markPaused(entityType, entityId, true);
    this.releaseShard = () => wal.release(shard, opened.epoch, incarnation);
    this.cleanUp = () => wal.cleanup(shard, opened.epoch, incarnation, CLEANUP_BATCH);
    this.phase = 'recovering';
    return opened;
  }

  /** Lets new messages in: everything that was in line has its place. None starts before `run`. */
  accept(): void {
    if (this.phase === 'recovering') this.phase = 'accepting';
  }

  /** Starts starting messages. */
  run(): void {
    if (this.phase !== 'accepting') return;
    this.phase = 'running';
    this.delayedMessages.start(this.opened?.nextDueAt);
    this.every('poll', OFFER_POLL_MS, () => this.commits.poll());
    this.every('cleanup', this.options.config.wal.cleanupInterval, () => void this.cleanUpOften());
    this.every('stuck', STUCK_SWEEP_MS, () => this.findStuck());
    for (const worker of [...this.directory.all()]) worker.advance();
    this.feedBacklog();
  }

  /** Ends all timers; with `clean`, gives the shard up so that the next owner finds nothing half done. */
  async close(clean: boolean): Promise<void> {
    for (const handle of this.timerHandles.values()) this.options.runtime.timers.clear(handle);
    this.timerHandles.clear();
    this.delayedMessages.stop();
    this.deadlines.stop();
    this.directory.stop();
    if (clean && this.phase !== 'lost' && this.phase !== 'closed') await this.releaseShard();
    this.phase = 'closed';
  }

  // What submissions and operations need.

  typeOf(entityType: string): ResolvedEntityOptions {
    let options = this.typeOptions.get(entityType);
    if (options === undefined) {
      options = this.options.config.entityType(entityType);
      this.typeOptions.set(entityType, options);
    }
    return options;
  }

  /**
   * A fresh id. Those of plain messages carry a number that the store will most likely give them as their place, which
   * lets it find them by id without an index.
   */
  nextId(isPlain: boolean): string {
    if (isPlain) {
      if (this.appendsUnderWay === 0) this.plainIds = Math.max(this.plainIds, this.nextSeq);
      this.plainIds += 1;
      return `${this.idPrefix}-${(this.plainIds - 1).toString(36)}`;
    }
    this.otherIds += 1;
    return `${this.idPrefix}-x.${this.otherIds.toString(36)}`;
  }

  add(transition: Transition, participant: Participant): void {
    this.commits.add(transition, participant);
  }

  isPaused(key: EntityKey, entityType: string): boolean {
    return this.pausedTypes.has(entityType) || this.pausedEntities.has(key);
  }

  markPaused(entityType: string, entityId: string | undefined, paused: boolean): void {
    if (entityId === undefined) {
      if (paused) this.pausedTypes.add(entityType);
      else this.pausedTypes.delete(entityType);
    } else {
      const key = entityKey(entityType, entityId);
      if (paused) this.pausedEntities.add(key);
      else this.pausedEntities.delete(key);
    }
    for (const worker of [...this.directory.all()]) {
      if (worker.entityType !== entityType) continue;
      worker.paused = this.isPaused(worker.key, entityType);
      worker.advance();
    }
    if (paused) return;
    this.directory.reconsiderHeld();
    this.feedBacklog();
  }

  count(item: Item): void {
    item.counted = true;
    if (item.stage === 'appending') this.appendsUnderWay += 1;
    item.worker.depth += 1;
    this.door.depth += 1;
    this.countPayload(item, item.payload?.length ?? 0);
  }

  /** A message that the store has put in line takes its place here. */
  enterLine(message: StoredMessage, known?: Item): void {
    const worker = this.directory.activate(entityKey(message.entityType, message.entityId));
    const item = new Item(
      worker,
      message.kind,
      false,
      message.id,
      message.name,
      message.payload,
      message.headers,
      message.messageId,
      'waiting',
    );
    item.adopt(message);
    item.seq = message.seq;
    item.attempt = message.attempt;
    item.waiter = known?.waiter;
    item.link = known?.link;
    if (known !== undefined) known.waiter = undefined;
    this.count(item);
    if (item.expiresAt > 0) this.watchExpiry(item);
    worker.line(item);
  }

  /** The store has ended a message that is not in any line here. */
  endOutOfLine(message: StoredMessage, state: FinalState, item?: Item): void {
    this.announceEnd({ ...message }, state, message.attempt, undefined, item?.waiter, undefined);
  }

  /** Gives entities of the backlog their workers while there is room. */
  feedBacklog(): void {
    if (this.phase !== 'running') return;
    for (const worker of this.directory.activateBacklog()) worker.advance();
  }

  get startsMessages(): boolean {
    return this.phase === 'running';
  }

  get slotsContended(): boolean {
    return this.slots.contended;
  }

  now(): number {
    return this.options.runtime.clock.now();
  }

  // The workers' host.

  commit(transition: Transition, item: Item): void {
    this.commits.add(transition, item);
  }

  /** Not an async method: the worker's `run` must not make a promise for each message. */
  takeSlot(worker: EntityWorker): boolean {
    return this.slots.take(worker);
  }

  giveSlotBack(): void {
    this.slots.giveBack();
  }

  setDeadline(target: Deadline, delayMs: number): number {
    return this.deadlines.set(target, delayMs);
  }

  clearDeadline(target: Deadline, key: number): void {
    this.deadlines.clear(target, key);
  }

  unusualHead(seq: number): MessageHead | undefined {
    if (this.unusual.size === 0) return undefined;
    const head = this.unusual.get(seq);
    this.unusual.delete(seq);
    return head;
  }

  handles(item: Item): boolean {
    return item.name === '' || this.options.handlers.find(item.worker.entityType, item.name) !== undefined;
  }

  start(item: Item): void {
    this.executor.run(item);
  }

  accepted(item: Item): void {
    if (!item.isVolatile) this.appendsUnderWay -= 1;
    this.announce.accepted(item);
    const accept = item.accepted;
    item.accepted = undefined;
    item.refuse = undefined;
    accept?.({ id: item.id });
    if (item.expiresAt > 0 && item.stage === 'waiting') this.watchExpiry(item);
    // Past the limit the payload waits in the store; the handler's start brings it back. A volatile query is not there.
    if (
      item.stage === 'waiting' &&
      !item.isVolatile &&
      item.payload !== undefined &&
      this.residentBytes > this.options.config.residentBytesMax
    ) {
      this.countPayload(item, 0);
      item.payload = undefined;
    }
  }

  duplicate(item: Item, outcome: Extract<Outcome, { type: 'duplicate' }>): void {
    this.appendsUnderWay -= 1;
    this.uncount(item);
    item.accepted?.({ id: outcome.id });
    const waiter = item.waiter;
    if (waiter === undefined) return;
    item.waiter = undefined;
    item.id = outcome.id;
    if (outcome.verdict === undefined) this.verdicts.waitFor(outcome.id, waiter);
    else this.verdicts.answer(waiter, this.errorSubject(item), outcome.verdict);
  }

  delayed(item: Item, notBefore: number): void {
    this.uncount(item);
    this.delayedMessages.add(item, notBefore);
  }

  refusedByStore(item: Item, error: Error): void {
    if (item.enqueuedAt === 0) this.appendsUnderWay -= 1;
    this.uncount(item);
    const refusal = this.storeRefusal(error, item);
    item.refuse?.(refusal);
    item.waiter?.fail(refusal);
    item.waiter = undefined;
  }

  retried(item: Item, error: ErrorDescription | undefined, notBefore: number): void {
    item.active = undefined;
    if (error !== undefined) this.announce.retried(item, notBefore, error);
  }

  placeRemoved(worker: EntityWorker): void {
    worker.depth -= 1;
    this.door.depth -= 1;
  }

  ended(item: Item, state: FinalState): void {
    this.uncount(item);
    if (item.waiter !== undefined && item.replyError !== undefined && state === 'completed') {
      item.waiter.fail(item.replyError);
      item.waiter = undefined;
    }
    const { entityType, entityId } = item.worker;
    const needsVerdict = item.waiter !== undefined || this.verdicts.isAwaited(item.id);
    if (item.isVolatile || !(state === 'failed' || state === 'interrupted' || state === 'expired')) {
      // The usual way, without making an object that nobody reads.
      if (needsVerdict)
        this.verdicts.deliver(this.errorSubject(item), { state, reply: item.reply, error: item.error }, item.waiter);
      if (!item.isVolatile) this.verdicts.recent.add(item.id, state);
      this.announce.ended(item, state);
    } else {
      const { id, kind, name } = item;
      this.announceEnd(
        { id, kind, entityType, entityId, name },
        state,
        item.attempt,
        item.error,
        item.waiter,
        item.reply,
      );
    }
    item.waiter = undefined;
    item.active = undefined;
  }

  becameIdle(worker: EntityWorker): void {
    this.directory.becameIdle(worker);
    if (this.directory.backlogEntities > 0) this.feedBacklog();
    this.drained();
  }

  // The group commit's listener.

  answered(answer: CommitAnswer, transitions: number, durationMs: number): void {
    for (const taken of answer.taken) this.takeIn(taken);
    // One commit takes in a bounded number; where there were some there may be more.
    this.offersLeft = answer.taken.length > 0;
    this.nextSeq = answer.nextSeq;
    if (this.events.wants('committed')) {
      this.events.emit('committed', { shard: this.options.shard, transitions, durationMs });
    }
  }

  drained(): void {
    if (this.offersLeft) {
      this.offersLeft = false;
      this.commits.poll();
    }
    if (this.events.wants('idle') && this.isIdle) this.events.emit('idle', { at: this.now() });
  }

  degraded(error: StoreUnavailableError): void {
    this.options.logger.error(
      `The store does not take commits; new messages are refused until it does. ${error.message}`,
    );
    this.events.emit('degraded', { reason: error.message });
  }

  recovered(degradedMs: number): void {
    this.options.logger.info(`The store takes commits again after ${Math.round(degradedMs)} ms.`);
    this.events.emit('recovered', { degradedMs });
  }

  lost(error: Error): void {
    if (this.phase === 'closed' || this.phase === 'lost') return;
    this.phase = 'lost';
    this.lostWith = error;
    const reason = this.storeRefusal(error, undefined);
    for (const item of this.currentExecutor?.running ?? []) item.active?.abort(reason);
    const waiting = [...this.directory.all()].flatMap((worker) => worker.items());
    for (const item of [...waiting, ...this.delayedMessages.items()]) item.waiter?.fail(this.storeRefusal(error, item));
    this.verdicts.failAll(() => reason);
    this.options.logger.error('This node has stopped: it can no longer write to its store.', error);
    this.events.emit('fatal', { error });
  }

  readonly detached = (callback: () => void): void => {
    this.rootContext(callback);
  };

  errorSubject(item: Item): { messageId: string; name: string; entityType: string; entityId: string } {
    const { entityType, entityId } = item.worker;
    return { messageId: item.id, name: item.name, entityType, entityId };
  }

  /** What a caller hears when the store did not take their message. */
  storeRefusal(error: Error, item: Item | undefined): AtomicQueuesError {
    const subject = item === undefined ? undefined : this.errorSubject(item);
    if (this.phase === 'draining' || this.phase === 'closed') {
      return new AtomicQueuesError('SHUTTING_DOWN', 'This node is shutting down; nothing was kept of this call.', {
        subject,
        cause: error,
      });
    }
    const isStale = error.name === 'StaleEpochError';
    return new AtomicQueuesError(
      isStale ? 'STALE_EPOCH' : 'STORE_DEGRADED',
      isStale ? error.message : `The store did not take the commit: ${error.message}`,
      { subject, cause: error },
    );
  }

  private releaseShard: () => Promise<void> = () => Promise.resolve();
  private cleanUp: () => Promise<number> = () => Promise.resolve(0);

  private makeWorker(key: EntityKey): EntityWorker {
    const { entityType, entityId } = splitEntityKey(key);
    const worker = new EntityWorker(key, entityType, entityId, this.typeOf(entityType), this);
    worker.paused = this.isPaused(key, entityType);
    worker.firstRunsAlone = this.opened?.clean === false;
    return worker;
  }

  private makeExecutor(epoch: number): Executor {
    const { runtime, wal, shard, config, handlers, registry } = this.options;
    return new Executor({
      clock: runtime.clock,
      deadlines: this.deadlines,
      epoch,
      findHandler: (item) => handlers.find(item.worker.entityType, item.name),
      decode: (item) => registry.toInstance(item.worker.entityType, item.name, item.payload ?? ''),
      encodeReply: (item, value) => encodeReply(value, config, `Reply of "${item.name}"`),
      handlerTimeoutMs: (item) => this.typeOf(item.worker.entityType).handlerTimeout,
      load: (seqs) => wal.load(shard, seqs),
      loaded: (item) => this.countPayload(item, item.payload?.length ?? 0),
      left: (item) => {
        if (item.active !== undefined) this.slots.handlerEnded(item.active);
      },
      mayStart: () => this.phase === 'running' || this.phase === 'draining',
      detached: this.detached,
      starting: (item) => this.announce.started(item),
      settled: (item, ok, durationMs) => this.announce.settled(item, ok, durationMs),
      stuck: (item, runningMs) => {
        this.options.logger.warn(
          `The handler of "${item.name}" for ${item.worker.entityType} "${item.worker.entityId}" has been running for ${Math.round(runningMs)} ms; its entity waits.`,
        );
        this.announce.stuck(item, runningMs);
      },
      loadFailed: (_items, error) => this.commits.lose(error),
    });
  }

  private announceEnd(
    subject: MessageSubject,
    state: FinalState,
    attempt: number,
    error: ErrorDescription | undefined,
    waiter: Item['waiter'],
    reply: string | undefined,
  ): void {
    const { id, kind, entityType, entityId, name } = subject;
    this.verdicts.deliver({ messageId: id, entityType, entityId, name }, { state, reply, error }, waiter);
    this.verdicts.recent.add(id, state);
    if (state === 'failed' || state === 'interrupted' || state === 'expired') this.countDeadLetter(entityType, 1);
    this.events.emit('ended', { id, kind, entityType, entityId, name, state, attempt, at: this.now(), error });
  }

  countDeadLetter(entityType: string, difference: 1 | -1): void {
    if (!this.door.countDeadLetter(entityType, difference)) return;
    const limit = this.typeOf(entityType).deadLettersMax;
    this.options.logger.error(
      `Entity type "${entityType}" has ${limit} dead letters, its deadLettersMax: new messages of this type are refused until some are replayed or purged.`,
    );
    this.events.emit('deadLettersFull', { entityType, count: limit, limit });
  }

  private uncount(item: Item): void {
    if (!item.counted) return;
    item.counted = false;
    item.worker.depth -= 1;
    this.door.depth -= 1;
    this.countPayload(item, 0);
    item.payload = undefined;
    if (item.expiry !== undefined) this.deadlines.clear(item.expiry, item.expiryKey);
    item.expiry = undefined;
  }

  private countPayload(item: Item, length: number): void {
    this.residentBytes += length - item.residentLength;
    item.residentLength = length;
  }

  watchExpiry(item: Item): void {
    if (item.expiry !== undefined) return;
    item.expiry = {
      deadlinePassed: () => {
        item.expiry = undefined;
        if (item.stage === 'waiting' && this.phase !== 'closed') this.commit({ type: 'expire', seq: item.seq }, item);
      },
    };
    item.expiryKey = this.deadlines.set(item.expiry, Math.max(0, item.expiresAt - this.now()));
  }

  /** Something from outside stands in the store: do here what it means. */
  private takeIn({ offer, outcome, message }: TakenOffer): void {
    const { transition } = offer;
    if (outcome.type === 'cancelled') this.withdrawn(outcome.message);
    else if (transition.type === 'pause' || transition.type === 'resume') {
      this.markPaused(transition.entityType, transition.entityId, transition.type === 'pause');
    } else if (outcome.type === 'delayed') this.delayedMessages.dueAt(outcome.notBefore);
    else if (message !== undefined) {
      if (transition.type === 'replay') this.countDeadLetter(message.entityType, -1);
      this.enterLine(message);
    } else if (outcome.type === 'expired') this.endOutOfLine(outcome.message, 'expired');
    else if (outcome.type === 'purged') this.countDeadLetter(outcome.entityType, -1);
  }

  /** A waiting or delayed message was withdrawn in the store. */
  withdrawn(message: StoredMessage): void {
    const key = entityKey(message.entityType, message.entityId);
    const delayed = this.delayedMessages.takeOut(message.id);
    if (delayed !== undefined || message.seq === 0) {
      this.endOutOfLine(message, 'cancelled', delayed);
      return;
    }
    const worker = this.directory.find(key);
    const item = worker?.takeOut(message.seq);
    if (worker !== undefined && item !== undefined) {
      item.adopt(message);
      worker.endTakenOut(item, 'cancelled');
    } else {
      this.unusual.delete(message.seq);
      if (worker === undefined && this.directory.removeFromBacklog(key, message.seq)) this.door.depth -= 1;
      this.endOutOfLine(message, 'cancelled');
    }
  }

  /** Withdraws a message if it has not started; nobody waits for the answer. */
  cancelQuietly(id: string): void {
    this.add(
      { type: 'cancel', id },
      {
        committed: (outcome) => {
          if (outcome.type === 'cancelled') this.withdrawn(outcome.message);
        },
        refused: () => {},
      },
    );
  }

  private findStuck(): void {
    if (this.executor.running.size === 0) return;
    const now = this.options.runtime.clock.monotonic();
    for (const item of this.executor.running)
      if (now - item.startedAt >= STUCK_AFTER_MS) this.executor.reportStuck(item);
  }

  private async cleanUpOften(): Promise<void> {
    try {
      while (this.phase === 'running' && (await this.cleanUp()) >= CLEANUP_BATCH) {
        await new Promise<void>((resolve) => this.options.runtime.timers.defer(resolve));
      }
    } catch (error) {
      this.options.logger.error('Cleaning up the store failed; it is tried again.', error);
    }
  }

  /** A repeating timer; the next turn is set only when the last one is done. */
  private every(name: string, delayMs: number, callback: () => void): void {
    const { timers } = this.options.runtime;
    const tick = (): void => {
      callback();
      if (this.phase === 'running' || this.phase === 'draining') this.timerHandles.set(name, timers.set(tick, delayMs));
    };
    this.timerHandles.set(name, timers.set(tick, delayMs));
  }
}
