/**
 * The timers of a virtual clock: a binary heap by due time and, where that is equal, by the order of setting. It owns
 * the order only; `VirtualRuntime` owns the time. A timer that is taken back stays as an empty place until it surfaces.
 */
interface HeapTimer {
  readonly dueAt: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

export class VirtualTimerHeap {
  private readonly places: HeapTimer[] = [];
  private orders = 0;
  private live = 0;

  /** Timers that will still fire. */
  get size(): number {
    return this.live;
  }

  get nextDueAt(): number | undefined {
    this.dropCleared();
    return this.places[0]?.dueAt;
  }

  add(callback: () => void, dueAt: number): object {
    this.orders += 1;
    const timer: HeapTimer = { dueAt, order: this.orders, callback };
    this.places.push(timer);
    this.live += 1;
    this.rise(this.places.length - 1);
    return timer;
  }

  remove(handle: object): void {
    const timer = handle as HeapTimer;
    if (timer.callback === undefined) return;
    timer.callback = undefined;
    this.live -= 1;
  }

  /** Takes the earliest timer out and returns its callback. */
  take(): (() => void) | undefined {
    this.dropCleared();
    const callback = this.places[0]?.callback;
    if (callback === undefined) return undefined;
    this.remove(this.pop() as HeapTimer);
    return callback;
  }

  private dropCleared(): void {
    while (this.places.length > 0 && this.places[0]?.callback === undefined) this.pop();
  }

  private pop(): HeapTimer | undefined {
    const top = this.places[0];
    const last = this.places.pop();
    if (last !== undefined && last !== top) {
      this.places[0] = last;
      this.sink();
    }
    return top;
  }

  private rise(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.swapIfBefore(at, parent)) return;
      at = parent;
    }
  }

  private sink(): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const smaller = this.before(left + 1, left) ? left + 1 : left;
      if (!this.swapIfBefore(smaller, at)) return;
      at = smaller;
    }
  }

  private before(a: number, b: number): boolean {
    const first = this.places[a];
    const second = this.places[b];
    if (first === undefined || second === undefined) return false;
    return first.dueAt < second.dueAt || (first.dueAt === second.dueAt && first.order < second.order);
  }

  private swapIfBefore(a: number, b: number): boolean {
    if (!this.before(a, b)) return false;
    const first = this.places[a] as HeapTimer;
    this.places[a] = this.places[b] as HeapTimer;
    this.places[b] = first;
    return true;
  }
}
