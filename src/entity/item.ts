/**
 * One message on the node that runs it: what it carries, where it stands, and who waits for it.
 *
 * The stage is changed in the worker (`entity-worker.ts`) only, except that an item is born `appending` or `waiting`.
 */
import type { ErrorDescription, MessageHeaders, MessageKind } from '../message/envelope.js';
import type { Deadline } from '../runtime/deadlines.js';
import type { Participant } from '../wal/group-commit.js';
import type { Completion, Outcome, StoredMessage, Transition } from '../wal/transition.js';
import type { ResidentActor } from './actor-residents.js';
import type { EntityWorker } from './entity-worker.js';
import type { ActiveMessage } from './message-context.js';
import type { ReplyWaiter } from './reply-waiter.js';

export type ItemStage =
  /** Its append is on the way to the store. */
  | 'appending'
  /** Durable (a query: taken in) and in line. */
  | 'waiting'
  /** Its dispatch is on the way to the store. */
  | 'dispatching'
  /** Its dispatch is durable; it starts when those marked before it have finished. */
  | 'marked'
  /** Its handler has started. */
  | 'running'
  /** Its handler has settled (or never will be waited for); the outcome is on the way to the store. */
  | 'finishing'
  /** It failed for good and stays at the head of its line (M17). */
  | 'blocked'
  /** It is out of the line. */
  | 'ended';

/** A wait of a running handler for another message: what the detection of deadlocks follows. */
export interface WaitLink {
  /** The start of the handler that waits. */
  readonly waiting: ActiveMessage;
  /** False once the wait has ended, however it did. */
  active: boolean;
}

export class Item implements Participant {
  stage: ItemStage;
  /** Place in line; 0 until the store has assigned one, and always 0 for volatile queries. */
  seq = 0;
  attempt = 0;
  interruptions = 0;
  /** Wall time; 0 while not accepted. */
  enqueuedAt = 0;
  /** Backing off until this wall time; 0: due. */
  notBefore = 0;
  /** Wall time; 0: never. */
  expiresAt = 0;
  /** The append asked for a dispatch in the same commit. */
  appendDispatches = false;
  /**
   * That append, or the one of a message that may run early, until it is answered. One that has not been sent yet can still
   * do without the dispatch.
   */
  append: { dispatch: boolean; completes?: Completion | undefined } | undefined;
  /**
   * How it stands to running before it is durable (`early-runs.ts`): it may (`candidate`), has begun to, or has, and its
   * append is not answered yet (`begun`); or that run no longer counts and its handler is still at work (`dropped`).
   */
  early: 'candidate' | 'begun' | 'dropped' | undefined;
  /** Its append is in a commit. */
  isSealed = false;
  /** It ran before it was durable, and that run does not count: it starts again, with the same attempt. */
  ranInVain = false;
  /** Counted in the node's and the worker's depth. */
  counted = false;
  /** Characters of its payload that the node counts as held in memory. */
  residentLength = 0;
  /** Fencing number of the current attempt; 0 before the first start. */
  dispatchNumber = 0;
  /** Monotonic time of the handler's start. */
  startedAt = 0;
  reportedStuck = false;
  keepVerdict = false;
  /** Who waits for a message that came from the store: told when it ends. Those who wait here are `waiter`. */
  replyTo: string | undefined;
  /** An operator gave it up while its handler still ran: what the handler does now no longer counts. */
  released = false;
  /** It runs, or ran, without a durable dispatch; what it did is not durable yet. */
  isUnmarked = false;
  /** The actor whose message it is, while that runs it. */
  actor: ResidentActor | undefined;
  /** The actor's state after it, as far as it has to be stored with the completion. */
  actorState: string | null | undefined;
  /** The context of the current start. */
  active: ActiveMessage | undefined;
  /** A query that was about to start and was given back: it has no place, and all that is marked came after it (I4). */
  isNext = false;
  timeoutKey = -1;
  /** The watch over `expiresAt`, and its key. */
  expiry: Deadline | undefined;
  expiryKey = -1;
  waiter: ReplyWaiter | undefined;
  link: WaitLink | undefined;
  accepted: ((receipt: { readonly id: string }) => void) | undefined;
  refuse: ((error: Error) => void) | undefined;
  /** What the handler returned, as JSON text, until its verdict is durable. */
  reply: string | undefined;
  /** The reply could not be encoded: the message completed, and this is what the waiter gets. */
  replyError: Error | undefined;
  error: ErrorDescription | undefined;

  constructor(
    readonly worker: EntityWorker,
    public kind: MessageKind,
    /** A volatile query: it is in no store. */
    readonly isVolatile: boolean,
    public id: string,
    public name: string,
    /** JSON text; undefined when it is in the store only and must be loaded before the handler starts. */
    public payload: string | undefined,
    public headers: MessageHeaders | undefined,
    public messageId: string | undefined,
    stage: ItemStage,
  ) {
    this.stage = stage;
  }

  /** For errors about this message. */
  errorSubject(): { messageId: string; name: string; entityType: string; entityId: string } {
    const { entityType, entityId } = this.worker;
    return { messageId: this.id, name: this.name, entityType, entityId };
  }

  sealed(): void {
    if (this.early !== undefined) this.worker.early.sealed(this);
  }

  committed(outcome: Outcome, transition: Transition, now: number): void {
    this.worker.committed(this, outcome, transition, now);
  }

  refused(error: Error, transition: Transition): void {
    this.worker.refused(this, error, transition);
  }

  /** Takes over what the store knows, for an item that was in memory as a place only. */
  adopt(stored: StoredMessage): void {
    this.id = stored.id;
    this.kind = stored.kind;
    this.name = stored.name;
    this.payload = stored.payload;
    this.headers = stored.headers;
    this.messageId = stored.messageId;
    if (stored.replyTo !== undefined) {
      this.replyTo = stored.replyTo;
      this.keepVerdict = true;
    }
    this.enqueuedAt = stored.enqueuedAt;
    this.expiresAt = stored.expiresAt;
    this.interruptions = stored.interruptions;
  }
}
