/** The parts of a store that only its owner has, put together. */
import type { Clock } from '../../runtime/clock.js';
import { Checkpointer, FILE_FACTOR } from './checkpointer.js';
import type { SqliteDriver } from './driver.js';
import { Inbox, InboxDoor, inboxPath } from './inbox.js';
import { LogFile } from './log-file.js';
import type { SqliteWalOptions } from './options.js';
import type { OwnerLock } from './owner-lock.js';
import type { StoreReads } from './reads.js';
import { ShardWriter } from './shard-writer.js';
import { FileWatch, type OwnedStore } from './store-files.js';

const LOG_BYTES = 24 * 1024 * 1024;
const ENTRY_TTL_MS = 86_400_000;
const VERDICTS_MAX = 1_000_000;

export interface Owner {
  readonly lock: OwnerLock;
  readonly inbox: Inbox;
  readonly writer: ShardWriter;
  readonly log: LogFile;
  readonly inboxLog: LogFile;
  readonly checkpointer: Checkpointer;
  readonly files: FileWatch;
  /** The next removal of taken offers from the inbox. */
  removal: NodeJS.Timeout | undefined;
}

export interface OwnerOptions extends SqliteWalOptions {
  readonly driver: SqliteDriver;
  readonly clock: Clock;
  readonly store: OwnedStore;
  readonly reads: StoreReads;
  /** Called when the log could not be flushed in the background. */
  readonly flushFailed: (cause: unknown) => void;
}

/** Takes over the open store: when something fails, it is closed and its lock released. */
export function startOwner(options: OwnerOptions): { readonly owner: Owner; readonly door: InboxDoor } {
  const { driver, path, clock, store, reads, retention, logBytes = LOG_BYTES, verifyLineOrder = false } = options;
  const { db, lock } = store;
  const { clusterId } = store.identity;
  const inboxOptions = {
    driver,
    path: inboxPath(path),
    clusterId,
    markOf: (session: string) => reads.sessionMark(session),
  };
  let inbox: Inbox | undefined;
  let door: InboxDoor | undefined;
  try {
    inbox = new Inbox(inboxOptions);
    door = new InboxDoor(inboxOptions);
    const writer = new ShardWriter({
      db,
      inbox,
      clock,
      retention: {
        entryTtlMs: retention?.entryTtlMs ?? ENTRY_TTL_MS,
        verdictsMax: retention?.verdictsMax ?? VERDICTS_MAX,
      },
      verifyLineOrder,
    });
    const log = new LogFile(`${path}-wal`);
    const inboxLog = new LogFile(`${inboxOptions.path}-wal`);
    const checkpointer = new Checkpointer({
      path,
      inboxPath: inboxOptions.path,
      workerModule: driver.workerModule,
      checkpointHere: () => {
        db.exec(`PRAGMA journal_size_limit = ${logBytes * FILE_FACTOR}`);
        db.prepare('PRAGMA wal_checkpoint(RESTART)').get();
      },
      log,
      flushFailed: options.flushFailed,
      startBytes: logBytes,
    });
    const watched = [path, `${path}-owner`, inboxOptions.path].flatMap((file) => [file, `${file}-wal`, `${file}-shm`]);
    const files = new FileWatch(watched, () => clock.monotonic());
    return { owner: { lock, inbox, writer, log, inboxLog, checkpointer, files, removal: undefined }, door };
  } catch (error) {
    inbox?.close();
    door?.close();
    db.close();
    lock.release();
    throw error;
  }
}
