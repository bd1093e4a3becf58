/**
 * Blocked messages (M17) in the memory of a shard's owner: what the store's answers to `unblock` and `skip` mean for their
 * lines, and what is found blocked when a shard is taken over.
 *
 * Owns: what was done to blocked messages while the backlog was being read, because a page of it may be older than that; and
 * the watch over the deadlines of those that stand behind a blocked message that was taken over.
 */
import { type EntityKey, entityKey } from '../message/entity-key.js';
import type { StoredMessage } from '../wal/transition.js';
import type { MessageHead } from '../wal/wal.js';
import type { ShardOwner } from './shard-owner.js';

export class BlockedHeads {
  private readonly doneWhileReading = new Map<number, 'unblocked' | 'skipped'>();
  private readonly foundBlocked = new Set<EntityKey>();

  constructor(private readonly owner: ShardOwner) {}

  unblocked(message: StoredMessage): void {
    const { owner } = this;
    const { seq, id, kind, entityType, entityId, name, attempt } = message;
    if (owner.catchUp.isActive) this.doneWhileReading.set(seq, 'unblocked');
    const head = owner.unusual.get(seq);
    if (head !== undefined) owner.unusual.set(seq, waiting(head));
    owner.events.emit('unblocked', { id, kind, entityType, entityId, name, attempt, at: owner.now() });
    const worker = owner.directory.find(entityKey(entityType, entityId));
    if (worker !== undefined) {
      worker.unblocked(seq);
      return;
    }
    owner.directory.reconsiderHeld();
    owner.feedBacklog();
  }

  skipped(message: StoredMessage, reason: 'failed' | 'interrupted'): void {
    if (this.owner.catchUp.isActive) this.doneWhileReading.set(message.seq, 'skipped');
    this.owner.intake.leftLine(message, reason, message.history.at(-1)?.error);
  }

  /** A message of the backlog as it stands now; undefined when it does not stand there any more. */
  found(head: MessageHead): MessageHead | undefined {
    const done = this.doneWhileReading.get(head.seq);
    if (done === 'skipped') return undefined;
    if (done === 'unblocked' && head.state === 'blocked') return waiting(head);
    const key = entityKey(head.entityType, head.entityId);
    if (head.state === 'blocked') this.foundBlocked.add(key);
    else if (head.expiresAt > 0 && head.attempt === 0 && this.foundBlocked.has(key)) this.watch(head);
    return head;
  }

  /** The whole backlog has its place. */
  allFound(): void {
    const { owner, foundBlocked } = this;
    if (foundBlocked.size > 0)
      owner.options.logger.warn(
        `${foundBlocked.size} entities wait behind a blocked message. Retry or skip those messages to let them go on.`,
      );
    foundBlocked.clear();
    this.doneWhileReading.clear();
  }

  /** Nothing else looks at a message that is in memory as a place only, and that one may wait for long. */
  private watch(head: MessageHead): void {
    const { owner } = this;
    const { seq, expiresAt, entityType, entityId } = head;
    const again = (dueAt: number): void => {
      owner.deadlines.set({ deadlinePassed }, Math.max(1, dueAt - owner.now()));
    };
    const deadlinePassed = (): void => {
      // What has become an item has its own watch.
      if (owner.phase === 'closed' || !owner.directory.hasPlace(entityKey(entityType, entityId), seq)) return;
      owner.add(
        { type: 'expire', seq },
        {
          committed: (outcome) => {
            if (outcome.type === 'expired') owner.intake.leftLine(outcome.message, 'expired');
            else if (outcome.type === 'not-due') again(outcome.dueAt);
          },
          refused: () => {},
        },
      );
    };
    again(expiresAt);
  }
}

function waiting(head: MessageHead): MessageHead {
  return { ...head, state: 'enqueued', notBefore: 0 };
}
