/**
 * What a caller may ask for with a message, and what the door needs to know to let it in. All durations in milliseconds.
 */
import type { MessageHeaders, MessageKind } from '../message/envelope.js';

export interface EnqueueOptions {
  /**
   * Idempotency key, scoped to the entity: a second message with it is not a second message. At most 256 characters.
   * Remembered until `wal.entryTTL` after the first one's end.
   */
  readonly messageId?: string | undefined;
  /** The message ends as `expired` unless its handler starts within this time. */
  readonly expiresInMs?: number | undefined;
  /** The message takes its place in line this much later, and blocks nobody before. */
  readonly delayMs?: number | undefined;
  /** As `delayMs`, at a wall time (milliseconds since the epoch, or a Date). In the past: at once. */
  readonly runAt?: number | Date | undefined;
  /** Small annotations that travel with the message; the handler finds them in `currentMessage().headers`. */
  readonly headers?: MessageHeaders | undefined;
}

export interface WaitOptions extends EnqueueOptions {
  /** How long to wait for the verdict; the message itself goes on. Default: the type's `replyTimeout`. 0: for ever. */
  readonly timeoutMs?: number | undefined;
  /** When the wait times out, withdraw the message if its handler has not started. */
  readonly cancelOnTimeout?: boolean | undefined;
}

/** A message on its way in: encoded, checked, with its handler known. */
export interface Submission {
  readonly kind: MessageKind;
  /** A query that is not written to the store. */
  readonly isVolatile: boolean;
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
  readonly payload: string;
  readonly options: EnqueueOptions;
}

export interface Receipt {
  /** The id of the accepted message; with a known `messageId`, the id of the first one. */
  readonly id: string;
}
