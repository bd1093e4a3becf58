/**
 * The one error class of the library and its stable codes. Every refusal, verdict and misconfiguration that a user can
 * meet is an `AtomicQueuesError`; what a code means is told once, here. It lives in `runtime` because configuration
 * fails with it too; users and the rest of the library import it through `message/errors.ts`.
 */

/**
 * Each code with its default `retryable`: whether the same call, repeated as it is, can succeed later without doing
 * anything twice. `INTERRUPTED`, `REPLY_TIMEOUT` and `HANDLER_FAILED` are not: the first message may have run.
 */
const RETRYABLE_BY_CODE = {
  QUEUE_DEPTH_EXCEEDED: true,
  WORKER_LIMIT_EXCEEDED: true,
  PAYLOAD_TOO_LARGE: false,
  INVALID_PAYLOAD: false,
  ENTITY_ID_MISSING: false,
  UNKNOWN_ENTITY_TYPE: false,
  UNKNOWN_MESSAGE: false,
  NO_HANDLER: false,
  HANDLER_FAILED: false,
  INTERRUPTED: false,
  EXPIRED: false,
  CANCELLED: false,
  REPLY_TIMEOUT: false,
  DEADLOCK: false,
  STORE_DEGRADED: true,
  STALE_EPOCH: false,
  NOT_OWNER: true,
  SHUTTING_DOWN: true,
  INDETERMINATE: true,
  BACKPRESSURE: true,
  HANDLER_TIMEOUT: false,
  ENTITY_PAUSED: true,
  STATE_INVALID: false,
  SCHEMA_CONFLICT: false,
  CONFIG_INVALID: false,
} as const satisfies Record<string, boolean>;

export type ErrorCode = keyof typeof RETRYABLE_BY_CODE;

/** All codes, for tests, documents and switch statements over strings that came from elsewhere. */
export const errorCodes: readonly ErrorCode[] = Object.freeze(Object.keys(RETRYABLE_BY_CODE) as ErrorCode[]);

/** What an error is about. Only the ids that are known are there. */
export interface ErrorSubject {
  /** The id of the message that `enqueue` resolved to. */
  readonly messageId?: string | undefined;
  /** The wire name of the message. */
  readonly name?: string | undefined;
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
  readonly shard?: number | undefined;
}

export interface AtomicQueuesErrorOptions {
  /** Overrides the default of the code. */
  readonly retryable?: boolean | undefined;
  readonly subject?: ErrorSubject | undefined;
  readonly cause?: unknown;
  /** Further plain data for programs: limits, counts, paths. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** A registered symbol, so that an error from another copy of this package is recognised as well. */
const BRAND = Symbol.for('atomic-queues.error');

export class AtomicQueuesError extends Error {
  /** Stable: programs may switch on it. The message is for people and may change. */
  readonly code: ErrorCode;
  /** Whether the same call, repeated as it is, can succeed later without doing anything twice. */
  readonly retryable: boolean;
  /** The ids that are involved. */
  declare readonly subject?: ErrorSubject;
  /** Further plain data for programs. */
  declare readonly details?: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: AtomicQueuesErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE_BY_CODE[code];
    if (options.subject !== undefined) this.subject = options.subject;
    if (options.details !== undefined) this.details = options.details;
  }

  get [BRAND](): true {
    return true;
  }
}

// On the prototype, so that the name is not one of the error's own data fields.
Object.defineProperty(AtomicQueuesError.prototype, 'name', {
  value: 'AtomicQueuesError',
  configurable: true,
  writable: true,
});

/** Whether `value` is an error of this library (of any copy of it), and of the given code if one is named. */
export function isAtomicQueuesError(value: unknown, code?: ErrorCode): value is AtomicQueuesError {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const error = value as { readonly [BRAND]?: unknown; readonly code?: unknown };
    return error[BRAND] === true && (code === undefined || error.code === code);
  } catch {
    // A proxy may throw on any look at it; then it is not one of ours.
    return false;
  }
}
