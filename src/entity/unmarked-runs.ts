/**
 * Which messages of a shard run, or ran, without a durable dispatch (I2). Until their outcome is durable the store has them
 * as waiting, so it asks here before it lets one be withdrawn or expire.
 *
 * Owns: the places of those messages (the ids of those whose appends are on the way), and the promises made to the commit
 * under way: a message that was said not to run must not start before the answer tells what became of it.
 */
import type { EntityWorker } from './entity-worker.js';
import type { Item } from './item.js';

export class UnmarkedRuns {
  private readonly running = new Set<number>();
  /** Ids of those whose appends are on the way. */
  private readonly unplaced = new Set<string>();
  private promised = new Set<number>();
  /** Promised to the commit whose answer is being heard. */
  private heard = new Set<number>();
  /** Workers that wanted to start what was promised away. */
  private readonly waiting = new Set<EntityWorker>();

  /** The store asks, inside a commit. */
  readonly asked = (seq: number, id: string): boolean => {
    if (this.running.has(seq) || this.unplaced.has(id)) return true;
    this.promised.add(seq);
    return false;
  };

  /** Whether the message may start; otherwise its worker is looked at again after `answered`. */
  begin(item: Item): boolean {
    if (this.promised.has(item.seq) || this.heard.has(item.seq)) {
      this.waiting.add(item.worker);
      return false;
    }
    this.running.add(item.seq);
    return true;
  }

  /** It has begun before its message had a place, and its append is on the way now. */
  beginUnplaced(item: Item): void {
    this.unplaced.add(item.id);
  }

  placed(item: Item): void {
    this.unplaced.delete(item.id);
    this.running.add(item.seq);
  }

  over(item: Item): void {
    if (!item.isUnmarked) return;
    item.isUnmarked = false;
    this.running.delete(item.seq);
    if (this.unplaced.size > 0) this.unplaced.delete(item.id);
  }

  /**
   * A commit has been answered: what is promised from now on is promised to the next one. `afterwards` calls back when
   * everybody has heard what became of the messages that this one asked about.
   */
  answered(afterwards: (callback: () => void) => void): void {
    if (this.promised.size === 0) return;
    this.heard = this.promised;
    this.promised = new Set();
    afterwards(() => {
      this.heard.clear();
      const workers = [...this.waiting];
      this.waiting.clear();
      for (const worker of workers) worker.advance();
    });
  }
}
