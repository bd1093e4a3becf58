/**
 * How the latest messages of this node ended, for `status` soon after: the store forgets what nobody can claim (M12), and
 * a caller who just enqueued likes to know. Two generations of fixed size, so it never grows (I10).
 */
import type { FinalState } from '../wal/transition.js';

/** Ends remembered: at least this many, at most twice as many. About 1 MiB at most. */
const GENERATION_SIZE = 4096;

export class RecentEnds {
  private young = new Map<string, FinalState>();
  private old = new Map<string, FinalState>();

  add(id: string, state: FinalState): void {
    this.young.set(id, state);
    if (this.young.size < GENERATION_SIZE) return;
    this.old = this.young;
    this.young = new Map();
  }

  find(id: string): FinalState | undefined {
    return this.young.get(id) ?? this.old.get(id);
  }
}
