/**
 * As `recordWal`, for a store that several nodes share. Put where the store itself is (as the simulated cluster does), it
 * writes down what becomes durable in the moment when it does, for all nodes: use `storeTold` with the checker then.
 */
import type { OpenClaim, QuarantinedOffer, SharedWal, SignOfLife } from '../wal/shared-wal.js';
import type { EntityRef, OpenedShard, StatusRecord } from '../wal/wal.js';
import type { HistoryRecorder } from './history-recorder.js';
import { type CallOfEnvelope, RecordingWal } from './history-recording-wal.js';

export interface SharedRecording {
  readonly callOf?: CallOfEnvelope | undefined;
  /** What the shard's owner has left of its lease now, by its own clock; undefined when it has given the shard up. */
  readonly leaseLeftMs?: ((shard: number) => number | undefined) | undefined;
}

export class RecordingSharedWal extends RecordingWal implements SharedWal {
  constructor(
    private readonly shared: SharedWal,
    recorder: HistoryRecorder,
    private readonly recording: SharedRecording = {},
  ) {
    super(shared, recorder, recording.callOf ?? (() => undefined));
  }

  override async open(shard: number, incarnation: string, claim?: OpenClaim): Promise<OpenedShard> {
    const leaseLeftMs = this.recording.leaseLeftMs?.(shard);
    const opened = await this.shared.open(shard, incarnation, claim);
    const taken = !opened.clean;
    this.recorder.record({
      type: 'opened',
      shard,
      epoch: opened.epoch,
      ...(taken && { taken }),
      ...(taken && leaseLeftMs !== undefined && { leaseLeftMs }),
    });
    return opened;
  }

  renew(shard: number, epoch: number, incarnation: string, survived?: boolean): Promise<void> {
    return this.shared.renew(shard, epoch, incarnation, survived);
  }

  forgetOpenings(shard: number): Promise<void> {
    return this.shared.forgetOpenings(shard);
  }

  knownId(shard: number, entity: EntityRef, messageId: string): Promise<string | undefined> {
    return this.shared.knownId(shard, entity, messageId);
  }

  statuses(shard: number, ids: readonly string[]): Promise<readonly (StatusRecord | undefined)[]> {
    return this.shared.statuses(shard, ids);
  }

  signs(shards: readonly number[]): Promise<readonly SignOfLife[]> {
    return this.shared.signs(shards);
  }

  allowTypes(shard: number, entityTypes: readonly string[]): Promise<void> {
    return this.shared.allowTypes(shard, entityTypes);
  }

  hinted(shard: number, offers: readonly string[]): void {
    this.shared.hinted?.(shard, offers);
  }

  quarantine(shard: number, limit: number): Promise<readonly QuarantinedOffer[]> {
    return this.shared.quarantine(shard, limit);
  }
}
