/**
 * What the checker remembers of each thing in a history: its settings, nodes, calls, messages, entities and shards.
 * Plain records; the rules that read and change them are in `history-*-rules.ts`.
 */
import type { MessageKind } from '../message/envelope.js';
import type {
  Accepted,
  Answered,
  BlockedOrNot,
  CancelCalled,
  Dispatched,
  Ended,
  EnqueueCalled,
  EnqueueRejected,
  EnqueueResolved,
  HandlerEnded,
  LetterCalled,
  OperatorAnswered,
  OperatorCalled,
  Promoted,
  Purged,
  Quiescent,
  Replayed,
  Retried,
  ShardOpened,
  Started,
} from './history.js';
import type { Seen } from './history-report.js';

/** What an entity type declares, as far as it changes what is allowed. */
export interface EntityTypeRules {
  /** Default 1. */
  readonly maxAttempts: number;
  /** Default `dead-letter`. */
  readonly onInterrupt: 'dead-letter' | 'retry';
  /** Interruptions after which `onInterrupt: 'retry'` gives up (M13). Default 3. */
  readonly interruptionsMax: number;
  /** Messages of one entity that may be marked as started at the same time (I2). Default 1. */
  readonly dispatchAhead: number;
  /** Default `volatile`. */
  readonly queries: 'volatile' | 'durable';
  /** State-only handlers need no durable dispatch and may run again after a crash (I2). Default false. */
  readonly stateOnly: boolean;
}

export interface HistoryOptions {
  /** Rules by entity type; what is left out comes from `defaults`, then from the contract. */
  readonly entityTypes?: Readonly<Record<string, Partial<EntityTypeRules>>> | undefined;
  readonly defaults?: Partial<EntityTypeRules> | undefined;
  /** The order of the log holds across nodes (see `history.ts`). Default true. */
  readonly commonOrder?: boolean | undefined;
  /** Every producer writes to this log: a message that nobody enqueued is a violation. Default true. */
  readonly closedWorld?: boolean | undefined;
  /**
   * The store itself wrote what became durable, when it did: no news is lost with a process. Default false.
   */
  readonly storeTold?: boolean | undefined;
  /**
   * A volatile query may be asked of another node, and asked again of the next owner under another id: one that was dropped,
   * or ran twice, is no fault. Default: as `storeTold`.
   */
  readonly queriesTravel?: boolean | undefined;
  /** How far times in the log may be off, milliseconds. Default 0. */
  readonly clockToleranceMs?: number | undefined;
  /** What an owner may have left of its lease when it loses it, because clocks tick at different speed. Default 0. */
  readonly leaseToleranceMs?: number | undefined;
  /** Violations kept in the report. Default 100; all are counted. */
  readonly violationsMax?: number | undefined;
}

/** One life of a process. */
export interface LifeTrack {
  readonly node: string;
  seq: number;
  alive: boolean;
  crashed: boolean;
  /** Messages started here whose attempt has no durable outcome in the log. */
  readonly unsettled: Set<MessageTrack>;
  /** Messages whose handlers are at work here, also those that were given up. */
  readonly running: Set<MessageTrack>;
  /** Volatile queries in line here. */
  readonly queries: Set<MessageTrack>;
  /** Calls without an answer. */
  readonly calls: Set<CallTrack>;
}

export interface CallTrack {
  readonly called: Seen<EnqueueCalled>;
  readonly life: LifeTrack;
  message?: MessageTrack | undefined;
  /** A volatile query that had to be asked again, of the next owner. */
  askedAgain?: boolean | undefined;
  rejected?: Seen<EnqueueRejected> | undefined;
  answered?: Seen<Answered> | undefined;
}

/** How the last attempt of a message stands. `cut`: its process ended under it. */
export type RunState = 'none' | 'running' | 'returned' | 'threw' | 'cut';

export interface MessageTrack {
  readonly id: string;
  kind: MessageKind;
  entity?: EntityTrack | undefined;
  /** The call that made it; the earliest one, should a `messageId` have been used by several. */
  call?: CallTrack | undefined;
  accepted?: Seen<Accepted> | undefined;
  resolved?: Seen<EnqueueResolved> | undefined;
  promoted?: Seen<Promoted> | undefined;
  /** The letter whose replay made it. */
  origin?: Seen<Replayed> | undefined;
  messageId?: string | undefined;
  delayed: boolean;
  expiresAt: number;

  dispatched?: Seen<Dispatched> | undefined;
  firstStart?: Seen<Started> | undefined;
  lastStart?: Seen<Started> | undefined;
  handlerEnded?: Seen<HandlerEnded> | undefined;
  life?: LifeTrack | undefined;
  run: RunState;
  starts: number;
  interruptions: number;
  /** The attempt whose interruption is counted already. */
  interruptedAttempt: number;
  unblocks: number;
  /** It runs, or ran, although the store does not have it in line (`isBeforeLine`). */
  isEarly?: boolean | undefined;
  /** Its owner gave the running handler up. */
  abandoned?: boolean | undefined;
  /** Another start is allowed: a retry or an unblocking is durable. */
  granted: boolean;
  /** It must not start before its back-off ends or an operator acts, and nothing behind it may either. */
  held?: Seen<Retried | BlockedOrNot> | undefined;
  /** Crashes that the log had seen when the last news of this message came. A later one may have swallowed news. */
  crashesAtNews: number;
  crashesAtAccept: number;

  ended?: Seen<Ended> | undefined;
  /** Its handler was through and its process died before the log told the outcome: it may have ended. */
  maybeEnded: boolean;
  /** Verdicts that waiters got before the log called them durable. */
  earlyAnswers: Seen<Answered>[];
  cancelCalled?: Seen<CancelCalled> | undefined;
  letterCalled?: Seen<LetterCalled> | undefined;
  letterGone?: Seen<Replayed | Purged> | undefined;
  /** An operator was told that it is withdrawn, or skipped. */
  toldOver?: ToldDone | undefined;
  /** An operator was told that the dead letter is gone for good. */
  toldPurged?: ToldDone | undefined;
  /** An operator was told that the dead letter is in line again. */
  toldReplayed?: ToldDone | undefined;
  overtaken: boolean;
  /**
   * Everything had come to rest while it was due, unless it had ended in a process that died before telling; and the
   * delayed message that it may have waited for.
   */
  atRest?: { readonly seen: Seen<Quiescent>; readonly delayed: MessageTrack | undefined } | undefined;
  /** Some call is known to have led to it. */
  claimed: boolean;
  /** One of its callers withdraws it when its wait times out. */
  withdrawable?: boolean | undefined;
  /** Another message has its id now. */
  replaced?: boolean | undefined;
  /** The message that stands for this one, which is none: it came under a known `messageId`. */
  sameAs?: MessageTrack | undefined;
}

/** An operator's call and its answer. */
export interface ToldDone {
  readonly called: Seen<OperatorCalled>;
  readonly answered: Seen<OperatorAnswered>;
}

/** What operators were told of a line, or of all lines of a type. */
export interface PauseTrack {
  /** A pause that was answered, and nobody has asked for the contrary since. */
  inForce?: ToldDone | undefined;
  /** Calls to resume it without an answer: they may be done at any time. */
  openResumes: number;
  /** The position of the last answer to one. */
  lastResumed: number;
}

export interface EntityTrack {
  readonly entityType: string;
  readonly entityId: string;
  readonly rules: EntityTypeRules;
  /** Handlers at work, by message. */
  readonly running: Map<MessageTrack, Seen<Started>>;
  /** Messages marked as started without a durable outcome, with the crashes seen at the mark. */
  readonly marked: Map<MessageTrack, number>;
  /** In line and due: accepted, neither ended nor held. */
  readonly waiting: Set<MessageTrack>;
  /** Accepted and not due. */
  readonly delayed: Set<MessageTrack>;
  readonly held: Set<MessageTrack>;
  paused: boolean;
  cancelCalled?: Seen<CancelCalled> | undefined;
  /**
   * Of the messages that have started: the one whose `enqueue` was called last. One record for the whole log with a
   * common order, else one for each pair of starting and calling node.
   */
  readonly latestCallStarted: Map<string, MessageTrack>;
  lastStart?: Seen<Started> | undefined;
  /** Owner of each `messageId` (the message), and the first call that used it. */
  readonly messageIds: Map<string, MessageTrack>;
  readonly firstCalls: Map<string, CallTrack>;
}

export interface ShardTrack {
  /** The opening with the highest epoch. */
  opened?: Seen<ShardOpened> | undefined;
  /** The last commit that was sent, by epoch. */
  readonly sent: Map<number, Seen>;
  /** Messages whose handlers are at work under the present epoch or an earlier one. */
  readonly running: Set<MessageTrack>;
}

/**
 * A state-only handler may run before the store has its message: nobody has been told that it is kept, and nothing that the
 * handler did is, unless both become durable together (I2).
 */
export function isBeforeLine(ledger: { readonly storeTold: boolean }, message: MessageTrack): boolean {
  if (!ledger.storeTold || message.entity?.rules.stateOnly !== true) return false;
  return message.accepted === undefined && message.resolved === undefined && message.origin === undefined;
}

/** Where an entity stands in sentences. */
export function entityName(entity: EntityTrack | undefined): string | undefined {
  return entity === undefined ? undefined : `${entity.entityType}/${entity.entityId}`;
}

/** Whether the store promises to keep the message. */
export function isDurable(message: MessageTrack): boolean {
  return message.kind === 'command' || message.entity?.rules.queries === 'durable';
}
