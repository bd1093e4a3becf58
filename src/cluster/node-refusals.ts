/** What a node of a cluster says to callers for whom it does nothing (any more). */
import type { EnginePhase } from '../entity/engine.js';
import { shuttingDown } from '../entity/refusals.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';

export interface NodeStanding {
  readonly phase: EnginePhase;
  readonly lostWith: Error | undefined;
  /** Redis does not answer. */
  readonly isDegraded: boolean;
}

/** Why a message is not taken in; undefined when it is. `finishing`: a handler that is at work sends it. */
export function refusalOf(
  { phase, lostWith, isDegraded }: NodeStanding,
  subject: ErrorSubject,
  finishing: boolean,
): AtomicQueuesError | undefined {
  if (phase === 'accepting' || phase === 'running' || (phase === 'draining' && finishing)) {
    if (!isDegraded) return undefined;
    return new AtomicQueuesError(
      'STORE_DEGRADED',
      'Redis does not answer at the moment; nothing was kept of this message.',
      { subject },
    );
  }
  return phase === 'lost' ? nodeLost(lostWith, subject) : shuttingDown(subject);
}

/** What stands where its store was is none of this node's: it writes nothing there, and reads nothing. */
export function nodeLost(lostWith: Error | undefined, subject?: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError('STORE_DEGRADED', `This node has stopped: ${lostWith?.message ?? ''}`, {
    subject,
    retryable: false,
  });
}

/** For callers who wait for a message that others run. */
export function stillInStore(messageId: string, subject: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError(
    'SHUTTING_DOWN',
    `This node has stopped. Message ${messageId} is in the store and runs on another node; do not send it again.`,
    { subject: { ...subject, messageId }, retryable: false },
  );
}
