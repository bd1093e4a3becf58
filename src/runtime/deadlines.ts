/**
 * Many deadlines, one timer. Deadlines that fall into the same millisecond share a bucket, so that a hundred thousand
 * waiting calls cost a hundred thousand set entries and not as many timers (I10). Taking one back is O(1); buckets that
 * were emptied that way go in one sweep when they are most of all, so far deadlines that were taken back hold no memory.
 *
 * Owns: its buckets and at most one pending timer. Times are the monotonic clock's, in milliseconds.
 */
import type { Clock } from './clock.js';
import type { TimerHandle, Timers } from './timers.js';

export interface Deadline {
  /** Called once when the deadline has passed, unless it was cleared before. */
  deadlinePassed(): void;
}

/** Fewer emptied buckets than this are left where they are. */
const EMPTIED_MIN = 1024;

export class Deadlines {
  private readonly buckets = new Map<number, Set<Deadline>>();
  /** A binary min-heap of the keys of `buckets`. */
  private heap: number[] = [];
  /** About how many buckets have been emptied by `clear`. */
  private emptied = 0;
  /** The bucket whose deadlines are being called. */
  private passing: Set<Deadline> | undefined;
  private timer: TimerHandle | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  private isStopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
  ) {}

  /** Sets a deadline `delayMs` from now; the returned key clears it again. After `stop`, nothing is called any more. */
  set(deadline: Deadline, delayMs: number): number {
    const at = Math.ceil(this.clock.monotonic() + delayMs);
    if (this.isStopped) return at;
    const bucket = this.buckets.get(at);
    if (bucket !== undefined) {
      bucket.add(deadline);
      return at;
    }
    this.buckets.set(at, new Set([deadline]));
    push(this.heap, at);
    if (at < this.timerAt) this.arm(at);
    return at;
  }

  clear(deadline: Deadline, key: number): void {
    if (this.passing?.delete(deadline)) return;
    const bucket = this.buckets.get(key);
    if (bucket?.delete(deadline) !== true || bucket.size > 0) return;
    this.emptied += 1;
    if (this.emptied >= EMPTIED_MIN && this.emptied * 2 > this.buckets.size) this.dropEmpty();
  }

  /** Drops every deadline without calling it, for good: an answer that comes late sets no timer. */
  stop(): void {
    this.isStopped = true;
    if (this.timer !== undefined) this.timers.clear(this.timer);
    this.timer = undefined;
    this.timerAt = Number.POSITIVE_INFINITY;
    this.buckets.clear();
    this.heap = [];
    this.emptied = 0;
  }

  private dropEmpty(): void {
    for (const [at, bucket] of this.buckets) if (bucket.size === 0) this.buckets.delete(at);
    this.heap = [];
    for (const at of this.buckets.keys()) push(this.heap, at);
    this.emptied = 0;
  }

  private arm(at: number): void {
    if (this.timer !== undefined) this.timers.clear(this.timer);
    this.timerAt = at;
    this.timer = this.timers.set(() => this.fire(), at - this.clock.monotonic());
  }

  private fire(): void {
    this.timer = undefined;
    this.timerAt = Number.POSITIVE_INFINITY;
    const now = this.clock.monotonic();
    while (this.heap.length > 0 && (this.heap[0] as number) <= now) {
      const at = pop(this.heap);
      const bucket = this.buckets.get(at);
      this.buckets.delete(at);
      // One that passes may take back another of the same millisecond.
      this.passing = bucket;
      for (const deadline of bucket ?? []) deadline.deadlinePassed();
    }
    this.passing = undefined;
    // Buckets whose deadlines were all taken back need no timer.
    while (this.heap.length > 0 && this.buckets.get(this.heap[0] as number)?.size === 0)
      this.buckets.delete(pop(this.heap));
    const next = this.heap[0];
    if (next !== undefined && next < this.timerAt) this.arm(next);
  }
}

function push(heap: number[], value: number): void {
  let index = heap.length;
  heap.push(value);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if ((heap[parent] as number) <= value) break;
    heap[index] = heap[parent] as number;
    index = parent;
  }
  heap[index] = value;
}

function pop(heap: number[]): number {
  const top = heap[0] as number;
  const last = heap.pop() as number;
  const length = heap.length;
  if (length === 0) return top;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= length) break;
    if (child + 1 < length && (heap[child + 1] as number) < (heap[child] as number)) child += 1;
    if ((heap[child] as number) >= last) break;
    heap[index] = heap[child] as number;
    index = child;
  }
  heap[index] = last;
  return top;
}
