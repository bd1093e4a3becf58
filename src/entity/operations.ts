/**
 * What operators and callers do to messages that are in the store already: withdraw, look up, pause, purge, replay,
 * release. Each is a transition like any other and resolves when it is durable.
 */
import type { Participant } from '../wal/group-commit.js';
import type { FinalState, Outcome, PendingState, Transition, Verdict } from '../wal/transition.js';
import type { ShardOwner } from './shard-owner.js';

export interface MessageStatus {
  readonly id: string;
  /** `unknown`: never accepted, or ended and nobody could claim its verdict any more. */
  readonly state: PendingState | FinalState | 'unknown';
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
  readonly attempt?: number | undefined;
  readonly verdict?: Verdict | undefined;
}

const PURGE_PAGE = 500;

export class Operations {
  constructor(private readonly owner: ShardOwner) {}

  /** Withdraws a message. False when it has started, has ended, or is not known. */
  async cancel(id: string): Promise<boolean> {
    const outcome = await this.transition({ type: 'cancel', id }, (answer) => {
      if (answer.type === 'cancelled') this.owner.intake.withdrawn(answer.message);
    });
    return outcome.type === 'cancelled';
  }

  async status(id: string): Promise<MessageStatus> {
    const record = await this.owner.options.wal.status(this.owner.options.shard, id);
    if (record !== undefined) return record;
    const state = this.owner.verdicts.recent.find(id);
    return state === undefined ? { id, state: 'unknown' } : { id, state };
  }

  async setPaused(paused: boolean, entityType: string, entityId?: string): Promise<void> {
    await this.transition({ type: paused ? 'pause' : 'resume', entityType, entityId }, () =>
      this.owner.markPaused(entityType, entityId, paused),
    );
  }

  /** Withdraws every waiting message of an entity, or of a type; returns how many. What has started goes on. */
  async purge(entityType: string, entityId?: string): Promise<number> {
    const { wal, shard } = this.owner.options;
    const matches = (message: { entityType: string; entityId: string }): boolean =>
      message.entityType === entityType && (entityId === undefined || message.entityId === entityId);
    let purged = 0;
    let after = 0;
    for (;;) {
      const page = await wal.scan(shard, after, PURGE_PAGE);
      const seqs = page.filter((head) => head.state === 'enqueued' && matches(head)).map((head) => head.seq);
      const messages = seqs.length === 0 ? [] : await wal.load(shard, seqs);
      const gone = await Promise.all(messages.map((message) => this.cancel(message.id)));
      purged += gone.filter(Boolean).length;
      const last = page.at(-1);
      if (last === undefined || page.length < PURGE_PAGE) break;
      after = last.seq;
    }
    const { ids, recurring = {} } = await wal.due(shard, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    for (const id of ids) {
      // A reminder is no waiting message: it goes when it is forgotten.
      if (Object.hasOwn(recurring, id)) continue;
      const record = await wal.status(shard, id);
      if (record !== undefined && matches(record) && (await this.cancel(id))) purged += 1;
    }
    return purged;
  }

  /** Puts a dead letter back in line as a new message; returns its id, or undefined when there is no such letter. */
  async replay(id: string): Promise<string | undefined> {
    const newId = this.owner.ids.next(false);
    const outcome = await this.transition({ type: 'replay', id, newId }, (answer) => {
      if (answer.type !== 'queued') return;
      this.owner.endings.countDeadLetter(answer.message.entityType, -1);
      this.owner.intake.enterLine(answer.message);
    });
    return outcome.type === 'queued' ? newId : undefined;
  }

  /**
   * Lets a blocked message run again, in its place (M17). It has one attempt more than its retry policy gives. False when
   * there is no blocked message with this id.
   */
  async unblock(id: string): Promise<boolean> {
    const outcome = await this.transition({ type: 'unblock', id }, (answer) => {
      if (answer.type === 'unblocked') this.owner.blockedHeads.unblocked(answer.message);
    });
    return outcome.type === 'unblocked';
  }

  /**
   * Lets an entity go on without its blocked message, which becomes a dead letter: `failed`, or `interrupted` if that is what
   * blocked it (M17). False when there is no blocked message with this id.
   */
  async skip(id: string): Promise<boolean> {
    const outcome = await this.transition({ type: 'skip', id }, (answer) => {
      if (answer.type === 'skipped') this.owner.blockedHeads.skipped(answer.message, answer.reason);
    });
    return outcome.type === 'skipped';
  }

  /** Removes a dead letter for good; false when there is no such letter. */
  async purgeDeadLetter(id: string): Promise<boolean> {
    const outcome = await this.transition({ type: 'purge', id }, (answer) => {
      if (answer.type === 'purged') this.owner.endings.countDeadLetter(answer.entityType, -1);
    });
    return outcome.type === 'purged';
  }

  /**
   * Gives up a running handler that does not settle: its message becomes `interrupted` and its entity goes on, although
   * the handler may still be at work. Only its fencing token guards what it does from now on. A state-only message whose
   * run does not count, because another was first, just runs again. False when no handler is running for this message, or
   * the store does not have the message yet.
   */
  release(id: string): boolean {
    for (const item of this.owner.executor.running) {
      if (item.id !== id) continue;
      const error = {
        name: 'Released',
        message: 'An operator released this message while its handler was still running.',
      };
      const { active } = item;
      if (!item.worker.release(item, error)) return false;
      active?.abort(new Error(error.message));
      this.owner.executor.forget(item);
      return true;
    }
    return false;
  }

  /** `apply` runs in order with the other outcomes of the commit, before anything that comes after it in line. */
  private transition(transition: Transition, apply: (outcome: Outcome) => void = () => {}): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const participant: Participant = {
        committed: (outcome) => {
          apply(outcome);
          resolve(outcome);
        },
        refused: (error) => reject(this.owner.notAccepted(error)),
      };
      this.owner.add(transition, participant);
    });
  }
}
