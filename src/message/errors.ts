/**
 * Errors as the message layer and everything above it use them: the error class with its codes, and the way of a
 * handler's own error from where it was thrown to who waits for it.
 */
import { AtomicQueuesError, type ErrorSubject } from '../runtime/error.js';
import type { ErrorDescription } from './envelope.js';
import { reviveError } from './error-description.js';

export {
  AtomicQueuesError,
  type AtomicQueuesErrorOptions,
  type ErrorCode,
  type ErrorSubject,
  errorCodes,
  isAtomicQueuesError,
} from '../runtime/error.js';
export { describeError, reviveError } from './error-description.js';

/** The `HANDLER_FAILED` error for a waiter, with the handler's own error as `cause`. */
export function handlerFailed(subject: ErrorSubject, description: ErrorDescription): AtomicQueuesError {
  const what = subject.name === undefined ? 'The handler' : `The handler of ${subject.name}`;
  const where =
    subject.entityType === undefined ? '' : ` for ${subject.entityType}/${JSON.stringify(subject.entityId ?? '')}`;
  return new AtomicQueuesError(
    'HANDLER_FAILED',
    `${what}${where} failed: ${description.name}: ${description.message}`,
    {
      subject,
      cause: reviveError(description),
    },
  );
}

/**
 * Whether a handler that threw this may run again, if attempts are left. A handler says no by throwing an error with an
 * own field `retryable: false`; the library's own errors carry that field too. Never throws.
 */
export function isRetryable(thrown: unknown): boolean {
  if (typeof thrown !== 'object' || thrown === null) return true;
  try {
    return !(Object.hasOwn(thrown, 'retryable') && (thrown as { readonly retryable?: unknown }).retryable === false);
  } catch {
    return true;
  }
}
