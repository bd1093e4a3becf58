/**
 * The port of what nodes tell each other directly. Everything that goes this way may be lost, doubled, late or out of
 * order: it only saves time. What must be true is in the stores, and a poll finds it without any of this.
 *
 * A node is addressed by its incarnation, which is unique to one life, so that nothing reaches a namesake.
 */
import type { MessageHeaders } from '../../message/envelope.js';
import type { ErrorCode } from '../../runtime/error.js';
import type { Verdict } from '../../wal/transition.js';

export interface Transport {
  /** Connects and begins to listen. `receive` is called for everything that arrives for this node. Idempotent. */
  start(incarnation: string, receive: (message: TransportMessage) => void): Promise<void>;
  /** Lets go of every connection; afterwards nothing is received and what is sent is dropped. Idempotent. */
  stop(): Promise<void>;
  /** To one node, or to all nodes (`*`), the sender included. Never throws; a failure is a loss. */
  send(to: string, message: TransportMessage): void;
}

export type TransportMessage =
  /** There are new offers in the shard's inbox; with their texts, it was empty before. */
  | { readonly type: 'wake'; readonly shard: number; readonly offers?: readonly string[] | undefined }
  /** The shard has been released: whoever is to own it may open it now. */
  | { readonly type: 'released'; readonly shard: number }
  /** Something of the cluster store has changed: read it now instead of at the next heartbeat. */
  | { readonly type: 'changed' }
  /** How a message ended that the receiver waits for. */
  | { readonly type: 'verdict'; readonly id: string; readonly verdict: Verdict }
  /** A query that is in no store, for an entity of this shard. The answer goes to `replyTo`. */
  | {
      readonly type: 'ask';
      readonly id: string;
      readonly replyTo: string;
      readonly shard: number;
      readonly entityType: string;
      readonly entityId: string;
      readonly name: string;
      /** JSON text. */
      readonly payload: string;
      readonly headers?: MessageHeaders | undefined;
    }
  /** Something that only the shard's owner can do, for a caller on another node. The answer goes to `replyTo`. */
  | {
      readonly type: 'operate';
      readonly id: string;
      readonly replyTo: string;
      readonly shard: number;
      readonly operation: ShardOperation;
    }
  | { readonly type: 'operated'; readonly id: string; readonly result: OperationResult }
  /** The query was not taken into its line, or its reply cannot travel, and asking elsewhere would be no better. */
  | {
      readonly type: 'refused';
      readonly id: string;
      readonly code: ErrorCode;
      readonly retryable: boolean;
      readonly text: string;
    }
  /** The asked node does not own the shard, or cannot answer now: ask again. */
  | { readonly type: 'not-here'; readonly id: string };

export type ShardOperation =
  | { readonly type: 'cancel'; readonly messageId: string }
  | { readonly type: 'release'; readonly messageId: string }
  | { readonly type: 'replay'; readonly messageId: string }
  | { readonly type: 'purge-letter'; readonly messageId: string }
  | { readonly type: 'unblock' | 'skip'; readonly messageId: string }
  | { readonly type: 'purge'; readonly entityType: string; readonly entityId?: string | undefined }
  | {
      readonly type: 'pause' | 'resume';
      readonly entityType: string;
      readonly entityId?: string | undefined;
    };

/** What the operation gave: whether it did something, how many, or the id of the new message. */
export type OperationResult = boolean | number | string | null;
