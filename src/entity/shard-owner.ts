/**
 * The owner of one shard on this node: it brings the WAL, the workers and the executor together, and listens to the shard's
 * group commit. The order of messages is the workers' business, durability the store's.
 *
 * Owns: the shard's group commit, worker directory, executor, delayed messages, deadlines, and its timers for polling
 * offers and cleaning up. `open` and `close` are its life; the constructor does no I/O.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { decodeReply } from '../message/codec.js';
import { type EntityKey, splitEntityKey } from '../message/entity-key.js';
import type { AtomicQueuesError } from '../message/errors.js';
import type { MessageRegistry } from '../message/message-registry.js';
import type { ResolvedConfig, ResolvedEntityOptions } from '../runtime/config.js';
import { Deadlines } from '../runtime/deadlines.js';
import type { Logger } from '../runtime/logger.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TypedEvents } from '../runtime/typed-events.js';
import { GroupCommit, type GroupCommitEvents, type Participant } from '../wal/group-commit.js';
import { ownerIdPrefix } from '../wal/owner-ids.js';
import type { Transition } from '../wal/transition.js';
import type { CommitAnswer, CommitRequest, MessageHead, OpenedShard, StoreUnavailableError, Wal } from '../wal/wal.js';
import { Announcements } from './announcements.js';
import { BlockedHeads } from './blocked-heads.js';
import { CatchUp } from './catch-up.js';
import type { ClusterHooks } from './cluster-hooks.js';
import type { DelayedMessages } from './delayed-messages.js';
import type { Door } from './door.js';
import type { Endings } from './endings.js';
import { EntityWorker, UNCOMMITTED_RUNS_MAX } from './entity-worker.js';
import type { Executor } from './executor.js';
import type { HandlerTable } from './handler-table.js';
import { Housekeeping } from './housekeeping.js';
import { Intake } from './intake.js';
import type { Item } from './item.js';
import type { ItemAccounts } from './item-accounts.js';
import type { LifecycleEvents } from './lifecycle-events.js';
import { LineHost } from './line-host.js';
import { MessageIds } from './message-ids.js';
import { NodeShare } from './node-share.js';
import type { Outbox } from './outbox.js';
import { Pauses } from './pauses.js';
import { notAccepted, verdictUnknown } from './refusals.js';
import type { RunningSlots } from './running-slots.js';
import type { ShardActors } from './shard-actors.js';
import { makeExecutor } from './shard-executor.js';
import {
  makeAccounts,
  makeActors,
  makeDelayedMessages,
  makeDirectory,
  makeDoor,
  makeEndings,
  makeOutbox,
} from './shard-parts.js';
import { StoreClock } from './store-clock.js';
import { UnmarkedRuns } from './unmarked-runs.js';
import { Verdicts } from './verdicts.js';
import { leaveWaits } from './waits.js';
import type { WorkerDirectory } from './worker-directory.js';

export interface ShardOwnerOptions {
  readonly runtime: Runtime;
  readonly wal: Wal;
  readonly shard: number;
  readonly config: ResolvedConfig;
  readonly handlers: HandlerTable;
  readonly registry: MessageRegistry;
  readonly events: TypedEvents<LifecycleEvents>;
  readonly logger: Logger;
  /** What the shards of a node share. Default: of its own. */
  readonly share?: NodeShare | undefined;
  /** Absent: the node is alone. */
  readonly cluster?: ClusterHooks | undefined;
}

/** `recovering`: the shard is open, and what the last owner left is being given its place; nothing new comes in yet. */
export type OwnerPhase = 'closed' | 'recovering' | 'accepting' | 'running' | 'draining' | 'lost';

/** What there is while the shard is open. */
interface Life {
  readonly opened: OpenedShard;
  readonly incarnation: string;
  readonly commits: GroupCommit;
  readonly executor: Executor;
  readonly ids: MessageIds;
  readonly housekeeping: Housekeeping;
}

export class ShardOwner implements GroupCommitEvents {
  readonly directory: WorkerDirectory;
  readonly door: Door;
  readonly deadlines: Deadlines;
  readonly verdicts: Verdicts;
  readonly endings: Endings;
  readonly accounts: ItemAccounts;
  readonly delayedMessages: DelayedMessages;
  /** What handlers here send with their completions, on its way to other shards. */
  readonly outbox: Outbox;
  readonly actors: ShardActors;
  readonly unmarkedRuns = new UnmarkedRuns();
  readonly intake = new Intake(this);
  readonly pauses = new Pauses();
  readonly share: NodeShare;
  readonly slots: RunningSlots;
  /** Heads of messages that are in memory as a place only and are not usual: backing off, expiring, parked. */
  readonly unusual = new Map<number, MessageHead>();
  phase: OwnerPhase = 'closed';
  readonly catchUp = new CatchUp(this);
  readonly blockedHeads = new BlockedHeads(this);
  lostWith: Error | undefined;
  readonly announce: Announcements;
  private readonly lineHost = new LineHost(this);
  private life: Life | undefined;
  private offersLeft = false;
  private readonly storeClock: StoreClock;
  private readonly rootContext = AsyncLocalStorage.snapshot();
  private readonly typeOptions = new Map<string, ResolvedEntityOptions>();

  constructor(readonly options: ShardOwnerOptions) {
    const { runtime, config } = options;
    this.storeClock = new StoreClock(runtime.clock);
    this.deadlines = new Deadlines(runtime.clock, runtime.timers);
    this.announce = new Announcements(options.events, runtime.clock);
    this.share = options.share ?? new NodeShare(config.maxRunningHandlers, config.maxResidentActors);
    this.slots = this.share.slots;
    this.verdicts = new Verdicts((text) => decodeReply(text, config));
    this.actors = makeActors(this);
    this.directory = makeDirectory(this, (key) => this.makeWorker(key));
    this.door = makeDoor(this);
    this.endings = makeEndings(this);
    this.accounts = makeAccounts(this);
    this.delayedMessages = makeDelayedMessages(this, this.storeClock);
    this.outbox = makeOutbox(this);
  }

  get events(): TypedEvents<LifecycleEvents> {
    return this.options.events;
  }

  get commits(): GroupCommit {
    return this.alive.commits;
  }

  get executor(): Executor {
    return this.alive.executor;
  }

  get ids(): MessageIds {
    return this.alive.ids;
  }

  /** Of this opening of the shard. */
  get incarnation(): string {
    return this.alive.incarnation;
  }

  /** Whether the shard has been opened; `commits`, `executor` and `ids` are there from then on. */
  get isOpen(): boolean {
    return this.life !== undefined;
  }

  /** Nothing is pending in memory, running, or on its way to the store. */
  get isIdle(): boolean {
    return (
      (this.life === undefined || (this.life.commits.idle && this.life.executor.isIdle)) &&
      !this.delayedMessages.isPromoting &&
      this.outbox.isIdle &&
      !(this.catchUp.isActive && this.phase === 'running') &&
      this.directory.active === 0 &&
      this.directory.backlogEntities === 0
    );
  }

  /** Becomes the shard's owner. New messages come in after `accept` only, behind what is found in the store (I4). */
  async open(): Promise<OpenedShard> {
    const { wal, shard, runtime, config, logger } = this.options;
    const { clock, timers } = runtime;
    const incarnation = runtime.freshId();
    const opened = await wal.open(shard, incarnation);
    const { epoch } = opened;
    this.storeIsAt(opened.now);
    const { detached } = this;
    const commits = new GroupCommit({ wal, clock, timers, shard, epoch, incarnation, events: this, detached });
    const executor = makeExecutor(this, epoch);
    const idPrefix = ownerIdPrefix(wal.description.clusterId, shard, epoch);
    const ids = new MessageIds(idPrefix, opened.nextSeq);
    this.verdicts.recent.numberedAfter(idPrefix);
    const housekeeping = new Housekeeping({
      clock,
      timers,
      logger,
      executor,
      cleanupIntervalMs: config.wal.cleanupInterval,
      offerPollMs: this.options.cluster?.offerPollMs,
      sweepActors: (now) => this.share.actors.sweep(now),
      poll: () => {
        commits.poll();
        this.delayedMessages.check();
      },
      lost: (error) => commits.lose(error),
      cleanUp: (limit) => wal.cleanup(shard, epoch, incarnation, limit),
    });
    this.life = { opened, incarnation, commits, executor, ids, housekeeping };
    this.door.deadLettersAre(opened.deadLettersByType);
    for (const { entityType, entityId } of opened.paused) this.pauses.set(entityType, entityId, true);
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
    this.delayedMessages.start(this.alive.opened.nextDueAt);
    this.alive.housekeeping.start();
    this.outbox.start();
    void this.catchUp.goOn();
    for (const worker of [...this.directory.all()]) worker.advance();
    this.feedBacklog();
  }

  /** Ends all timers; with `clean`, gives the shard up so that the next owner finds nothing half done. */
  async close(clean: boolean): Promise<void> {
    const { life, phase } = this;
    life?.housekeeping.stop();
    this.delayedMessages.stop();
    this.outbox.stop();
    this.deadlines.stop();
    this.actors.leave();
    for (const worker of this.directory.all()) worker.leave();
    this.directory.stop();
    this.share.isStarving(this, false);
    this.door.leave();
    this.accounts.leave();
    this.phase = 'closed';
    if (!clean || life === undefined || phase === 'lost' || phase === 'closed') return;
    try {
      await this.options.wal.release(this.options.shard, life.opened.epoch, life.incarnation);
    } catch (error) {
      // In a cluster the next owner sees the silence and takes over; a node that is alone has to be told.
      if (this.options.cluster === undefined) throw error;
      this.options.logger.warn(
        `Shard ${this.options.shard} could not be released; it is taken over when its lease is over.`,
      );
    }
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

  /** What becomes of an interrupted message, given how often it was interrupted before (M13, M17). */
  afterInterruption(entityType: string, name: string, interruptions: number): 'retry' | 'block' | 'end' {
    const { onInterrupt, maxInterruptions, onFailure } = this.typeOf(entityType);
    // What has no effect outside of its completion left no trace: it runs again, but not for ever.
    const isStateOnly = this.options.handlers.find(entityType, name)?.actor?.effects === 'state';
    if ((isStateOnly || onInterrupt === 'retry') && interruptions + 1 <= maxInterruptions) return 'retry';
    return onFailure === 'block' ? 'block' : 'end';
  }

  add(transition: Transition, participant: Participant): void {
    this.commits.add(transition, participant);
  }

  /** The store has paused (resumed) a line: so it is here. */
  markPaused(entityType: string, entityId: string | undefined, paused: boolean): void {
    this.pauses.set(entityType, entityId, paused);
    for (const worker of [...this.directory.all()]) {
      if (worker.entityType !== entityType) continue;
      worker.paused = this.pauses.has(worker.key, entityType);
      worker.advance();
    }
    if (paused) return;
    this.directory.reconsiderHeld();
    this.feedBacklog();
  }

  /** Gives entities of the backlog their workers while there is room. */
  feedBacklog(): void {
    if (this.phase !== 'running') return;
    for (const worker of this.directory.activateBacklog()) worker.advance();
    this.share.isStarving(this, this.directory.hasUnfed);
  }

  /** Whether messages are marked and handed on to start: the shard is this node's, and its lease seems to hold (M7). */
  get startsMessages(): boolean {
    return this.phase === 'running' && this.options.cluster?.seemsToHold() !== false;
  }

  /** Looks at every line again, e.g. because the lease was renewed. */
  advanceAll(): void {
    for (const worker of [...this.directory.all()]) worker.advance();
    this.feedBacklog();
  }

  /** Wall time, milliseconds. In a cluster the store's; a node that is alone has the same clock as its store. */
  now(): number {
    return this.storeClock.now();
  }

  private storeIsAt(now: number | undefined): void {
    if (this.options.cluster !== undefined && now !== undefined) this.storeClock.storeSays(now);
  }

  // The group commit's listener.

  get startsAtOnce(): CommitRequest['startsAtOnce'] {
    return this.options.cluster === undefined ? undefined : this.intake.startsAtOnce;
  }

  get runsUnmarked(): CommitRequest['runsUnmarked'] {
    return this.unmarkedRuns.asked;
  }

  answered(answer: CommitAnswer, transitions: number, durationMs: number): void {
    this.storeIsAt(answer.now);
    // An answer may come when the shard has gone: whoever owns it now finds what stands in it.
    const isOver = this.phase === 'lost' || this.phase === 'closed';
    this.endings.toldByStore = answer.told;
    if (!isOver) for (const taken of answer.taken) this.intake.takeIn(taken);
    this.intake.commitAnswered();
    // The participants of the commit hear of it in this turn; what it gave away is theirs to take out.
    this.unmarkedRuns.answered((callback) => this.detached(() => queueMicrotask(callback)));
    if (answer.quarantined !== undefined) this.tellQuarantined(answer.quarantined);
    // One commit takes in a bounded number; where there were some there may be more.
    this.offersLeft = (answer.offersLeft ?? answer.taken.length) > 0;
    this.ids.storeIsAt(answer.nextSeq);
    if (this.events.wants('committed')) {
      this.events.emit('committed', { shard: this.options.shard, transitions, durationMs });
    }
  }

  private tellQuarantined(count: number): void {
    const { shard, logger } = this.options;
    logger.warn(
      `${count} offers to shard ${shard} cannot be taken into the line and are in its quarantine, with the reason of each; the command "quarantine" lists them.`,
    );
    this.events.emit('quarantined', { shard, count });
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
    this.outbox.stop();
    this.actors.leave();
    leaveWaits(this);
    const reason = this.notAccepted(error);
    for (const item of this.life?.executor.running ?? []) item.active?.abort(reason);
    if (this.options.cluster !== undefined) {
      // An append that is on its way has its answer to come; until then nobody knows whether it was kept.
      this.options.cluster.lost(error);
      return;
    }
    const waiting = [...this.directory.all()].flatMap((worker) => worker.items());
    for (const item of [...waiting, ...this.delayedMessages.items()])
      item.waiter?.fail(this.verdictUnknown(error, item));
    this.verdicts.failAll((id) => verdictUnknown(error, { messageId: id }));
    this.options.logger.error('This node has stopped: it can no longer write to its store.', error);
    this.events.emit('fatal', { error });
  }

  readonly detached = (callback: () => void): void => {
    this.rootContext(callback);
  };

  /** What a caller hears whose message the store did not take. */
  notAccepted(error: Error, item?: Item): AtomicQueuesError {
    const stopping = this.phase === 'draining' || this.phase === 'closed';
    const moved = this.options.cluster !== undefined && this.lostWith !== undefined;
    return notAccepted(error, item?.errorSubject(), stopping, moved);
  }

  verdictUnknown(error: Error, item: Item): AtomicQueuesError {
    return item.isVolatile || item.enqueuedAt === 0
      ? this.notAccepted(error, item)
      : verdictUnknown(error, item.errorSubject());
  }

  private get alive(): Life {
    if (this.life === undefined) throw new Error('The shard is not open.');
    return this.life;
  }

  private makeWorker(key: EntityKey): EntityWorker {
    const { entityType, entityId } = splitEntityKey(key);
    const worker = new EntityWorker(key, entityType, entityId, this.typeOf(entityType), this.lineHost);
    worker.paused = this.pauses.has(key, entityType);
    // Only what was in line when the last owner was lost may be what killed it.
    const mayHaveKilled = !this.alive.opened.clean && this.directory.hasBacklog(key);
    // Of those that ran without a durable start it is one of the first ones, and nobody knows which.
    if (mayHaveKilled) worker.runsAlone = this.options.handlers.hasActor(entityType) ? UNCOMMITTED_RUNS_MAX + 1 : 1;
    return worker;
  }
}
