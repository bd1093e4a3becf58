/**
 * Someone who waits for a message's verdict. It is answered once: by the verdict, by its deadline, or by the end of the
 * node. A deadline ends the wait and not the message.
 */
import type { Deadline, Deadlines } from '../runtime/deadlines.js';

export class ReplyWaiter implements Deadline {
  private settled = false;
  private deadlineKey = -1;

  constructor(
    private readonly resolve: (reply: unknown) => void,
    private readonly reject: (error: Error) => void,
    private readonly deadlines: Deadlines,
    timeoutMs: number,
    private readonly onTimeout: (waiter: ReplyWaiter) => void,
    private readonly onSettled: (() => void) | undefined,
  ) {
    if (timeoutMs > 0) this.deadlineKey = deadlines.set(this, timeoutMs);
  }

  get isSettled(): boolean {
    return this.settled;
  }

  deadlinePassed(): void {
    this.deadlineKey = -1;
    if (!this.settled) this.onTimeout(this);
  }

  answer(reply: unknown): void {
    if (this.finish()) this.resolve(reply);
  }

  fail(error: Error): void {
    if (this.finish()) this.reject(error);
  }

  private finish(): boolean {
    if (this.settled) return false;
    this.settled = true;
    if (this.deadlineKey >= 0) this.deadlines.clear(this, this.deadlineKey);
    this.onSettled?.();
    return true;
  }
}
