/** What callers hear when the store did not do what they asked for. */
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import { StaleEpochError, StoreUnavailableError } from '../wal/wal.js';

/** The message of this call was not accepted, or nobody knows. */
/**
 * @param stopping the node takes nothing more.
 * @param moved there are other nodes, and one of them has the shard now or will have it.
 */
export function notAccepted(
  error: Error,
  subject: ErrorSubject | undefined,
  stopping: boolean,
  moved = false,
): AtomicQueuesError {
  if (error instanceof StoreUnavailableError && error.applied === 'unknown') {
    return new AtomicQueuesError(
      'INDETERMINATE',
      `The store's answer was lost, so it is not known whether this message was kept: ${error.message} Send it again with the same messageId if it had one; otherwise look before you do.`,
      { subject, cause: error, retryable: false },
    );
  }
  if (moved && !(error instanceof StoreUnavailableError)) {
    return new AtomicQueuesError(
      'NOT_OWNER',
      `The message's entity has moved to another node before the message was stored; nothing was kept of this call. ${error.message}`,
      { subject, cause: error, retryable: true },
    );
  }
  if (stopping) {
    return new AtomicQueuesError('SHUTTING_DOWN', 'This node is shutting down; nothing was kept of this call.', {
      subject,
      cause: error,
    });
  }
  if (error instanceof StaleEpochError)
    return new AtomicQueuesError('STALE_EPOCH', error.message, { subject, cause: error });
  return new AtomicQueuesError('STORE_DEGRADED', `The store did not take the commit: ${error.message}`, {
    subject,
    cause: error,
  });
}

/** The message is accepted, and this node will not learn its verdict. */
export function verdictUnknown(error: Error, subject: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError(
    'INDETERMINATE',
    `Message ${subject.messageId ?? ''} is in the store, but this node can no longer write to it and will not learn the verdict: ${error.message} status() tells after a restart; do not send it again.`,
    { subject, cause: error, retryable: false },
  );
}
