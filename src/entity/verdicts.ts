/**
 * From a durable verdict to those who wait for it (I5). Owns the waiters of messages that are not items here: later calls
 * with a known `messageId`.
 */
import { refusedAtArrival, replyRefused } from '../contracts/contract-errors.js';
import { AtomicQueuesError, type ErrorSubject, handlerFailed, reviveError } from '../message/errors.js';
import type { FinalState, Verdict } from '../wal/transition.js';
import { RecentEnds } from './recent-ends.js';
import type { ReplyWaiter } from './reply-waiter.js';

export class Verdicts {
  readonly recent = new RecentEnds();
  private readonly laterWaiters = new Map<string, ReplyWaiter[]>();

  constructor(private readonly decodeReply: (text: string | undefined) => unknown) {}

  /** Waits for a message that an earlier call brought in. */
  waitFor(id: string, waiter: ReplyWaiter): void {
    const waiters = this.laterWaiters.get(id);
    if (waiters === undefined) this.laterWaiters.set(id, [waiter]);
    else waiters.push(waiter);
  }

  /** Whether anyone waits for this message by its id. */
  isAwaited(id: string): boolean {
    return this.laterWaiters.size > 0 && this.laterWaiters.has(id);
  }

  /** Answers everyone who waits for the message. */
  deliver(subject: ErrorSubject & { messageId: string }, verdict: Verdict, first: ReplyWaiter | undefined): void {
    if (first !== undefined) this.answer(first, subject, verdict);
    if (this.laterWaiters.size === 0) return;
    const later = this.laterWaiters.get(subject.messageId);
    if (later === undefined) return;
    this.laterWaiters.delete(subject.messageId);
    for (const waiter of later) this.answer(waiter, subject, verdict);
  }

  answer(waiter: ReplyWaiter, subject: ErrorSubject, verdict: Verdict): void {
    if (verdict.state !== 'completed') {
      waiter.fail(verdictError(subject, verdict.state, verdict));
      return;
    }
    if (verdict.error !== undefined) {
      waiter.fail(replyRefused(subject, verdict.error));
      return;
    }
    let reply: unknown;
    try {
      reply = this.decodeReply(verdict.reply);
    } catch (error) {
      waiter.fail(error as Error);
      return;
    }
    waiter.answer(reply);
  }

  /** Ends the waits of later calls for a message with an error; its verdict may come all the same. */
  failLater(id: string, error: Error): void {
    const later = this.laterWaiters.get(id);
    this.laterWaiters.delete(id);
    for (const waiter of later ?? []) waiter.fail(error);
  }

  /** Ends every wait with an error, because the node stops. */
  failAll(error: (id: string) => Error): void {
    for (const [id, waiters] of this.laterWaiters) for (const waiter of waiters) waiter.fail(error(id));
    this.laterWaiters.clear();
  }

  /** Hands every later waiter over, because somebody else makes the verdicts now. */
  leaveAll(take: (id: string, waiter: ReplyWaiter) => void): void {
    for (const [id, waiters] of this.laterWaiters) for (const waiter of waiters) take(id, waiter);
    this.laterWaiters.clear();
  }

  /** Forgets waiters that have been answered otherwise. */
  forget(id: string, waiter: ReplyWaiter): void {
    const left = (this.laterWaiters.get(id) ?? []).filter((each) => each !== waiter);
    if (left.length === 0) this.laterWaiters.delete(id);
    else this.laterWaiters.set(id, left);
  }
}

/** The error that stands for a verdict other than `completed`. */
export function verdictError(
  subject: ErrorSubject,
  state: Exclude<FinalState, 'completed'>,
  verdict: Pick<Verdict, 'error'>,
): AtomicQueuesError {
  const cause = verdict.error === undefined ? undefined : reviveError(verdict.error);
  const who = `Message ${subject.messageId ?? ''} ("${subject.name ?? ''}" for ${subject.entityType ?? ''} "${subject.entityId ?? ''}")`;
  switch (state) {
    case 'failed':
      if (verdict.error !== undefined) {
        const refused = refusedAtArrival(subject, verdict.error, cause);
        if (refused !== undefined) return refused;
      }
      return handlerFailed(subject, verdict.error ?? { name: 'Error', message: 'no error was recorded' });
    case 'interrupted':
      return new AtomicQueuesError(
        'INTERRUPTED',
        `${who} was interrupted: its handler may have started and is not run again. It is in the dead letters; replay it when you know that this is right.`,
        { subject, cause },
      );
    case 'expired':
      return new AtomicQueuesError(
        'EXPIRED',
        `${who} had not started when its deadline passed. It is in the dead letters.`,
        {
          subject,
        },
      );
    case 'cancelled':
      return new AtomicQueuesError('CANCELLED', `${who} was withdrawn before it started.`, { subject });
  }
}
