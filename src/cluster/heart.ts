/**
 * A node's place among the others: it joins under its `serverId`, beats, reads what the others say, and leaves. Everything
 * that it learns goes to one listener.
 *
 * Owns: the heartbeat's timer and the membership as this node sees it.
 */
import { AtomicQueuesError } from '../message/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TimerHandle } from '../runtime/timers.js';
import { lineFormatText } from '../wal/shared-wal.js';
import { StoreUnavailableError } from '../wal/wal.js';
import type { ClusterStore, ClusterView, NodeRecord } from './cluster-store.js';
import { isAlive, longDead, type MembershipState, nobodySeen, seen } from './membership.js';

export interface HeartOptions {
  readonly runtime: Runtime;
  readonly store: ClusterStore;
  readonly heartbeatMs: number;
  readonly nodeTTLMs: number;
  readonly logger: Logger;
  /** What the node says of itself at this moment, all but the beat. */
  readonly record: () => Omit<NodeRecord, 'beat'>;
  readonly seen: (view: ClusterView, membership: MembershipState) => void;
  /** Another process has taken this node's `serverId`, or the others write lines that it does not understand. */
  readonly superseded: (error: Error) => void;
}

export class Heart {
  private beatNumber = 0;
  private membership: MembershipState;
  private timer: TimerHandle | undefined;
  private isBeating = false;
  private beatAgain = false;
  private isRunning = false;
  private isJoined = false;

  constructor(private readonly options: HeartOptions) {
    const { heartbeatMs, nodeTTLMs } = options;
    this.membership = nobodySeen({ heartbeatMs, nodeTTLMs });
  }

  /**
   * The first heartbeats. A record of the same `serverId` that stands still is what a crashed process left; it is replaced.
   * @throws AtomicQueuesError `CONFIG_INVALID` when another live node has this `serverId`. StoreUnavailableError when the
   * store's lines are of a newer format than this node understands.
   */
  async join(): Promise<void> {
    const { store, runtime, heartbeatMs, record } = this.options;
    const { serverId } = record();
    let other: NodeRecord | undefined;
    let replaces: NodeRecord | undefined;
    for (;;) {
      const view = await store.beat(this.nextRecord(), replaces);
      this.look(view);
      if (!view.rejected) break;
      const tooOld = lineFormatFault(view, record());
      if (tooOld !== undefined) throw new StoreUnavailableError(tooOld, 'no', false);
      const found = view.nodes.find((node) => node.serverId === serverId);
      if (other !== undefined && found !== undefined && isSameLife(other, found) && other.beat !== found.beat) {
        throw new AtomicQueuesError(
          'CONFIG_INVALID',
          `cluster.serverId "${serverId}" is the name of another live node. Give each process a name of its own, or none.`,
        );
      }
      other = found;
      const member = this.membership.members.get(serverId);
      // A graceful leaver is on its way out; a silent one is dead.
      replaces = member !== undefined && !isAlive(member, this.membership.times) ? member.record : undefined;
      if (replaces === undefined) await new Promise<void>((resolve) => runtime.timers.set(resolve, heartbeatMs));
    }
    this.isJoined = true;
  }

  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.arm();
  }

  /** Beats now, beside the rhythm: something has changed. */
  async now(): Promise<void> {
    if (!this.isJoined) return;
    if (this.isBeating) {
      this.beatAgain = true;
      return;
    }
    this.isBeating = true;
    try {
      do {
        this.beatAgain = false;
        await this.beat();
      } while (this.beatAgain);
    } catch {
      // A store that does not answer is asked again with the next beat; whether the node is degraded is told elsewhere.
    } finally {
      this.isBeating = false;
    }
  }

  stop(): void {
    this.isRunning = false;
    if (this.timer !== undefined) this.options.runtime.timers.clear(this.timer);
    this.timer = undefined;
  }

  /** Takes this node's record away, so that the others need not wait for its silence. */
  async leave(): Promise<void> {
    this.stop();
    if (!this.isJoined) return;
    this.isJoined = false;
    const { serverId, incarnation } = this.options.record();
    try {
      await this.options.store.leave(serverId, incarnation);
    } catch {
      this.options.logger.warn('This node could not take its record away; the others find it silent and go on.');
    }
  }

  private arm(): void {
    if (!this.isRunning) return;
    this.timer = this.options.runtime.timers.set(() => {
      this.arm();
      void this.now();
    }, this.options.heartbeatMs);
  }

  private async beat(): Promise<void> {
    const view = await this.options.store.beat(this.nextRecord());
    if (!this.isJoined) return;
    this.look(view);
    if (view.rejected) {
      this.isJoined = false;
      this.stop();
      const record = this.options.record();
      const { serverId } = record;
      this.options.superseded(
        new Error(
          lineFormatFault(view, record) ??
            `Another process has taken the serverId "${serverId}" of this node, which was silent for too long or is not alone with its name. This node stops.`,
        ),
      );
      return;
    }
    for (const { record } of longDead(this.membership)) {
      void this.options.store.leave(record.serverId, record.incarnation, record.beat).catch(() => {});
    }
  }

  private look(view: ClusterView): void {
    this.membership = seen(this.membership, view, this.options.runtime.clock.monotonic());
    this.options.seen(view, this.membership);
  }

  private nextRecord(): NodeRecord {
    this.beatNumber += 1;
    return { ...this.options.record(), beat: this.beatNumber };
  }
}

/** Why a node of an older version is rejected; undefined when that is not why. */
function lineFormatFault({ lineFormat }: ClusterView, { format }: Pick<NodeRecord, 'format'>): string | undefined {
  return format < lineFormat ? lineFormatText(lineFormat, format) : undefined;
}

function isSameLife(one: NodeRecord, other: NodeRecord): boolean {
  return one.incarnation === other.incarnation;
}
