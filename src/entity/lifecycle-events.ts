/**
 * What happens to messages and workers, as typed events. Tests, metrics and dashboards listen; nothing in the core
 * depends on a listener. Times are wall milliseconds since the epoch, durations milliseconds.
 */
import type { ErrorDescription, MessageKind } from '../message/envelope.js';
import type { FinalState } from '../wal/transition.js';

export interface MessageSubject {
  readonly id: string;
  readonly kind: MessageKind;
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
}

export interface LifecycleEvents {
  /** The message is durable (a query: in line). */
  accepted: MessageSubject & { readonly at: number };
  /** The door refused it; nothing was kept. */
  rejected: { readonly code: string; readonly entityType: string | undefined; readonly at: number };
  /**
   * The handler is about to get its first instruction: the dispatch is durable, or the handler is a state-only one, which
   * needs none. That of such a message may start before it is `accepted`.
   */
  started: MessageSubject & { readonly attempt: number; readonly fencingToken: string; readonly at: number };
  /** The handler's promise settled; the outcome is not durable yet. */
  settled: MessageSubject & { readonly attempt: number; readonly ok: boolean; readonly durationMs: number };
  /**
   * A state-only handler had run before its message was durable, and something else came first in line: nothing of that run
   * shows, and the same attempt is about to start again.
   */
  tookBack: MessageSubject & { readonly attempt: number };
  /** The attempt failed, another one will start in its place. */
  retried: MessageSubject & { readonly attempt: number; readonly notBefore: number; readonly error: ErrorDescription };
  /**
   * With `onFailure: 'block'`: the message failed for good or was interrupted, and stays at the head of its line, durably;
   * its entity waits until somebody retries or skips it (M17).
   */
  blocked: MessageSubject & { readonly attempt: number; readonly at: number; readonly error: ErrorDescription };
  /** A blocked message waits for another attempt. One that was skipped has `ended`. */
  unblocked: MessageSubject & { readonly attempt: number; readonly at: number };
  /** The verdict is durable. */
  ended: MessageSubject & {
    readonly state: FinalState;
    readonly attempt: number;
    readonly at: number;
    readonly error?: ErrorDescription | undefined;
  };
  /** The handler runs past its `handlerTimeout`; its entity waits (M18). */
  stuck: MessageSubject & { readonly attempt: number; readonly runningMs: number };
  /** The first message of an idle entity made its worker. */
  workerSpawned: { readonly entityType: string; readonly entityId: string };
  /** The worker went: idle for `workerIdleTimeout`, or evicted to make room. */
  workerRemoved: {
    readonly entityType: string;
    readonly entityId: string;
    readonly reason: 'idle' | 'evicted' | 'stopped';
  };
  /** An actor was made, from its stored state or afresh. */
  actorWoken: { readonly entityType: string; readonly entityId: string };
  /**
   * An actor went out of memory: unused for its idle timeout, to make room (`maxResidentActors`), thrown away because its
   * handler was given up while it was still at work, its stored state's time was up, or its shard went to another node.
   */
  actorPassivated: {
    readonly entityType: string;
    readonly entityId: string;
    readonly reason: 'idle' | 'evicted' | 'released' | 'expired' | 'stopped';
  };
  /** Messages whose type or name no handler here takes were found at start; they stay in line untouched. */
  parked: { readonly entityType: string; readonly name: string; readonly count: number };
  /** A group commit became durable. */
  committed: { readonly shard: number; readonly transitions: number; readonly durationMs: number };
  /** The store refuses to commit; new work gets `STORE_DEGRADED` until `recovered`. */
  degraded: { readonly reason: string };
  recovered: { readonly degradedMs: number };
  /** This node has become the owner of a shard and runs its messages. */
  shardOpened: { readonly shard: number; readonly epoch: number };
  /** Another node owns the shard now, or may: what ran here is refused by the store. Not emitted for a shard that was handed over. */
  shardLost: { readonly shard: number; readonly error: Error };
  /** A shard was opened so often without an owner that survived it that this node holds it back for a while (M13). */
  shardHeldBack: { readonly shard: number; readonly openings: number };
  /**
   * A store that was rolled back has lost messages that handlers of `shard` had sent and that `targetShard` had
   * acknowledged: at most so many. What follows them is sent.
   */
  outgoingLost: { readonly shard: number; readonly targetShard: number; readonly countMax: number };
  /** What was offered to a shard cannot be taken into the line: not JSON, too large, of a type that nobody has named. */
  quarantined: { readonly shard: number; readonly count: number };
  /** Dead letters of a type reached their limit; new work of the type is refused until some go (M17). */
  deadLettersFull: { readonly entityType: string; readonly count: number; readonly limit: number };
  /** Nothing is pending, running or being committed on this node. */
  idle: { readonly at: number };
  /** This node cannot go on safely and has stopped, e.g. its store vanished. */
  fatal: { readonly error: Error };
}
