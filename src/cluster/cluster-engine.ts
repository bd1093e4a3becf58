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
import type { Item } from '../entity/item.js';
import { NodeShare } from '../entity/node-share.js';
import type { RecoveryReport } from '../entity/recovery.js';
import type { StopReport } from '../entity/shutdown.js';
import { Verdicts } from '../entity/verdicts.js';
import { decodeReply, encodeReply } from '../message/codec.js';
import { entityKey } from '../message/entity-key.js';
import { Deadlines } from '../runtime/deadlines.js';
import type { TimerHandle } from '../runtime/timers.js';
import { StaleEpochError } from '../wal/wal.js';
import { bindTypes } from './bind-types.js';
import type { ClusterDescription } from './cluster-description.js';
import { ClusterDoor } from './cluster-door.js';
import type { ClusterEngineOptions } from './cluster-engine-options.js';
import { ClusterOperations } from './cluster-operations.js';
import type { ClusterView, NodeRecord } from './cluster-store.js';
import { Heart } from './heart.js';
import { leaseTimes } from './lease.js';
import { MailRoom } from './mail-room.js';
import { MasterOffice } from './master-office.js';
import type { MembershipState } from './membership.js';
import { refusalOf, stillInStore } from './node-refusals.js';
import { Notices } from './notices.js';
import { OfferSenders } from './offer-senders.js';
import { heldBackText } from './opening-guard.js';
import { Outlook } from './outlook.js';
import { handledTypes, ownRecord } from './own-record.js';
import { RemoteWaits } from './remote-waits.js';
import { ServerWatch } from './server-watch.js';
import { Tenures } from './tenures.js';

/** How often leases are looked after, milliseconds: a fraction of any lease that is allowed. */
const UPKEEP_MS = 100;
/** How long a leaver waits for the others to take note, milliseconds. */
const TAKE_NOTE_MS = 500;
/** How long a handler may hold up a move of its shard, milliseconds; then the shard stays and the move is tried again. */
const MOVE_DEADLINE_MS = 5_000;
export class ClusterEngine implements Engine {
  phase: EnginePhase = 'closed';
  lostWith: Error | undefined;
  readonly share: NodeShare;
  readonly door: ClusterDoor;
  readonly operations: ClusterOperations;
  /** Of this life of the node. Also its address. */
  readonly incarnation: string;
  readonly serverId: string;
  private groupIndex = -1;
  private readonly outlook: Outlook;
  private readonly heart: Heart;
  private readonly office: MasterOffice;
  private readonly tenures: Tenures;
  private readonly senders: OfferSenders;
  private readonly waits: RemoteWaits;
  private readonly mail: MailRoom;
  private readonly deadlines: Deadlines;
  private readonly server: ServerWatch;
  /** Nothing that this node does for others happens in the async context of a handler that it runs. */
  private readonly detached = AsyncLocalStorage.snapshot() as (callback: () => void) => void;
  private readonly recovered = { interrupted: 0, putBack: 0, pending: 0 };
  private upkeepTimer: TimerHandle | undefined;
  private sinceLook = 0;
  private recordState: NodeRecord['state'] = 'sender';
  private readonly notices: Notices;

  constructor(private readonly options: ClusterEngineOptions) {
    const { runtime, config, wal, store, transport, handlers, registry, events, logger } = options;
    const { cluster } = config;
    if (cluster === undefined) throw new Error('A cluster engine needs the configuration of a cluster.');
    const { clock, timers } = runtime;
    this.incarnation = runtime.freshId();
    this.notices = new Notices(runtime);
    this.serverId = cluster.serverId ?? this.incarnation;
    const outlook = new Outlook(cluster.serviceGroup, this.serverId);
    this.outlook = outlook;
    this.share = new NodeShare(config.maxRunningHandlers, config.maxResidentActors);
    this.deadlines = new Deadlines(clock, timers);
    const verdicts = new Verdicts((text) => decodeReply(text, config));
    this.waits = new RemoteWaits({
      wal,
      clock,
      timers,
      keptMs: config.wal.entryTTL * 1_000,
      answer: (...answer) => verdicts.answer(...answer),
    });
    this.senders = new OfferSenders({
      wal,
      clock,
      timers,
      freshSession: runtime.freshId,
      ownerOf: (shard) => outlook.ownerOf(shard)?.incarnation,
      depthMax: config.maxTotalQueueDepth,
      detached: this.detached,
    });
    this.mail = new MailRoom({
      runtime,
      transport,
      address: this.incarnation,
      outlook,
      tenures: () => this.tenures,
      waits: this.waits,
      deadlines: this.deadlines,
      encodeReply: (value, what) => encodeReply(value, config, what),
      changed: () => void this.heart.now(),
      detached: this.detached,
    });
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
      group: outlook.group,
      serverId: this.serverId,
      leaderDebounceMs: cluster.leaderDebounceMs,
      heartbeatMs: cluster.heartbeatMs,
      raised: (lineFormat) => {
        logger.info(`All nodes understand lines of format ${lineFormat}: they are written from now on.`);
        void this.heart.now();
      },
      assigned: () => {
        this.mail.tellAll({ type: 'changed' });
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
      hooksOf: (shard) => this.mail.hooksOf(shard),
      types: () => outlook.types,
      released: (shard) => this.mail.tellAll({ type: 'released', shard }),
      opened: (tenure) => {
        this.recovered.interrupted += tenure.interrupted;
        this.recovered.putBack += tenure.putBack;
        this.notices.notice();
        events.emit('shardOpened', { shard: tenure.shard, epoch: tenure.epoch });
      },
      lost: (shard, error) => {
        logger.warn(`Shard ${shard} is not this node's any more: ${error.message}`);
        events.emit('shardLost', { shard, error });
        if (!(error instanceof StaleEpochError)) void this.tenures.look();
      },
      heldBack: (shard, openings) => {
        logger.error(heldBackText(shard, openings));
        events.emit('shardHeldBack', { shard, openings });
      },
      storeGone: (error) => this.lose(error),
      moveDeadlineMs: MOVE_DEADLINE_MS,
    });
    this.server = new ServerWatch({
      runtime,
      cluster,
      ping: options.ping,
      events,
      logger,
      degraded: () => this.office.resign(),
      recovered: () => void this.heart.now(),
    });
    this.door = new ClusterDoor({
      config,
      routes: () => outlook.routes,
      deadlines: this.deadlines,
      slots: this.share.slots,
      waits: this.waits,
      address: this.incarnation,
      serving: (shard) => this.tenures.serving(shard),
      sender: (shard) => this.senders.to(shard),
      refusal: (subject, finishing) =>
        refusalOf(
          { phase: this.phase, lostWith: this.lostWith, isDegraded: this.server.isDegraded },
          subject,
          finishing,
        ),
      isFull: (type) => outlook.isFull(type),
      ask: (shard, { options: { headers }, ...query }, waiter) => this.mail.ask(shard, { ...query, headers }, waiter),
      withdraw: (shard, id) => {
        this.senders
          .to(shard)
          .offer({ type: 'cancel', id })
          .catch(() => {});
      },
      knownId: (shard, entity, messageId) => wal.knownId(shard, entity, messageId),
      clusterId: () => wal.description.clusterId,
      now: () => clock.now(),
    });
    this.operations = new ClusterOperations({
      wal,
      routes: () => outlook.routes,
      runtime,
      requests: this.mail.requests,
      address: this.incarnation,
      serving: (shard) => this.tenures.serving(shard),
      tenures: () => this.tenures.all(),
      offer: (shard, transition) => this.senders.to(shard).offer(transition),
      timeoutMs: Math.max(config.replyTimeout, 2 * cluster.leaseMs),
    });
  }

  get isIdle(): boolean {
    const tenures = this.tenures.all();
    return (
      (this.phase !== 'running' || this.tenures.missing === 0) &&
      tenures.every((tenure) => tenure.owner.isIdle) &&
      this.senders.idle
    );
  }

  get storeDegraded(): boolean {
    if (this.server.isDegraded) return true;
    return this.tenures.all().some(({ owner }) => owner.isOpen && owner.commits.isDegraded);
  }

  running(): readonly Item[] {
    return this.tenures.all().flatMap(({ owner }) => (owner.isOpen ? [...owner.executor.running] : []));
  }

  shards(): readonly number[] {
    return this.outlook.routes.allShards();
  }

  shardOf(entityType: string, entityId: string): number | undefined {
    return this.outlook.routes.shardOf(entityType, entityKey(entityType, entityId));
  }

  takenElsewhere(entityType: string, name: string): boolean {
    return this.outlook.routes.takes(entityType, name);
  }

  typesElsewhere(): readonly string[] {
    return this.outlook.routes.types();
  }

  namesElsewhere(entityType: string): readonly string[] {
    return this.outlook.routes.names(entityType);
  }

  async knowsType(entityType: string): Promise<boolean> {
    return this.outlook.routes.bindingOf(entityType) !== undefined;
  }

  /** This node's share of the cluster: what a status page shows. */
  describe(): ClusterDescription {
    const { group, assignment, live } = this.outlook;
    return {
      serverId: this.serverId,
      serviceGroup: group,
      master: assignment?.master,
      isMaster: this.office.isMaster,
      nodes: live.map(({ record }) => record),
      shards: this.tenures.all().map(({ shard, epoch, depth, state }) => ({ shard, epoch, pending: depth, state })),
      heldBack: [...this.tenures.heldBack].map(([shard, openings]) => ({ shard, openings })),
    };
  }

  async open(): Promise<void> {
    const { options } = this;
    const { store, wal } = options;
    this.phase = 'recovering';
    for (const name of this.cluster.withoutEffect)
      options.logger.warn(`cluster.${name} has no effect in this version: the heartbeats do what it was for.`);
    try {
      await options.startStore();
      this.outlook.storeHas(wal.description.shardCount);
      await store.start();
      await this.mail.open();
      const types = handledTypes(options.handlers);
      if (Object.keys(types).length > 0)
        this.groupIndex = await bindTypes({ store, wal, outlook: this.outlook }, types);
      await this.heart.join();
      this.heart.start();
      this.server.start();
      this.phase = 'accepting';
      this.armUpkeep();
    } catch (error) {
      this.phase = 'closed';
      this.heart.stop();
      this.server.stop();
      await this.mail.close();
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
    const { runtime, store } = this.options;
    const { clock } = runtime;
    if (this.phase === 'closed') return { drained: 0, abandoned: [], pending: 0 };
    const endsAt = clock.monotonic() + deadlineMs;
    const wasLost = this.phase === 'lost';
    if (!wasLost) this.phase = 'draining';
    this.office.resign();
    if (!wasLost && this.recordState === 'up') {
      this.recordState = 'leaving';
      await this.heart.now();
      this.mail.tellAll({ type: 'changed' });
      await this.whenOthersHaveNoted();
    }
    const reports = wasLost ? [] : await this.tenures.leaveAll(Math.max(0, endsAt - clock.monotonic()));
    await this.waitForAnswers(endsAt);
    this.waits.failAll((id, subject) => stillInStore(id, subject));
    if (this.upkeepTimer !== undefined) runtime.timers.clear(this.upkeepTimer);
    this.upkeepTimer = undefined;
    this.server.stop();
    await this.heart.leave();
    this.phase = 'closed';
    this.waits.stop();
    this.operations.stop();
    this.senders.stop();
    await this.mail.close();
    this.deadlines.stop();
    await store.stop();
    await this.options.stopStore();
    return {
      drained: reports.reduce((sum, [, report]) => sum + (report?.drained ?? 0), 0),
      abandoned: reports.flatMap(([, report]) => report?.abandoned ?? []),
      pending: reports.reduce((sum, [, report]) => sum + (report?.pending ?? 0), 0),
    };
  }

  private record(): Omit<NodeRecord, 'beat'> {
    const { config, wal, handlers, version } = this.options;
    const { serverId, incarnation, recordState: state, share } = this;
    const who = { serverId, incarnation, group: this.outlook.group, state, version };
    return ownRecord({ config, wal, handlers, share, tenures: this.tenures.all(), who });
  }

  private seen(view: ClusterView, membership: MembershipState): void {
    const { outlook, groupIndex } = this;
    outlook.seen(view, membership);
    this.options.wal.useLineFormat?.(view.lineFormat);
    if (groupIndex < 0) return;
    if (this.phase === 'running') {
      void this.office.decide(view, outlook.live, outlook.routes.slices, groupIndex, this.storeDegraded);
      this.tenures.want(outlook.division(groupIndex));
    }
    this.notices.notice();
  }

  private async waitForAnswers(endsAt: number): Promise<void> {
    const { clock, timers } = this.options.runtime;
    // Where nobody else is, nobody gives the answers.
    while (this.waits.size > 0 && this.outlook.hasOthersUp() && clock.monotonic() < endsAt && this.phase !== 'lost') {
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

  /** What the assignment gives this node is open here; at the latest after a lease, for what others hold takes as long. */
  private whenSettled(): Promise<void> {
    return this.notices.until(
      () => this.phase !== 'running' || (this.outlook.hasTable && this.tenures.missing === 0),
      this.cluster.leaseMs,
      UPKEEP_MS,
    );
  }

  /** Nobody's table gives this node a shard any more, or there is nobody who could take them. */
  private whenOthersHaveNoted(): Promise<void> {
    const { outlook } = this;
    return this.notices.until(
      () => !outlook.hasOthersUp(outlook.group) || !outlook.isNamed,
      TAKE_NOTE_MS,
      UPKEEP_MS / 4,
      () => this.heart.now(),
    );
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
}
