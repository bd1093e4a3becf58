/**
 * `maxRunningHandlers`: how many handlers are at work on this node. Workers that find no slot queue up and get one in
 * turn, so that no entity starves another (I9). A handler that waits for another message lends its slot meanwhile, or
 * a node full of waiting handlers could never run what they wait for.
 */
export interface SlotTaker {
  slotGranted(): void;
}

export class RunningSlots {
  private taken = 0;
  private readonly queue = new Set<SlotTaker>();

  /** @param max 0: unbounded. */
  constructor(private readonly max: number) {}

  /** Takes a slot, or queues the taker and returns false; `slotGranted` then brings the slot. */
  take(taker: SlotTaker): boolean {
    if (this.max === 0) return true;
    if (this.taken < this.max && !this.queue.has(taker)) {
      this.taken += 1;
      return true;
    }
    this.queue.add(taker);
    return false;
  }

  /** Whether somebody waits for a slot. */
  get contended(): boolean {
    return this.queue.size > 0;
  }

  giveBack(): void {
    if (this.max === 0) return;
    this.taken -= 1;
    this.grant();
  }

  lend(): void {
    this.giveBack();
  }

  /** The wait is over: the handler goes on at once, if need be above the limit until another one ends. */
  reclaim(): void {
    if (this.max !== 0) this.taken += 1;
  }

  leave(taker: SlotTaker): void {
    this.queue.delete(taker);
  }

  private grant(): void {
    while (this.taken < this.max) {
      const next = this.queue.values().next();
      if (next.done === true) return;
      this.queue.delete(next.value);
      this.taken += 1;
      next.value.slotGranted();
    }
  }
}
