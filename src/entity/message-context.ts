/**
 * What a handler can know about the message it works on, without it being passed through every call:
 * `currentMessage()` reads it from async local storage.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { MessageHeaders } from '../message/envelope.js';
import type { OutgoingMessage } from '../wal/transition.js';
import { fencingToken } from './fencing-token.js';
import type { Item } from './item.js';

export interface MessageContext {
  readonly id: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Grows with every start in the entity's shard, as text; hand it to systems that can refuse a late writer. */
  readonly fencingToken: string;
  /** Aborted at `handlerTimeout`, at the shutdown deadline, or when this node loses the entity. */
  readonly signal: AbortSignal;
  /** Wall time of acceptance, milliseconds since the epoch. */
  readonly enqueuedAt: number;
  readonly headers: MessageHeaders;
}

const NO_HEADERS: MessageHeaders = Object.freeze({});

/** A reserved header: the entities whose handlers wait for this message from another node; see `deadlock.ts`. */
export const CHAIN_HEADER = 'aq-waiting-chain';

/** The context of one start. Values that most handlers never read are made on first use. */
export class ActiveMessage implements MessageContext {
  readonly id: string;
  readonly attempt: number;
  /** What this start sends with its completion (M15), in order. */
  readonly outgoing: OutgoingMessage[] = [];
  /** What the handler enqueues becomes durable with its completion (`outbox: 'atomic'`). Set before the handler begins. */
  sendsWithCompletion = false;
  private readonly dispatchNumber: number;
  private controller: AbortController | undefined;
  private abortReason: Error | undefined;

  constructor(
    readonly item: Item,
    private readonly epoch: number,
  ) {
    this.id = item.id;
    this.attempt = item.attempt;
    this.dispatchNumber = item.dispatchNumber;
  }

  /** Which start this is: no two of a shard share epoch and number. Not part of what a handler sees. */
  get start(): { readonly epoch: number; readonly number: number } {
    return { epoch: this.epoch, number: this.dispatchNumber };
  }

  get entityType(): string {
    return this.item.worker.entityType;
  }

  get entityId(): string {
    return this.item.worker.entityId;
  }

  get name(): string {
    return this.item.name;
  }

  get fencingToken(): string {
    return fencingToken(this.epoch, this.dispatchNumber);
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.abortReason !== undefined) this.controller.abort(this.abortReason);
    }
    return this.controller.signal;
  }

  get enqueuedAt(): number {
    // A state-only handler may run before its message is durable: then that is about to be.
    return this.item.enqueuedAt === 0 ? this.item.worker.host.now() : this.item.enqueuedAt;
  }

  /** Fires the signal. Not part of what a handler sees. */
  abort(reason: Error): void {
    this.abortReason ??= reason;
    this.controller?.abort(reason);
  }

  get headers(): MessageHeaders {
    const { headers } = this.item;
    if (headers === undefined) return NO_HEADERS;
    if (headers[CHAIN_HEADER] === undefined) return headers;
    const { [CHAIN_HEADER]: _own, ...theirs } = headers;
    return theirs;
  }
}

const storage = new AsyncLocalStorage<ActiveMessage>();

export function runWithMessage<T>(active: ActiveMessage, callback: () => T): T {
  return storage.run(active, callback);
}

/** The message whose handler is running here, or undefined outside of a handler. */
export function currentMessage(): MessageContext | undefined {
  return storage.getStore();
}

/**
 * Runs a callback as if it were not part of the handler: what it enqueues goes out at once and stays, whatever becomes of
 * the handler, and `currentMessage()` is undefined in it. For work that a handler only sets off: a connection that is made
 * once, a timer that goes on.
 */
export function outsideMessage<T>(callback: () => T): T {
  return storage.exit(callback);
}

/** For the engine: the start whose context this is, settled or not. */
export function contextStart(): ActiveMessage | undefined {
  return storage.getStore();
}

/** For the engine: the running start, or undefined when there is none or its handler has settled already. */
export function currentStart(): ActiveMessage | undefined {
  const active = storage.getStore();
  return active !== undefined && active.item.stage === 'running' && active.item.active === active ? active : undefined;
}
