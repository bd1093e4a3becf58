/**
 * What a shard remembers, as plain data: `structuredClone` copies it and deep equality compares it. `shard-state.ts`
 * changes it, `shard-reads.ts` reads it. Records inside (messages, dead letters, verdicts) are never changed, only
 * replaced, so they may be handed out.
 */
import type { EntityKey } from '../message/entity-key.js';
import { type Compare, emptyNumberedList, emptySortedList, type NumberedList, type SortedList } from './shard-lists.js';
import type { QuarantinedOffer } from './shared-wal.js';
import type { DeadLetter, OutboxEntry, StoredMessage, Verdict } from './transition.js';
import type { CommitAnswer, Offer, PausedLine } from './wal.js';

/** Something that happens at a time; `order` decides between two at the same time. */
export interface Timed {
  readonly at: number;
  readonly order: number;
  readonly id: string;
}

export const compareTimed: Compare<Timed> = (left, right) => left.at - right.at || left.order - right.order;
export const compareNumbers: Compare<number> = (left, right) => left - right;

export interface DelayedMessage {
  readonly message: StoredMessage;
  readonly time: Timed;
}

export interface KeptVerdict {
  readonly id: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly verdict: Verdict;
  /** Key in `messageIds`, when the message had a `messageId`. */
  readonly messageKey: string | undefined;
  /** `at`: known before this wall time. */
  readonly time: Timed;
}

export interface ActorStateRecord {
  /** JSON text. */
  readonly text: string;
  /** Until when it counts (`at`); undefined: for good. */
  readonly time: Timed | undefined;
}

/** All single numbers of the state, together so that a refused commit can put them back at once. */
export interface ShardNumbers {
  nextSeq: number;
  nextDelayed: number;
  nextKept: number;
  nextLetter: number;
  accepted: number;
  completed: number;
  failed: number;
  interrupted: number;
  expired: number;
  cancelled: number;
}

export interface ShardState {
  readonly shard: number;
  epoch: number;
  /** The owner's incarnation; undefined while nobody owns the shard. */
  incarnation: string | undefined;
  /** The owning node's name, and its signs of life (M6). */
  node: string;
  beat: number;
  /** Openings in a row that no owner has survived (M13). */
  openings: number;
  /** Number and answer of the last commit of this epoch (M1). */
  commitNumber: number;
  lastAnswer: CommitAnswer | undefined;
  numbers: ShardNumbers;
  /** Messages with a place, under their `seq`. */
  line: NumberedList<StoredMessage>;
  /** The places of each entity that has any. */
  entities: Map<EntityKey, SortedList<number>>;
  /** `seq` of the messages that are `dispatched`. */
  started: Set<number>;
  /** Where each pending id is: its `seq`, or 0 when delayed. */
  places: Map<string, number>;
  delayed: Map<string, DelayedMessage>;
  delayedTimes: SortedList<Timed>;
  letters: NumberedList<DeadLetter>;
  letterNumbers: Map<string, number>;
  lettersByType: Map<string, number>;
  verdicts: Map<string, KeptVerdict>;
  verdictTimes: SortedList<Timed>;
  /** Which message a `messageId` stands for; every id in it is pending or has a kept verdict. */
  messageIds: Map<string, string>;
  /** Under the entity's key, or the bare type name (no key of an entity equals it, for it has no newline). */
  paused: Map<string, PausedLine>;
  /** `seq` of the messages that are `blocked`. */
  blocked: Set<number>;
  actorStates: Map<EntityKey, ActorStateRecord>;
  /** Of the states that expire. */
  actorStateTimes: SortedList<Timed>;
  outbox: OutboxEntry[];
  /** Last number used per target shard, and the epoch in which it was. */
  outboxNumbers: Map<number, { readonly epoch: number; readonly number: number }>;
  inbox: readonly Offer[];
  /** Highest number per session that is durable (in the inbox or taken in), and that a commit has taken in. */
  offered: Map<string, number>;
  taken: Map<string, number>;
  /** Empty: every type may be offered. */
  allowedTypes: Set<string>;
  quarantined: QuarantinedOffer[];
}

export function emptyShard(shard = 0): ShardState {
  return {
    shard,
    epoch: 0,
    incarnation: undefined,
    node: '',
    beat: 0,
    openings: 0,
    commitNumber: 0,
    lastAnswer: undefined,
    numbers: {
      nextSeq: 1,
      nextDelayed: 1,
      nextKept: 1,
      nextLetter: 1,
      accepted: 0,
      completed: 0,
      failed: 0,
      interrupted: 0,
      expired: 0,
      cancelled: 0,
    },
    line: emptyNumberedList(),
    entities: new Map(),
    started: new Set(),
    places: new Map(),
    delayed: new Map(),
    delayedTimes: emptySortedList(),
    letters: emptyNumberedList(),
    letterNumbers: new Map(),
    lettersByType: new Map(),
    verdicts: new Map(),
    verdictTimes: emptySortedList(),
    messageIds: new Map(),
    paused: new Map(),
    blocked: new Set(),
    actorStates: new Map(),
    actorStateTimes: emptySortedList(),
    outbox: [],
    outboxNumbers: new Map(),
    inbox: [],
    offered: new Map(),
    taken: new Map(),
    allowedTypes: new Set(),
    quarantined: [],
  };
}

/** Key of an idempotency key: the id's length keeps ids and keys with any characters apart. */
export function messageKey(entityType: string, entityId: string, messageId: string): string {
  return `${entityType}\n${entityId.length}\n${entityId}${messageId}`;
}
