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
  /** Handlers that wait for messages, with how many waits each has. */
  private readonly lenders = new Map<object, number>();

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

  /** Whether there is no limit. */
  get isUnbounded(): boolean {
    return this.max === 0;
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

  /** A handler begins to wait for a message. It lends its one slot, however many waits it has at a time. */
  waitBegan(handler: object): void {
    if (this.max === 0) return;
    const waits = this.lenders.get(handler) ?? 0;
    this.lenders.set(handler, waits + 1);
    if (waits === 0) this.giveBack();
  }

  /** A wait is over. After the last one the handler goes on at once, if need be above the limit until another one ends. */
  waitEnded(handler: object): void {
    const waits = this.lenders.get(handler);
    if (waits === undefined) return;
    if (waits > 1) this.lenders.set(handler, waits - 1);
    else this.handlerEnded(handler);
  }

  /** A handler has settled, perhaps without having awaited what it asked for: nothing of its slot is lent any more. */
  handlerEnded(handler: object): void {
    if (this.lenders.delete(handler)) this.taken += 1;
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

/** A worker's hold on a slot: it has none, has asked for one, or holds one. */
export class SlotHold implements SlotTaker {
  private state: 'none' | 'asked' | 'held' = 'none';

  constructor(
    private readonly slots: { takeSlot(taker: SlotTaker): boolean; giveSlotBack(): void },
    private readonly granted: () => void,
  ) {}

  /** Whether a slot is held; asks for one otherwise, and `granted` is called when it comes. */
  have(): boolean {
    if (this.state === 'none') this.state = this.slots.takeSlot(this) ? 'held' : 'asked';
    return this.state === 'held';
  }

  letGo(): void {
    if (this.state !== 'held') return;
    this.state = 'none';
    this.slots.giveSlotBack();
  }

  slotGranted(): void {
    if (this.state !== 'asked') {
      this.slots.giveSlotBack();
      return;
    }
    this.state = 'held';
    this.granted();
  }
}
