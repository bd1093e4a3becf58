/**
 * The engine of a node that shares its store with others. It puts the parts together: the heart that knows who is there,
 * the master's office, the tenures of the shards that are this node's, the ways to those that are not, and the desk for
 * what other nodes ask.
 *
 * Redis decides, the master places, the wire hurries: nothing here is trusted for what may be written; that is what the
 * epochs in the write-ahead log are for.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Engine, EnginePhase } from '../entity/engine.js';
import type { HandlerTable } from '../entity/handler-table.js';
import type { Item } from '../entity/item.js';
import type { LifecycleEvents } from '../entity/lifecycle-events.js';
import { NodeShare } from '../entity/node-share.js';
import type { RecoveryReport } from '../entity/recovery.js';
import type { ReplyWaiter } from '../entity/reply-waiter.js';
import type { StopReport } from '../entity/shutdown.js';
import { Verdicts } from '../entity/verdicts.js';
import { decodeReply, encodeReply } from '../message/codec.js';
import { entityKey } from '../message/entity-key.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { MessageRegistry } from '../message/message-registry.js';
import type { ResolvedConfig } from '../runtime/config.js';
import { Deadlines } from '../runtime/deadlines.js';
import type { Logger } from '../runtime/logger.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TimerHandle } from '../runtime/timers.js';
import type { TypedEvents } from '../runtime/typed-events.js';
import { type SharedWal, StaleEpochError } from '../wal/wal.js';
import { ClusterDoor } from './cluster-door.js';
import { ClusterOperations } from './cluster-operations.js';
import type { ClusterStore, ClusterView, NodeRecord } from './cluster-store.js';
import { Heart } from './heart.js';
import { leaseTimes } from './lease.js';
import { MasterOffice } from './master-office.js';
import { liveMembers, type MembershipState } from './membership.js';
import { NodeHealth } from './node-health.js';
import { OfferSender } from './offer-sender.js';
import { RemoteWaits } from './remote-waits.js';
import { RequestDesk } from './request-desk.js';
import { type Request, Requests } from './requests.js';
import { Routes } from './routes.js';
import type { TenureOptions } from './tenure.js';
import { Tenures } from './tenures.js';
import type { Transport, TransportMessage } from './transport/transport.js';

export interface ClusterEngineOptions {
  readonly runtime: Runtime;
  readonly config: ResolvedConfig;
  readonly wal: SharedWal;
  /** Starts (stops) the write-ahead log and what it stands on. */
  readonly startStore: () => Promise<void>;
  readonly stopStore: () => Promise<void>;
  readonly store: ClusterStore;
  readonly transport: Transport;
  /** Whether the server answers. Default: nobody asks. */
  readonly ping?: (() => Promise<unknown>) | undefined;
  readonly handlers: HandlerTable;
  readonly registry: MessageRegistry;
  readonly events: TypedEvents<LifecycleEvents>;
  readonly logger: Logger;
  /** Of the package. */
  readonly version: string;
}

/** How often leases are looked after, milliseconds: a fraction of any lease that is allowed. */
const UPKEEP_MS = 100;
/** The floor under lost wake hints, milliseconds; a poll costs the server one small script. */
const OFFER_POLL_MS = 250;
/** How long a leaver waits for the others to take note, milliseconds. */
const TAKE_NOTE_MS = 500;
/** How long a handler may hold up a move of its shard, milliseconds; then the shard stays and the move is tried again. */
const MOVE_DEADLINE_MS = 5_000;
/** Newest format of store and wire that this version writes. */
const FORMAT = 1;

export class ClusterEngine implements Engine {
  phase: EnginePhase = 'closed';
  lostWith: Error | undefined;
  readonly share: NodeShare;
  readonly door: ClusterDoor;
  readonly operations: ClusterOperations;
  /** Of this life of the node. Also its address. */
  readonly incarnation: string;
  readonly serverId: string;
  private readonly group: string;
  private groupIndex = -1;
  private routes = new Routes(1);
  private view: ClusterView = { nodes: [], bindings: [], assignments: {} };
  private membership: MembershipState | undefined;
  /** Entity types that some live node has too many dead letters of. */
  private typesFull: ReadonlySet<string> = new Set();
  private readonly heart: Heart;
  private readonly office: MasterOffice;
  private readonly tenures: Tenures;
  private readonly senders = new Map<number, OfferSender>();
  private readonly waits: RemoteWaits;
  private readonly requests: Requests;
  private readonly desk: RequestDesk;
  private readonly deadlines: Deadlines;
  private readonly health: NodeHealth | undefined;
  /** Nothing that this node does for others happens in the async context of a handler that it runs. */
  private readonly detached = AsyncLocalStorage.snapshot() as (callback: () => void) => void;
  private readonly recovered = { interrupted: 0, putBack: 0, pending: 0 };
  private upkeepTimer: TimerHandle | undefined;
  private sinceLook = 0;
  private recordState: NodeRecord['state'] = 'sender';
  private noticed: () => void = () => {};

  constructor(private readonly options: ClusterEngineOptions) {
    const { runtime, config, wal, store, transport, handlers, registry, events, logger } = options;
    const { cluster } = config;
    if (cluster === undefined) throw new Error('A cluster engine needs the configuration of a cluster.');
    const { clock, timers } = runtime;
    this.incarnation = runtime.freshId();
    this.serverId = cluster.serverId ?? this.incarnation;
    this.group = cluster.serviceGroup;
    this.share = new NodeShare(config.maxRunningHandlers);
    this.deadlines = new Deadlines(clock, timers);
    const verdicts = new Verdicts((text) => decodeReply(text, config));
    this.waits = new RemoteWaits({
      wal,
      clock,
      timers,
      keptMs: config.wal.entryTTL * 1_000,
      answer: (...answer) => verdicts.answer(...answer),
    });
    this.requests = new Requests({ clock, timers, send: (request) => this.sendToOwner(request) });
    this.heart = new Heart({
      runtime,
      store,
      heartbeatMs: cluster.heartbeatMs,
      nodeTTLMs: cluster.nodeTTLMs,
      logger,
      record: () => this.record(),
      seen: (view, membership) => this.seen(view, membership),
      superseded: (error) => this.lose(error),
    });
    this.office = new MasterOffice({
      store,
      clock,
      group: this.group,
      serverId: this.serverId,
      leaderDebounceMs: cluster.leaderDebounceMs,
      assigned: () => {
        transport.send('*', { type: 'changed' });
        void this.heart.now();
      },
    });
    this.tenures = new Tenures({
      runtime,
      config,
      wal,
      handlers,
      registry,
      events,
      logger,
      share: this.share,
      serverId: this.serverId,
      leaseMs: cluster.leaseMs,
      leaseTimes: leaseTimes(cluster.leaseMs),
      hooksOf: (shard) => this.hooksOf(shard),
      types: () => Object.keys(this.view.bindings.find(({ group }) => group === this.group)?.types ?? {}),
      released: (shard) => transport.send('*', { type: 'released', shard }),
      opened: (tenure) => {
        this.recovered.interrupted += tenure.interrupted;
        this.recovered.putBack += tenure.putBack;
        this.noticed();
        events.emit('shardOpened', { shard: tenure.shard, epoch: tenure.epoch });
      },
      lost: (shard, error) => {
        logger.warn(`Shard ${shard} is not this node's any more: ${error.message}`);
        events.emit('shardLost', { shard, error });
        if (!(error instanceof StaleEpochError)) void this.tenures.look();
      },
      storeGone: (error) => this.lose(error),
      moveDeadlineMs: MOVE_DEADLINE_MS,
    });
    this.desk = new RequestDesk({
      serving: (shard) => this.tenures.serving(shard),
      send: (to, message) => this.send(to, message),
      encodeReply: (value, what) => encodeReply(value, config, what),
    });
    this.health =
      options.ping === undefined
        ? undefined
        : new NodeHealth({
            timers,
            ping: options.ping,
            checkEveryMs: cluster.redisHealthCheckMs,
            failureThreshold: cluster.redisHealthFailureThreshold,
          });
    this.door = new ClusterDoor({
      config,
      routes: () => this.routes,
      deadlines: this.deadlines,
      slots: this.share.slots,
      waits: this.waits,
      address: this.incarnation,
      serving: (shard) => this.tenures.serving(shard),
      sender: (shard) => this.sender(shard),
      refusal: (subject, finishing) => this.refusal(subject, finishing),
      isFull: (type) => this.typesFull.size > 0 && this.typesFull.has(type),
      ask: (shard, query, waiter) => this.ask(shard, query, waiter),
      withdraw: (shard, id) => {
        this.sender(shard)
          .offer({ type: 'cancel', id })
          .catch(() => {});
      },
    });
    this.operations = new ClusterOperations({
      wal,
      routes: () => this.routes,
      runtime,
      requests: this.requests,
      address: this.incarnation,
      serving: (shard) => this.tenures.serving(shard),
      tenures: () => this.tenures.all(),
      timeoutMs: Math.max(config.replyTimeout, 2 * cluster.leaseMs),
    });
  }

  get isIdle(): boolean {
    const tenures = this.tenures.all();
    return (
      (this.phase !== 'running' || this.tenures.missing === 0) &&
      tenures.every((tenure) => tenure.owner.isIdle) &&
      [...this.senders.values()].every((sender) => sender.idle)
    );
  }

  get storeDegraded(): boolean {
    if (this.health?.degraded === true) return true;
    return this.tenures.all().some(({ owner }) => owner.isOpen && owner.commits.isDegraded);
  }

  running(): readonly Item[] {
    return this.tenures.all().flatMap(({ owner }) => (owner.isOpen ? [...owner.executor.running] : []));
  }

  shards(): readonly number[] {
    return this.routes.allShards();
  }

  takenElsewhere(entityType: string, name: string): boolean {
    return this.routes.takes(entityType, name);
  }

  typesElsewhere(): readonly string[] {
    return this.routes.types();
  }

  async knowsType(entityType: string): Promise<boolean> {
    return this.routes.bindingOf(entityType) !== undefined;
  }

  /** This node's share of the cluster: what a status page shows. */
  describe(): ClusterDescription {
    const assignment = this.view.assignments[this.group];
    return {
      serverId: this.serverId,
      serviceGroup: this.group,
      master: assignment?.master,
      isMaster: this.office.isMaster,
      nodes: this.membership === undefined ? [] : liveMembers(this.membership).map(({ record }) => record),
      shards: this.tenures.all().map(({ shard, epoch, depth, state }) => ({ shard, epoch, pending: depth, state })),
    };
  }

  async open(): Promise<void> {
    const { options } = this;
    const { transport, store, wal } = options;
    this.phase = 'recovering';
    try {
      await options.startStore();
      this.routes = new Routes(wal.description.shardCount);
      await store.start();
      await transport.start(this.incarnation, (message) => this.detached(() => this.receive(message)));
      const types = this.handledTypes();
      if (Object.keys(types).length > 0) this.groupIndex = await this.bind(types);
      await this.heart.join();
      this.heart.start();
      this.health?.start();
      this.listenToHealth();
      this.phase = 'accepting';
      this.armUpkeep();
    } catch (error) {
      this.phase = 'closed';
      this.heart.stop();
      this.health?.stop();
      await transport.stop();
      await store.stop();
      await options.stopStore();
      throw error;
    }
  }

  /** Takes part in the work, and resolves when the shards that fall to this node now are open, or after a lease at most. */
  async start(): Promise<RecoveryReport> {
    if (this.phase !== 'accepting') return this.recovered;
    this.phase = 'running';
    this.tenures.run();
    if (this.groupIndex >= 0) {
      this.recordState = 'up';
      await this.heart.now();
      await this.whenSettled();
    }
    return { ...this.recovered, pending: this.share.depth };
  }

  async stop(deadlineMs: number): Promise<StopReport> {
    const { runtime, transport, store } = this.options;
    const { clock } = runtime;
    if (this.phase === 'closed') return { drained: 0, abandoned: [], pending: 0 };
    const endsAt = clock.monotonic() + deadlineMs;
    const wasLost = this.phase === 'lost';
    if (!wasLost) this.phase = 'draining';
    this.office.resign();
    if (!wasLost && this.recordState === 'up') {
      this.recordState = 'leaving';
      await this.heart.now();
      transport.send('*', { type: 'changed' });
      await this.whenOthersHaveNoted();
    }
    const reports = wasLost ? [] : await this.tenures.leaveAll(Math.max(0, endsAt - clock.monotonic()));
    await this.waitForAnswers(endsAt);
    this.waits.failAll((id, subject) => stillInStore(id, subject));
    if (this.upkeepTimer !== undefined) runtime.timers.clear(this.upkeepTimer);
    this.upkeepTimer = undefined;
    this.health?.stop();
    await this.heart.leave();
    this.phase = 'closed';
    this.waits.stop();
    this.requests.stop();
    this.deadlines.stop();
    await transport.stop();
    await store.stop();
    await this.options.stopStore();
    return {
      drained: reports.reduce((sum, [, report]) => sum + (report?.drained ?? 0), 0),
      abandoned: reports.flatMap(([, report]) => report?.abandoned ?? []),
      pending: reports.reduce((sum, [, report]) => sum + (report?.pending ?? 0), 0),
    };
  }

  /**
   * Owners take in only types that are allowed in their shards, also owners that have no handlers for a type which is new
   * to the group. So the types are allowed before anyone can learn from the binding that there are any to send.
   */
  private async bind(types: Record<string, readonly string[]>): Promise<number> {
    const { store, wal } = this.options;
    const names = Object.keys(types);
    const { bindings } = await store.view();
    const isTaken = bindings.some(
      ({ group, types: bound }) => group !== this.group && names.some((name) => Object.hasOwn(bound, name)),
    );
    // The store says what contradicts what, and no group without types is left behind.
    if (isTaken) return store.bind(this.group, types);
    const index = await store.bind(this.group, {});
    await Promise.all(this.routes.shardsOf(index).map((shard) => wal.allowTypes(shard, names)));
    return store.bind(this.group, types);
  }

  // What the node says and hears.

  private record(): Omit<NodeRecord, 'beat'> {
    const shards: Record<number, number> = {};
    for (const tenure of this.tenures.all()) if (tenure.state !== 'ended') shards[tenure.shard] = tenure.depth;
    return {
      serverId: this.serverId,
      incarnation: this.incarnation,
      group: this.group,
      state: this.recordState,
      load: this.share.depth,
      shards,
      types: Object.keys(this.handledTypes()),
      ...this.fullTypes(),
      version: this.options.version,
      format: FORMAT,
    };
  }

  private fullTypes(): Pick<NodeRecord, 'full'> {
    const { config } = this.options;
    const full = [...this.share.deadLettersByType].flatMap(([type, count]) => {
      const { deadLettersMax } = config.entityType(type);
      return deadLettersMax > 0 && count >= deadLettersMax ? [type] : [];
    });
    return full.length === 0 ? {} : { full };
  }

  private handledTypes(): Record<string, readonly string[]> {
    const { handlers } = this.options;
    return Object.fromEntries(handlers.entityTypes().map((type) => [type, handlers.names(type)]));
  }

  private seen(view: ClusterView, membership: MembershipState): void {
    this.view = view;
    this.membership = membership;
    this.routes.update(view.bindings);
    const live = liveMembers(membership);
    this.typesFull = new Set(live.flatMap(({ record }) => record.full ?? []));
    if (this.groupIndex < 0) return;
    const assignment = view.assignments[this.group];
    if (this.phase === 'running') {
      void this.office.decide(view, live, this.routes.slices, this.groupIndex, this.storeDegraded);
      const up = new Set(live.filter(({ record }) => record.state === 'up').map(({ record }) => record.serverId));
      const wanted = new Set<number>();
      const elsewhere = new Set<number>();
      assignment?.nodes.forEach((node, slice) => {
        const shard = this.routes.shardAt(this.groupIndex, slice);
        if (node === this.serverId) wanted.add(shard);
        else if (up.has(node)) elsewhere.add(shard);
      });
      this.tenures.want(this.routes.shardsOf(this.groupIndex), wanted, elsewhere);
    }
    this.noticed();
  }

  private receive(message: TransportMessage): void {
    if (this.phase === 'closed') return;
    switch (message.type) {
      case 'wake':
        this.tenures.serving(message.shard)?.owner.commits.poll();
        return;
      case 'released':
        if (this.tenures.missing > 0) void this.tenures.look();
        return;
      case 'changed':
        void this.heart.now();
        return;
      case 'verdict':
        if (!this.requests.answered(message)) this.waits.deliver(message.id, message.verdict);
        return;
      case 'operated':
      case 'refused':
        this.requests.answered(message);
        return;
      case 'not-here':
        this.requests.notHere(message.id);
        return;
      case 'ask':
      case 'operate':
        this.desk.receive(message);
        return;
    }
  }

  /** What goes to this node itself need not leave it. */
  private send(to: string, message: TransportMessage): void {
    if (to !== this.incarnation) this.options.transport.send(to, message);
    else this.options.runtime.timers.defer(() => this.detached(() => this.receive(message)));
  }

  private sendToOwner(request: Request): void {
    if (this.tenures.serving(request.shard) !== undefined) {
      this.send(this.incarnation, request);
      return;
    }
    const node = this.ownerOf(request.shard);
    if (node !== undefined) this.send(node.incarnation, request);
  }

  /** The node that the assignment names for the shard; it need not be there. */
  private ownerOf(shard: number): NodeRecord | undefined {
    const binding = this.routes.bindingOfShard(shard);
    if (binding === undefined) return undefined;
    const owner = this.view.assignments[binding.group]?.nodes[shard - binding.index * this.routes.slices];
    return this.view.nodes.find(({ serverId }) => serverId === owner);
  }

  // Waits.

  private hooksOf(shard: number): TenureOptions['hooks'] {
    return {
      address: this.incarnation,
      offerPollMs: OFFER_POLL_MS,
      deadlines: this.deadlines,
      tell: (replyTo, id, verdict) => this.send(replyTo, { type: 'verdict', id, verdict }),
      waitElsewhere: (id, subject, waiter) => this.waits.add(shard, id, subject, waiter),
      askElsewhere: (query, waiter) => {
        const home = this.routes.shardOf(query.entityType, entityKey(query.entityType, query.entityId)) ?? shard;
        this.ask(home, query, waiter);
      },
    };
  }

  private ask(
    shard: number,
    query: Pick<Extract<Request, { type: 'ask' }>, 'entityType' | 'entityId' | 'name' | 'payload' | 'headers'>,
    waiter: ReplyWaiter,
  ): void {
    const { entityType, entityId, name, payload, headers } = query;
    const id = this.options.runtime.freshId();
    const replyTo = this.incarnation;
    this.requests.send(
      { type: 'ask', id, replyTo, shard, entityType, entityId, name, payload, headers },
      (answer) => {
        const subject = { messageId: id, entityType, entityId, name };
        if (answer.type === 'verdict') this.waits.answerNow(waiter, subject, answer.verdict);
        else if (answer.type === 'refused') {
          const { code, text, retryable } = answer;
          waiter.fail(new AtomicQueuesError(code, text, { subject: { entityType, entityId, name }, retryable }));
        }
      },
      () => !waiter.isSettled,
      () => waiter.fail(notAnswered({ entityType, entityId, name })),
    );
  }

  private async waitForAnswers(endsAt: number): Promise<void> {
    const { clock, timers } = this.options.runtime;
    // Where nobody else is, nobody gives the answers.
    const others = (): boolean =>
      this.membership !== undefined &&
      liveMembers(this.membership).some(({ record }) => record.state === 'up' && record.serverId !== this.serverId);
    while (this.waits.size > 0 && others() && clock.monotonic() < endsAt && this.phase !== 'lost') {
      await new Promise<void>((resolve) => timers.set(resolve, UPKEEP_MS / 4));
    }
  }

  // Upkeep.

  private armUpkeep(): void {
    this.upkeepTimer = this.options.runtime.timers.set(() => {
      this.armUpkeep();
      this.tenures.upkeep();
      this.sinceLook += UPKEEP_MS;
      if (this.sinceLook < this.cluster.heartbeatMs / 2) return;
      this.sinceLook = 0;
      if (this.phase === 'running') void this.tenures.look();
    }, UPKEEP_MS);
  }

  private get cluster() {
    const { cluster } = this.options.config;
    if (cluster === undefined) throw new Error('unreachable: the constructor checks it');
    return cluster;
  }

  private listenToHealth(): void {
    const { events, logger, runtime } = this.options;
    let since = 0;
    this.health?.events.on('degraded', ({ failures, cause }) => {
      since = runtime.clock.monotonic();
      const reason = `Redis has not answered ${failures} times in a row: ${cause instanceof Error ? cause.message : String(cause)}`;
      logger.error(`${reason} New messages are refused until it does.`);
      this.office.resign();
      events.emit('degraded', { reason });
    });
    this.health?.events.on('recovered', () => {
      const degradedMs = runtime.clock.monotonic() - since;
      logger.info(`Redis answers again after ${Math.round(degradedMs)} ms.`);
      events.emit('recovered', { degradedMs });
      void this.heart.now();
    });
  }

  /** What the assignment gives this node is open here; at the latest after a lease, for what others hold takes as long. */
  private async whenSettled(): Promise<void> {
    const { clock, timers } = this.options.runtime;
    const endsAt = clock.monotonic() + this.cluster.leaseMs;
    const isSettled = (): boolean =>
      this.phase !== 'running' || (this.hasTable && this.tenures.missing === 0) || clock.monotonic() >= endsAt;
    while (!isSettled()) await this.notice(timers, UPKEEP_MS);
  }

  private get hasTable(): boolean {
    return this.view.assignments[this.group]?.nodes.some((node) => node !== '') === true;
  }

  /** Nobody's table gives this node a shard any more, or there is nobody who could take them. */
  private async whenOthersHaveNoted(): Promise<void> {
    const { clock, timers } = this.options.runtime;
    const endsAt = clock.monotonic() + TAKE_NOTE_MS;
    const othersUp = (): boolean =>
      this.membership !== undefined &&
      liveMembers(this.membership).some(({ record }) => record.group === this.group && record.state === 'up');
    const isNamed = (): boolean =>
      this.view.assignments[this.group]?.nodes.some((node) => node === this.serverId) === true;
    while (othersUp() && isNamed() && clock.monotonic() < endsAt) {
      await this.notice(timers, UPKEEP_MS / 4);
      await this.heart.now();
    }
  }

  private async notice(timers: Runtime['timers'], limitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = timers.set(resolve, limitMs);
      this.noticed = () => {
        timers.clear(timer);
        resolve();
      };
    });
    this.noticed = () => {};
  }

  private lose(error: Error): void {
    if (this.phase === 'closed' || this.phase === 'lost') return;
    this.phase = 'lost';
    this.lostWith = error;
    this.heart.stop();
    this.office.resign();
    this.tenures.loseAll(error);
    this.options.logger.error('This node has stopped.', error);
    this.options.events.emit('fatal', { error });
  }

  // Small things for the door.

  private sender(shard: number): OfferSender {
    let sender = this.senders.get(shard);
    if (sender === undefined) {
      const { wal, runtime, config } = this.options;
      sender = new OfferSender({
        wal,
        clock: runtime.clock,
        timers: runtime.timers,
        shard,
        freshSession: runtime.freshId,
        owner: () => this.ownerOf(shard)?.incarnation,
        idPrefix: () => wal.description.clusterId.slice(0, 8),
        depthMax: config.maxTotalQueueDepth,
        detached: this.detached,
      });
      this.senders.set(shard, sender);
    }
    return sender;
  }

  private refusal(subject: ErrorSubject, finishing: boolean): AtomicQueuesError | undefined {
    if (this.phase === 'accepting' || this.phase === 'running' || (this.phase === 'draining' && finishing)) {
      if (this.health?.degraded !== true) return undefined;
      return new AtomicQueuesError(
        'STORE_DEGRADED',
        'Redis does not answer at the moment; nothing was kept of this message.',
        { subject },
      );
    }
    if (this.phase === 'lost') {
      return new AtomicQueuesError('STORE_DEGRADED', `This node has stopped: ${this.lostWith?.message ?? ''}`, {
        subject,
        retryable: false,
      });
    }
    return new AtomicQueuesError('SHUTTING_DOWN', 'This node is shutting down and takes no new messages.', { subject });
  }
}

export interface ClusterDescription {
  readonly serverId: string;
  readonly serviceGroup: string;
  /** `serverId` of who places the group's shards; undefined when nobody has yet. */
  readonly master: string | undefined;
  readonly isMaster: boolean;
  /** Every live node, of all groups. */
  readonly nodes: readonly NodeRecord[];
  /** Shards that this node has. */
  readonly shards: readonly {
    readonly shard: number;
    readonly epoch: number;
    /** Messages waiting in it. */
    readonly pending: number;
    readonly state: 'opening' | 'serving' | 'leaving' | 'ended';
  }[];
}

function notAnswered(subject: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError('SHUTTING_DOWN', 'This node has stopped; the query was not answered. Ask again.', {
    subject,
  });
}

function stillInStore(messageId: string, subject: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError(
    'SHUTTING_DOWN',
    `This node has stopped. Message ${messageId} is in the store and runs on another node; do not send it again.`,
    { subject: { ...subject, messageId }, retryable: false },
  );
}
