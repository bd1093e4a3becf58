/**
 * Ids of messages that enter through this owner: store, epoch and a number, so that no two lives of an owner share one.
 *
 * The number of a plain message is the place that the store will most likely give it, which lets the store find it by id
 * without an index. It need not be right; it is aligned again whenever no append is under way.
 */
export class MessageIds {
  private nextPlain: number;
  private nextOther = 1;
  private underWay = 0;

  constructor(
    private readonly prefix: string,
    /** The next place in the store, as last heard. */
    private nextSeq: number,
  ) {
    this.nextPlain = nextSeq;
  }

  /** @param isPlain the message takes a place in line as soon as it is appended, and is surely a new one. */
  next(isPlain: boolean): string {
    if (isPlain) {
      if (this.underWay === 0) this.nextPlain = Math.max(this.nextPlain, this.nextSeq);
      this.nextPlain += 1;
      return `${this.prefix}${(this.nextPlain - 1).toString(36)}`;
    }
    this.nextOther += 1;
    return `${this.prefix}x.${(this.nextOther - 1).toString(36)}`;
  }

  appendSent(): void {
    this.underWay += 1;
  }

  appendAnswered(): void {
    this.underWay -= 1;
  }

  storeIsAt(nextSeq: number): void {
    this.nextSeq = nextSeq;
  }
}
