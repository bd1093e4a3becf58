/** The back-off of a line's head: one deadline, set anew when another head backs off. */
import type { Deadline } from '../runtime/deadlines.js';
import type { WorkerHost } from './worker-host.js';

export class Backoff implements Deadline {
  private key = -1;
  private at = 0;

  constructor(
    private readonly host: Pick<WorkerHost, 'setDeadline' | 'clearDeadline' | 'now'>,
    private readonly over: () => void,
  ) {}

  /** Calls `over` at this wall time. Infinity: the time is not known yet, and whoever learns it calls again. */
  until(at: number): void {
    if (at === Number.POSITIVE_INFINITY || (this.key >= 0 && this.at === at)) return;
    // An earlier head may have been withdrawn while it was backing off.
    if (this.key >= 0) this.host.clearDeadline(this, this.key);
    this.at = at;
    this.key = this.host.setDeadline(this, at - this.host.now());
  }

  deadlinePassed(): void {
    this.key = -1;
    this.over();
  }
}
