/** What a settled handler means for its message. Pure: the worker commits what this returns. */
import type { ErrorDescription } from '../message/envelope.js';
import type { Transition } from '../wal/transition.js';
import type { Item } from './item.js';
import { type RetryPolicy, retryDelayMs } from './retry.js';

export interface HandlerFailure {
  readonly error: ErrorDescription;
  /** The handler's error does not rule another attempt out. */
  readonly retryable: boolean;
}

export type HandlerOutcome = Extract<Transition, { readonly type: 'complete' | 'retry' | 'fail' }>;

/** @param failure undefined when the handler succeeded. */
export function handlerOutcome(item: Item, failure: HandlerFailure | undefined, policy: RetryPolicy): HandlerOutcome {
  const { seq, keepVerdict } = item;
  if (failure === undefined) {
    // Only who may ask later needs the reply in the store (M12); who waits now gets it from memory.
    const reply = item.messageId !== undefined || keepVerdict ? item.reply : undefined;
    return { type: 'complete', seq, reply, keepVerdict };
  }
  const { error } = failure;
  const delayMs = failure.retryable ? retryDelayMs(policy, item.attempt) : undefined;
  return delayMs === undefined ? { type: 'fail', seq, error, keepVerdict } : { type: 'retry', seq, delayMs, error };
}
