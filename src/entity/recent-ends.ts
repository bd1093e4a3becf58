/**
 * How the latest messages of this shard ended here, for `status` soon after: the store forgets what nobody can claim (M12),
 * and a caller who just enqueued likes to know. Of fixed size, so it never grows (I10).
 *
 * Ids that the owner numbered itself, which nearly all are, are kept by their numbers: thousands of kept strings would be
 * a tenth of what the garbage collector has to do under load (measured).
 */
import { base36 } from '../wal/owner-ids.js';
import type { FinalState } from '../wal/transition.js';

/**
 * Ends remembered. Of ids by number: the last one for each number modulo this, which are the latest as long as no more than
 * this many are in line. Of others: at least this many, at most twice as many. A power of two.
 */
const GENERATION_SIZE = 4096;

const STATES: readonly FinalState[] = ['completed', 'failed', 'interrupted', 'expired', 'cancelled'];

export class RecentEnds {
  private prefix: string | undefined;
  /** By the lowest bits of the number: the number, and the place of its state in `STATES`. Made when first needed. */
  private numbers: Float64Array | undefined;
  private readonly states = new Uint8Array(GENERATION_SIZE);
  private young = new Map<string, FinalState>();
  private old = new Map<string, FinalState>();

  /** How the ids begin that the owner makes from now on, a number in base 36 following; those of another life are forgotten. */
  numberedAfter(prefix: string): void {
    this.prefix = prefix;
    this.numbers = undefined;
  }

  add(id: string, state: FinalState): void {
    const number = this.numberOf(id);
    if (number > 0) {
      this.numbers ??= new Float64Array(GENERATION_SIZE);
      const place = number % GENERATION_SIZE;
      this.numbers[place] = number;
      this.states[place] = STATES.indexOf(state);
      return;
    }
    this.young.set(id, state);
    if (this.young.size < GENERATION_SIZE) return;
    this.old = this.young;
    this.young = new Map();
  }

  find(id: string): FinalState | undefined {
    const number = this.numberOf(id);
    if (number <= 0) return this.young.get(id) ?? this.old.get(id);
    const place = number % GENERATION_SIZE;
    return this.numbers?.[place] === number ? STATES[this.states[place] as number] : undefined;
  }

  /** The number of an id that the owner made; -1 for any other. */
  private numberOf(id: string): number {
    return this.prefix !== undefined && id.startsWith(this.prefix) ? base36(id, this.prefix.length) : -1;
  }
}
