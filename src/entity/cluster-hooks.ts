/**
 * What the owner of a shard needs of the cluster that its node is in: who else may be waiting, and where waits go when the
 * shard goes. A node that is alone has none of it.
 */
import type { MessageHeaders } from '../message/envelope.js';
import type { ErrorSubject } from '../message/errors.js';
import type { Deadlines } from '../runtime/deadlines.js';
import type { Verdict } from '../wal/transition.js';
import type { ReplyWaiter } from './reply-waiter.js';

export interface ClusterHooks {
  /** Where verdicts for those who wait on this node are sent; stands in `Envelope.replyTo`. */
  readonly address: string;
  /** How often an idle owner looks for offers that no hint told of, milliseconds. */
  readonly offerPollMs: number;
  /** The node's, for those who wait: a wait outlives the tenure that it began in. */
  readonly deadlines: Deadlines;
  /** Whether the lease still lets handlers start (M7). Asked right before each start. */
  mayStart(): boolean;
  /**
   * Whether messages may be marked and handed on to start: as `mayStart` by the monotonic clock alone, which is cheaper.
   * The start itself is asked for on its own.
   */
  seemsToHold(): boolean;
  /** Tells who waits on another node, or here for a message that was offered. A hint: it may be lost. */
  tell(replyTo: string, id: string, verdict: Verdict): void;
  /** This node will not run the message; whoever runs it makes the verdict. */
  waitElsewhere(id: string, subject: ErrorSubject, waiter: ReplyWaiter): void;
  /** This node will not run the query; whoever owns its entity now does. */
  askElsewhere(query: VolatileQuery, waiter: ReplyWaiter): void;
  /** Address of the node that owns a shard, if that is known: a hint that there is something goes there. */
  ownerOf(shard: number): string | undefined;
  /** The shard cannot be written by this owner any more. Its waits have gone elsewhere. */
  lost(error: Error): void;
}

export interface VolatileQuery {
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
  /** JSON text. */
  readonly payload: string;
  readonly headers: MessageHeaders | undefined;
}
