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
    // Only who may ask later needs the reply in the store (M12); who waits now gets it from memory.
    const reply = item.messageId !== undefined || keepVerdict ? item.reply : undefined;
    const { actorState: state, active } = item;
    const stateTtlMs = item.actor?.binding.stateTtlMs;
    const outgoing = active === undefined || active.outgoing.length === 0 ? undefined : active.outgoing;
    if (starts === undefined && state === undefined && outgoing === undefined)
      return { type: 'complete', seq, reply, keepVerdict };
    return {
      type: 'complete',
      seq,
      reply,
      keepVerdict,
      ...(state !== undefined && { state }),
      ...(state !== undefined && stateTtlMs !== undefined && { stateTtlMs }),
      ...(outgoing !== undefined && { outgoing }),
      ...starts,
    };
  }
  const { error } = failure;
  const delayMs = failure.retryable ? retryDelayMs(policy.retry, item.attempt) : undefined;
  if (delayMs !== undefined) return { type: 'retry', seq, delayMs, error, ...starts };
  if (policy.onFailure === 'block') return { type: 'block', seq, error, ...starts };
  return { type: 'fail', seq, error, keepVerdict, ...starts };
}

/** The same for a handler that succeeded before its message had a place. */
export function completionOf({ messageId, keepVerdict, reply, actorState: state, active, actor }: Item): Completion {
  const stateTtlMs = actor?.binding.stateTtlMs;
  const outgoing = active === undefined || active.outgoing.length === 0 ? undefined : active.outgoing;
  return {
    reply: messageId !== undefined || keepVerdict ? reply : undefined,
    keepVerdict,
    state,
    stateTtlMs: state === undefined ? undefined : stateTtlMs,
    outgoing,
  };
}
