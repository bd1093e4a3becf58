/** What a settled handler means for its message. Pure: the worker commits what this returns. */
import type { ErrorDescription } from '../message/envelope.js';
import type { Completion, Transition } from '../wal/transition.js';
import type { Item } from './item.js';
import { type RetryPolicy, retryDelayMs } from './retry.js';

export interface HandlerFailure {
  readonly error: ErrorDescription;
  /** The handler's error does not rule another attempt out. */
  readonly retryable: boolean;
}

export type HandlerOutcome = Extract<Transition, { readonly type: 'complete' | 'retry' | 'fail' | 'block' }>;

export interface FailurePolicy {
  readonly retry: RetryPolicy;
  readonly onFailure: 'dead-letter' | 'block';
}

/** @param failure undefined when the handler succeeded. */
export function handlerOutcome(item: Item, failure: HandlerFailure | undefined, policy: FailurePolicy): HandlerOutcome {
  const { seq, keepVerdict } = item;
  // The fields are there only where they say something: a plain completion is the most frequent transition of all.
  const starts = item.isUnmarked ? ({ starts: true } as const) : undefined;
  if (failure === undefined) {
    const isPlain = starts === undefined && item.actorState === undefined && item.replyError === undefined;
    if (isPlain && outgoingOf(item) === undefined)
      return { type: 'complete', seq, reply: keptReplyOf(item), keepVerdict };
    return { type: 'complete', seq, ...completionOf(item), ...starts };
  }
  const { error } = failure;
  const delayMs = failure.retryable ? retryDelayMs(policy.retry, item.attempt) : undefined;
  if (delayMs !== undefined) return { type: 'retry', seq, delayMs, error, ...starts };
  if (policy.onFailure === 'block') return { type: 'block', seq, error, ...starts };
  return { type: 'fail', seq, error, keepVerdict, ...starts };
}

/** What a handler that succeeded leaves to become durable. */
export function completionOf(item: Item): Completion {
  const { keepVerdict, actorState: state } = item;
  return {
    reply: keptReplyOf(item),
    keepVerdict,
    untold: item.replyError === undefined ? undefined : true,
    state,
    stateTtlMs: state === undefined ? undefined : item.actor?.binding.stateTtlMs,
    outgoing: outgoingOf(item),
  };
}

/** Only who may ask later needs the reply in the store (M12); who waits now gets it from memory. */
function keptReplyOf({ messageId, keepVerdict, reply }: Item): string | undefined {
  return messageId !== undefined || keepVerdict ? reply : undefined;
}

function outgoingOf({ active }: Item): Completion['outgoing'] {
  return active === undefined || active.outgoing.length === 0 ? undefined : active.outgoing;
}
