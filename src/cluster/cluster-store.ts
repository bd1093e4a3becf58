/**
 * The port of what the nodes of a cluster know of each other: who is there, which entity types belong to which service
 * group, and which node is to run which shard. It is small, it is read whole, and nothing of it is trusted for safety:
 * what a node may write is decided by the epochs in the write-ahead log alone (I3).
 *
 * Liveness is the reader's judgement: a record says nothing of time, only its `beat` grows, and each reader measures with
 * its own monotonic clock how long it has stood still.
 */

export interface ClusterStore {
  /** Connects and checks. Idempotent. */
  start(): Promise<void>;
  /** Lets go of every connection. Idempotent. */
  stop(): Promise<void>;

  /**
   * The first word of a node: binds the group and its entity types, for good, and returns the group's index. Groups are
   * numbered in the order in which they are first seen. Group and types are kept without a time limit (M5).
   * @throws BindingConflictError when an entity type belongs to another group already; nothing is bound then.
   */
  bind(group: string, types: Readonly<Record<string, readonly string[]>>): Promise<number>;
  /**
   * Writes the node's record and reads everything: one round trip. A record of the same `serverId` with another
   * incarnation is replaced only with `replaces` naming that incarnation and its beat; otherwise the answer has
   * `rejected: true`, the other's record stays, and nothing was written. So it does when the record's `format` is lower
   * than the store's `lineFormat`, which the answer tells: nobody may be there who does not understand the lines.
   */
  beat(record: NodeRecord, replaces?: Pick<NodeRecord, 'incarnation' | 'beat'>): Promise<ClusterView & Rejection>;
  /** Reads everything and writes nothing: for those who only send. */
  view(): Promise<ClusterView>;
  /** Removes a node's record, if it is still this one. With a beat: only if it still stands there. */
  leave(serverId: string, incarnation: string, beat?: number): Promise<void>;
  /**
   * Writes a group's assignment table. Refused (false) unless `assignment.term` is higher than the stored one, or equal and
   * from the same master with a higher version.
   */
  assign(group: string, assignment: Assignment): Promise<boolean>;
  /**
   * Raises the format that lines are written in, for good. Refused (false) unless the stored table of the group is of this
   * term and this master, and every record understands the format, looked at in one step.
   */
  raiseLineFormat(group: string, raise: LineFormatRaise): Promise<boolean>;
}

export interface LineFormatRaise extends Pick<Assignment, 'term' | 'master'> {
  readonly lineFormat: number;
}

export interface Rejection {
  readonly rejected: boolean;
}

/** What a node says of itself. */
export interface NodeRecord {
  readonly serverId: string;
  /** Unique to one life of a node. */
  readonly incarnation: string;
  readonly group: string;
  /** Grows with every heartbeat. */
  readonly beat: number;
  /** `up`: takes shards. `sender`: has no handlers and owns nothing. `leaving`: gives its shards up. */
  readonly state: 'up' | 'sender' | 'leaving';
  /** Messages waiting on this node. */
  readonly load: number;
  /** Shards that it owns, with the messages waiting in each. */
  readonly shards: Readonly<Record<number, number>>;
  /** Entity types that it has handlers for. */
  readonly types: readonly string[];
  /** Entity types whose dead letters on this node are as many as there may be (M17). Absent: none. */
  readonly full?: readonly string[] | undefined;
  /** Version of the package. */
  readonly version: string;
  /** Newest format of lines that it reads and writes. */
  readonly format: number;
  /** Newest format of lines that it has met in the store, also where it does not understand it. Absent: the first. */
  readonly lineFormat?: number | undefined;
}

export interface Assignment {
  /** Grows with every new master. */
  readonly term: number;
  /** Grows with every change of a term. */
  readonly version: number;
  /** `serverId` of who wrote it. */
  readonly master: string;
  /** The `serverId` that is to run each shard of the group, by the shard's place in the group; empty: none yet. */
  readonly nodes: readonly string[];
}

export interface GroupBinding {
  readonly group: string;
  readonly index: number;
  /** Names of the messages of each entity type, as far as any node has told. `*`: any name. */
  readonly types: Readonly<Record<string, readonly string[]>>;
}

export interface ClusterView {
  readonly nodes: readonly NodeRecord[];
  readonly bindings: readonly GroupBinding[];
  /** By group. */
  readonly assignments: Readonly<Record<string, Assignment>>;
  /** What new messages are written in. */
  readonly lineFormat: number;
}

/** An entity type belongs to one service group, and this node says another. */
export class BindingConflictError extends Error {
  override readonly name = 'BindingConflictError';
  constructor(
    readonly entityType: string,
    readonly group: string,
    readonly boundTo: string,
  ) {
    super(
      `Entity type "${entityType}" belongs to service group "${boundTo}", and this node has handlers for it in group "${group}". Use one serviceGroup for all nodes that handle a type.`,
    );
  }
}
