/**
 * What travels: one message addressed to one entity, already encoded. The payload stays JSON text from the door to the
 * handler, so it is encoded once and decoded once.
 */
export type MessageKind = 'command' | 'query';

/** Small string annotations that travel with a message (trace context and the like). */
export type MessageHeaders = Readonly<Record<string, string>>;

export interface Envelope {
  /** Unique in the cluster, made by the producer before the first send. */
  readonly id: string;
  readonly kind: MessageKind;
  readonly entityType: string;
  readonly entityId: string;
  /** The stable wire name of the message class, e.g. `WithdrawCommand`. */
  readonly name: string;
  /** JSON text. */
  readonly payload: string;
  readonly headers?: MessageHeaders | undefined;
  /** The caller's idempotency key, scoped to the entity. */
  readonly messageId?: string | undefined;
  /**
   * Who waits for the verdict, as the transport names it, or any text for one who only looks into the store. Kept by
   * stores that several nodes share; the verdict of such a message stays for `waiterTtlMs` (M12).
   */
  readonly replyTo?: string | undefined;
  /**
   * Of a reminder, which stays delayed and sends a copy of itself each time it is due: its schedule, as JSON text. The
   * store keeps it and does not read it; who owns the shard works out the next time.
   */
  readonly recurrence?: string | undefined;
}

/** A handler's error as it is stored and sent: never a live object. */
export interface ErrorDescription {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** The error's own enumerable plain-data fields. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}
