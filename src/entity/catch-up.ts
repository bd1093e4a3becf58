/**
 * Taking over a backlog that is longer than the places kept in memory: its front is in line, the rest is read as the line
 * becomes shorter. What enters the store meanwhile stands behind all of that, so it is not put in line here but found by
 * the same reading (I4).
 *
 * Owns: the place up to which was read, and what is known to be behind it.
 */
import { entityKey } from '../message/entity-key.js';
import { type MessageHead, StoreUnavailableError } from '../wal/wal.js';
import type { ShardOwner } from './shard-owner.js';

/** Messages looked at in one read; 2,000 hold the event loop for about 3 ms (measured on SQLite). */
const SCAN_PAGE = 2_000;
/** How often a line that is still long is looked at again, milliseconds. */
const LOOK_AGAIN_MS = 50;

export class CatchUp {
  /** Until all that stands in line has been read: what a commit puts there meanwhile is found by the reading. */
  isActive = true;
  private after = 0;
  private underWay = 0;
  private newestPlace = 0;
  private isGoingOn = false;
  private readonly parked = new Map<string, { entityType: string; name: string; count: number }>();

  constructor(private readonly owner: ShardOwner) {}

  /** Gives everything in line its place, as far as places are kept in memory; goes on later with the rest. */
  async begin(): Promise<number> {
    let pending = 0;
    for (;;) {
      const count = await this.readPage();
      pending += count;
      if (count < SCAN_PAGE && this.newestPlace <= this.after) {
        this.isActive = false;
        break;
      }
      if (pending >= this.owner.options.config.residentPlacesMax) break;
      await this.turn();
    }
    this.tellParked();
    return pending;
  }

  /** Reads the rest while the node runs; called again when it runs again. */
  async goOn(): Promise<void> {
    if (!this.isActive || this.isGoingOn) return;
    this.isGoingOn = true;
    const { owner } = this;
    const enough = owner.options.config.residentPlacesMax / 2;
    try {
      while (owner.phase === 'running') {
        if (owner.share.depth > enough) {
          await new Promise<void>((resolve) => owner.options.runtime.timers.set(resolve, LOOK_AGAIN_MS));
          continue;
        }
        const count = await this.readPageOrWait();
        if (count === undefined) continue;
        // Nothing may come between the end of the reading and the first message that goes in line by itself.
        if (count < SCAN_PAGE && this.underWay === 0 && this.newestPlace <= this.after) this.isActive = false;
        for (const worker of [...owner.directory.all()]) worker.advance();
        owner.feedBacklog();
        if (!this.isActive) break;
        await this.turn();
      }
      this.tellParked();
    } catch (error) {
      owner.options.logger.error('Reading the rest of the backlog failed; it waits for the next start.', error);
    } finally {
      this.isGoingOn = false;
    }
  }

  appendSent(): void {
    this.underWay += 1;
  }

  /** @param place where the message stands, when it stands in line. */
  appendAnswered(place: number | undefined): void {
    this.underWay -= 1;
    if (place !== undefined) this.stands(place);
  }

  /** Something stands in the store's line at this place. */
  stands(place: number): void {
    this.newestPlace = Math.max(this.newestPlace, place);
  }

  /** Whether what stands at this place has its place here by the reading, or will have. */
  covers(place: number): boolean {
    return this.isActive || place <= this.after;
  }

  /** A store that cannot be read at the moment is asked again; undefined then. */
  private async readPageOrWait(): Promise<number | undefined> {
    try {
      return await this.readPage();
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || !error.recoverable) throw error;
      await new Promise<void>((resolve) => this.owner.options.runtime.timers.set(resolve, LOOK_AGAIN_MS));
      return undefined;
    }
  }

  private async readPage(): Promise<number> {
    const { wal, shard } = this.owner.options;
    const newest = this.newestPlace;
    const page = await wal.scan(shard, this.after, SCAN_PAGE);
    for (const head of page) {
      this.placeInLine(head);
      this.after = head.seq;
    }
    // What was there before the reading began and was not found has left the line since.
    if (page.length < SCAN_PAGE) this.after = Math.max(this.after, newest);
    return page.length;
  }

  private placeInLine(read: MessageHead): void {
    const { owner, parked } = this;
    const head = owner.blockedHeads.found(read);
    if (head === undefined) return;
    const { entityType, entityId, name, seq } = head;
    const handled = owner.options.handlers.find(entityType, name) !== undefined;
    if (!handled) {
      const key = `${entityType}\n${name}`;
      const known = parked.get(key);
      if (known === undefined) parked.set(key, { entityType, name, count: 1 });
      else known.count += 1;
    }
    if (!handled || head.notBefore > 0 || head.expiresAt > 0 || head.attempt > 0) owner.unusual.set(seq, head);
    owner.directory.addToBacklog(entityKey(entityType, entityId), seq);
    owner.door.changeDepth(1);
  }

  private tellParked(): void {
    const { logger, events } = this.owner.options;
    if (!this.isActive) this.owner.blockedHeads.allFound();
    for (const { entityType, name, count } of this.parked.values()) {
      logger.warn(
        `${count} messages "${name}" of entity type "${entityType}" are in the store and no handler here takes them. They and what is behind them wait.`,
      );
      events.emit('parked', { entityType, name, count });
    }
    this.parked.clear();
  }

  private turn(): Promise<void> {
    return new Promise((resolve) => this.owner.options.runtime.timers.defer(resolve));
  }
}
