/** What callers hear when they do not get what they asked for: the same words wherever the message was to go. */
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
    ...(error instanceof StoreUnavailableError && { retryable: error.recoverable }),
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

export function shuttingDown(subject?: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError('SHUTTING_DOWN', 'This node is shutting down and takes no new messages.', { subject });
}

/** A bulk is stored whole or not at all, and this message is not stored. */
export function notForBulk(query: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError(
    'INVALID_PAYLOAD',
    `"${query.name ?? ''}" is a query that is not stored, so it cannot be part of a bulk that is stored whole or not at all. Use enqueueAndWait.`,
    { subject: query },
  );
}

/** What becomes of a message whose verdict is not waited for any more. */
export type AfterTimeout = 'goes-on' | 'withdrawn' | 'query-gone';

export function replyTimeout(subject: ErrorSubject, timeoutMs: number, after: AfterTimeout): AtomicQueuesError {
  const { messageId: id = '', name = '', entityType = '', entityId = '' } = subject;
  const rest: Readonly<Record<AfterTimeout, string>> = {
    'goes-on': `The message itself goes on; status("${id}") tells how it stands.`,
    withdrawn: `It is withdrawn if it has not started; status("${id}") tells.`,
    'query-gone': 'Nothing is kept of a query; ask again.',
  };
  return new AtomicQueuesError(
    'REPLY_TIMEOUT',
    `No verdict on "${name}" for ${entityType} "${entityId}" within ${timeoutMs} ms. ${rest[after]}`,
    { subject },
  );
}
