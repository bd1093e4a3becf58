/** The port of a store that several nodes share: what `wal.ts` says, and how ownership of a shard passes from node to node. */
import type { EntityRef, OpenedShard, StatusRecord, Wal } from './wal.js';

/**
 * A store that several nodes share. Each owner's hold on its shard is a lease: the store counts the owner's signs of life
 * beside the data that they guard, and a shard that was not released is opened only by one who saw that count stand still
 * for a whole lease by its own monotonic clock (M6). The store knows no clock for leases; the nodes count.
 */
export interface SharedWal extends Wal {
  /**
   * As `Wal.open`, for one who respects the present owner. Opens a shard that has no owner, one whose owner is
   * `incarnation` itself, or one whose sign of life is still `claim.silent`, checked in one step with the opening.
   * Without a claim: opens whatever is there (tools and tests).
   * @throws ShardHeldError when the shard has an owner that was not silent. LineFormatError when the shard's lines are of a
   *   newer format than this node understands; nothing was changed then.
   */
  open(shard: number, incarnation: string, claim?: OpenClaim): Promise<OpenedShard>;
  /**
   * A sign of life without a commit. Every `open` and `commit` is one too. With `survived`, the owner says that it has
   * lived with the shard for a while: `SignOfLife.openings` is 0 again. @throws StaleEpochError
   */
  renew(shard: number, epoch: number, incarnation: string, survived?: boolean): Promise<void>;
  /** An operator's word that the shard may be opened at once, however often that went wrong: `openings` is 0 again. */
  forgetOpenings(shard: number): Promise<void>;
  /** The signs of life of these shards, in their order. */
  signs(shards: readonly number[]): Promise<readonly SignOfLife[]>;
  /**
   * The entity types that may be in this shard; offers of any other type go to the quarantine instead of the line. Until
   * it is called, every type may. Grows only: a node of an older version does not take away what a newer one knows.
   */
  allowTypes(shard: number, entityTypes: readonly string[]): Promise<void>;
  /**
   * The id of the message that an append with this `messageId` to this entity would be a duplicate of: of one that was taken
   * in, not of one that is only offered so far.
   */
  knownId(shard: number, entity: EntityRef, messageId: string): Promise<string | undefined>;
  /**
   * As `status` for several messages, in the order of the ids, for those who wait for many. Inboxes are not searched: of a
   * message that is only offered so far nothing is known.
   */
  statuses(shard: number, ids: readonly string[]): Promise<readonly (StatusRecord | undefined)[]>;
  /**
   * A hint brought texts with which the inbox of a shard that is owned here is said to begin. The next commit may take them
   * in without a look first, if the store confirms them. A store that has no use for it leaves it out.
   */
  hinted?(shard: number, offers: readonly string[]): void;
  /** The newest format of lines that this node reads and writes. Absent: the first, and the store knows no other. */
  readonly lineFormatMax?: number | undefined;
  /** The newest format of lines that it has met in the store, also in a shard that it could not open. Absent: the first. */
  readonly lineFormatMet?: number | undefined;
  /** All live nodes understand this format of lines: from now on it is written, if this node understands it, too. */
  useLineFormat?(lineFormat: number): void;
  /** What was offered and cannot be taken into the line, newest first, at most `limit`. */
  quarantine(shard: number, limit: number): Promise<readonly QuarantinedOffer[]>;
}

export interface OpenClaim {
  /** The opener's name, for `signs`. */
  readonly node: string;
  /** The sign of life that the opener saw stand still for a whole lease. Absent: only a shard without owner is opened. */
  readonly silent?: SignOfLife | undefined;
  /** The highest epoch of this shard that the opener has seen; the new one is higher (I6, M8). Default 0. */
  readonly epochSeen?: number | undefined;
}

export interface SignOfLife {
  readonly epoch: number;
  /** Undefined: the shard has no owner. */
  readonly incarnation: string | undefined;
  /** Name of the owning node, as it called itself; empty when it has no owner. */
  readonly node: string;
  /** Grows with everything that the owner does. */
  readonly beat: number;
  /**
   * Openings in a row of which no owner has said that it survived them, by `renew` or by a release (M13). Absent: the store
   * does not count them.
   */
  readonly openings?: number | undefined;
}

export interface QuarantinedOffer {
  /** The text as it stood in the inbox, cut to 4,096 characters. */
  readonly text: string;
  /** Why it cannot be taken in, in words. */
  readonly reason: string;
  /** Wall time, milliseconds. */
  readonly at: number;
}

/** The shard has an owner that gave a sign of life: it is not open to others. */
export class ShardHeldError extends Error {
  override readonly name = 'ShardHeldError';
  constructor(
    readonly shard: number,
    readonly sign: SignOfLife,
  ) {
    super(`Shard ${shard} is held by node "${sign.node}" with epoch ${sign.epoch}, which gave a sign of life.`);
  }
}

/** A newer version has written to the shard what this one does not understand: it is for others to open. */
export class LineFormatError extends Error {
  override readonly name = 'LineFormatError';
  constructor(
    readonly shard: number,
    readonly lineFormat: number,
    readonly lineFormatMax: number,
  ) {
    super(
      `The lines of shard ${shard} are of format ${lineFormat}, and this node understands formats up to ${lineFormatMax}. A node of a newer version has to open it.`,
    );
  }
}

/** For the operator of a node that does not understand what the store's lines are written in. */
export function lineFormatText(lineFormat: number, lineFormatMax: number): string {
  return `The lines of this store are of format ${lineFormat}, and this node understands formats up to ${lineFormatMax}: newer nodes have raised it, after which older ones cannot come back. Start this node with the version that the others have, or a newer one.`;
}

/** The shard has as many pending messages as it may have; nothing of the offer was taken. */
export class ShardFullError extends Error {
  override readonly name = 'ShardFullError';
  constructor(
    readonly shard: number,
    readonly depth: number,
    readonly depthMax: number,
  ) {
    super(
      `Shard ${shard} holds ${depth} pending messages and offers, and may hold ${depthMax}; the offer does not fit.`,
    );
  }
}
