/**
 * The embedded store: the WAL port on SQLite files. One process owns the store and commits; others read it and hand work
 * in. One shard.
 *
 * Files: `<path>` and its `-wal` and `-shm` (the store), `<path>-inbox` (what others hand in), `<path>-owner` (the lock).
 * This file is the glue: roles, life cycle, the order of waiting, writing and flushing. The transitions are in
 * `transitions.ts`, what can be read in `reads.ts`.
 */
import { resolve } from 'node:path';
import type { Clock } from '../../runtime/clock.js';
import { systemRuntime } from '../../runtime/runtime.js';
import {
  type CommitAnswer,
  type CommitRequest,
  type EntityRef,
  OFFERS_TAKEN_MAX,
  type Offer,
  type OpenedShard,
  type StatusRecord,
  type StoreDescription,
  StoreUnavailableError,
  type Wal,
} from '../wal.js';
import { carriedBytes, ROW_BYTES } from './carried-bytes.js';
import { defaultDriver, type SqliteDatabase } from './driver.js';
import { fatalStoreError, isBusy, storeError } from './errors.js';
import { InboxDoor, inboxPath, whileBusy } from './inbox.js';
import { cutLog, LogFile } from './log-file.js';
import type { SqliteDurability, SqliteWalOptions } from './options.js';
import { type Owner, startOwner } from './owner.js';
import { StoreReads } from './reads.js';
import { FORMAT_VERSION } from './schema.js';
import { openAsOwner, openAsReader, realStorePath, type StoreIdentity } from './store-files.js';
import { SqliteWalReads } from './wal-reads.js';

/** The inbox's log is copied from this size on. */
const INBOX_LOG_BYTES = 1024 * 1024;
/** Taken offers are removed from the inbox this much later, many at a time. */
const INBOX_REMOVAL_MS = 50;

/** Everything that is there only while started. */
interface Running {
  readonly db: SqliteDatabase;
  readonly reads: StoreReads;
  readonly identity: StoreIdentity;
  readonly owner: Owner | undefined;
  door: InboxDoor | undefined;
}

export class SqliteWal extends SqliteWalReads implements Wal {
  #path: string;
  readonly #role: 'owner' | 'reader';
  readonly #durability: SqliteDurability;
  readonly #clock: Clock;
  readonly #options: SqliteWalOptions;
  #running: Running | undefined;
  #failed: StoreUnavailableError | undefined;
  #offers: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor(options: SqliteWalOptions) {
    super();
    this.#options = options;
    this.#path = resolve(options.path);
    this.#role = options.role ?? 'owner';
    this.#durability = options.durability ?? 'commit';
    this.#clock = options.clock ?? systemRuntime.clock;
  }

  get description(): StoreDescription {
    const { identity } = this.#started();
    return {
      kind: 'sqlite',
      clusterId: identity.clusterId,
      formatVersion: FORMAT_VERSION,
      shardCount: identity.shardCount,
      durability:
        this.#durability === 'fsync'
          ? 'fsync: what is resolved survives the end of the process and of the power'
          : 'commit: what is resolved survives the end of the process; the last moments before a power failure may be lost',
      offersTakenMax: OFFERS_TAKEN_MAX,
      // Its offers come from the command line, which sends no new messages.
      defersAppends: false,
    };
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    this.#stopping = undefined;
    this.#failed = undefined;
    this.#path = realStorePath(this.#path);
    const driver = this.#options.driver ?? defaultDriver();
    const options = {
      driver,
      path: this.#path,
      newClusterId: this.#options.freshId ?? systemRuntime.freshId,
      clusterId: this.#options.clusterId,
      verifyLineOrder: this.#options.verifyLineOrder ?? false,
    };
    try {
      if (this.#role === 'reader') {
        const { db, identity } = openAsReader(options);
        this.#running = { db, identity, reads: new StoreReads(db), owner: undefined, door: undefined };
        return;
      }
      const { db, identity, lock } = openAsOwner(options);
      const reads = new StoreReads(db);
      const { owner, door } = startOwner({
        ...this.#options,
        driver,
        path: this.#path,
        clock: this.#clock,
        store: { db, identity, lock },
        reads,
        flushFailed: (cause) => void this.#flushFailed(cause),
      });
      this.#running = { db, identity, reads, owner, door };
    } catch (error) {
      throw storeError(error, this.#path);
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async open(shard: number, incarnation: string): Promise<OpenedShard> {
    // Whoever lost the lock must not take the store back from the process that has it now.
    this.#checkFiles(this.#owner(shard), true);
    return this.#write(shard, (owner) => owner.writer.open(incarnation));
  }

  async commit(request: CommitRequest): Promise<CommitAnswer> {
    const answer = await this.#write(request.shard, (owner) => owner.writer.commit(request), carriedBytes(request));
    if (answer.taken.length > 0) this.#removeTaken();
    return answer;
  }

  async release(shard: number, epoch: number, incarnation: string): Promise<void> {
    await this.#write(shard, (owner) => owner.writer.release(epoch, incarnation));
  }

  async cleanup(shard: number, epoch: number, incarnation: string, limit: number): Promise<number> {
    return this.#write(shard, (owner) => owner.writer.cleanup(epoch, incarnation, limit), limit * ROW_BYTES);
  }

  /** One call after another, so that the numbers of a session arrive in order. */
  async offer(shard: number, offers: readonly Offer[]): Promise<void> {
    this.#checkShard(shard);
    const handedIn = this.#offers.then(() => this.#handIn(offers));
    this.#offers = handedIn.catch(() => {});
    return handedIn;
  }

  async status(shard: number, id: string): Promise<StatusRecord | undefined> {
    return this.read(shard, (reads, running) => {
      const found = reads.status(id, this.#clock.now());
      if (found !== undefined || (running.owner === undefined && running.door === undefined)) return found;
      const offered = this.#door(running).offered(id);
      if (offered === undefined) return undefined;
      const { entityType, entityId } = offered;
      return { id, state: 'enqueued', entityType, entityId, attempt: 0, isOffered: true };
    });
  }

  async actorStates(shard: number, entities: readonly EntityRef[]): Promise<readonly (string | undefined)[]> {
    return this.read(shard, (reads) => reads.actorStates(entities, this.#clock.now()));
  }

  async #stop(): Promise<void> {
    await this.#offers;
    const running = this.#running;
    if (running === undefined) return;
    const { owner } = running;
    if (owner !== undefined) {
      if (owner.removal !== undefined) {
        clearTimeout(owner.removal);
        this.#removeNow(running, owner);
      }
      await owner.checkpointer.stop();
    }
    this.#running = undefined;
    if (owner !== undefined) {
      running.door?.cutLog();
      cutLog(running.db);
    }
    running.door?.close();
    owner?.inbox.close();
    running.db.close();
    await owner?.log.close();
    await owner?.inboxLog.close();
    owner?.lock.release();
  }

  /**
   * Waits for the gate, writes in one synchronous transaction, then waits for what the durability level asks.
   * @param bytes about what is written.
   */
  async #write<T>(shard: number, work: (owner: Owner) => T, bytes = 0): Promise<T> {
    const owner = this.#owner(shard);
    while (owner.checkpointer.gate !== undefined) await owner.checkpointer.gate;
    this.#checkFiles(owner);
    let result: T;
    try {
      result = work(this.#owner(shard));
    } catch (error) {
      result = await this.#again(shard, error, work);
    }
    owner.checkpointer.committed(bytes);
    if (this.#durability === 'fsync') await this.#flush(owner.log);
    return result;
  }

  /** What failed because someone holds the write lock is tried again for a while; all else is told. */
  async #again<T>(shard: number, error: unknown, work: (owner: Owner) => T): Promise<T> {
    try {
      if (!isBusy(error)) throw error;
      return await whileBusy(() => work(this.#owner(shard)));
    } catch (cause) {
      const told = storeError(cause, this.#path);
      if (told instanceof StoreUnavailableError && !told.recoverable) this.#failed = told;
      throw told;
    }
  }

  async #flush(log: LogFile): Promise<void> {
    try {
      await log.flush();
    } catch (cause) {
      throw this.#flushFailed(cause);
    }
  }

  /** After a failed flush the system may drop what it could not write, so nothing that follows can be trusted. */
  #flushFailed(cause: unknown): StoreUnavailableError {
    this.#failed = fatalStoreError(
      `Flushing the store ${this.#path} to the disk failed. Check the disk and start the application again.`,
      cause,
      'unknown',
    );
    return this.#failed;
  }

  async #handIn(offers: readonly Offer[]): Promise<void> {
    try {
      await whileBusy(() => this.#door(this.#started()).offer(offers));
      const { owner } = this.#started();
      if (this.#durability === 'fsync') await this.#flushInbox(owner);
    } catch (error) {
      throw storeError(error, inboxPath(this.#path));
    }
  }

  async #flushInbox(owner: Owner | undefined): Promise<void> {
    if (owner !== undefined) return this.#flush(owner.inboxLog);
    const log = new LogFile(`${inboxPath(this.#path)}-wal`);
    try {
      await log.flush();
    } finally {
      await log.close();
    }
  }

  /** A reader's connection to the inbox is made when it offers first. */
  #door(running: Running): InboxDoor {
    if (running.door === undefined) {
      running.door = new InboxDoor({
        driver: this.#options.driver ?? defaultDriver(),
        path: inboxPath(this.#path),
        clusterId: running.identity.clusterId,
        markOf: (session) => running.reads.sessionMark(session),
      });
    }
    return running.door;
  }

  /** Removes from the inbox what commits have taken in; if another process holds its lock, later. */
  #removeTaken(): void {
    const running = this.#running;
    const owner = running?.owner;
    if (running === undefined || owner === undefined || owner.removal !== undefined) return;
    owner.removal = setTimeout(() => {
      owner.removal = undefined;
      if (this.#running !== running) return;
      if (!this.#removeNow(running, owner)) this.#removeTaken();
      else if (owner.inboxLog.bytes >= INBOX_LOG_BYTES) owner.checkpointer.checkpointInbox();
    }, INBOX_REMOVAL_MS);
    owner.removal.unref();
  }

  #removeNow(running: Running, owner: Owner): boolean {
    try {
      return this.#door(running).remove(owner.writer.inboxPlace);
    } catch {
      // The disk may be full. The rows do no harm: the marks in the store say that they are taken in.
      return true;
    }
  }

  /** In `fsync`, nothing is told that a power failure could take back. */
  protected async read<T>(shard: number, read: (reads: StoreReads, running: Running) => T | Promise<T>): Promise<T> {
    this.#checkShard(shard);
    const { owner } = this.#started();
    try {
      if (this.#durability === 'fsync' && owner !== undefined && owner.log.flushing !== undefined)
        await this.#flush(owner.log);
      // It may have been stopped meanwhile.
      const running = this.#started();
      return await read(running.reads, running);
    } catch (error) {
      // Closed under it: that is what went wrong.
      this.#started();
      throw storeError(error, this.#path);
    }
  }

  #checkFiles(owner: Owner, atOnce = false): void {
    const lost = owner.files.lost(atOnce);
    if (lost === undefined) return;
    this.#failed = fatalStoreError(
      `The file ${lost} was removed or replaced while the store was open. Nothing more is written; put the file back and start the application again.`,
    );
    throw this.#failed;
  }

  #owner(shard: number): Owner {
    this.#checkShard(shard);
    if (this.#failed !== undefined) throw this.#failed;
    const { owner } = this.#started();
    if (owner === undefined) {
      throw fatalStoreError(
        `The store ${this.#path} was opened with role 'reader', which does not commit. Use 'offer'.`,
      );
    }
    return owner;
  }

  #started(): Running {
    if (this.#running !== undefined) return this.#running;
    throw new StoreUnavailableError(`The store ${this.#path} is stopped, or was never started.`, 'no', false);
  }

  #checkShard(shard: number): void {
    this.#started();
    if (shard !== 0) throw new RangeError(`There is no shard ${shard}: the store has 1, counted from 0.`);
  }
}
