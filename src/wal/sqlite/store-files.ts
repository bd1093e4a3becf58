/**
 * Opening the files of a store: checks first and changes nothing when something is wrong, then locks, then opens, and
 * makes the store where there is none. Also notices when the file goes away under a running owner.
 *
 * The store's file is never opened past SQLite: closing such a descriptor would drop this process's locks on it.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { SqliteDatabase, SqliteDriver } from './driver.js';
import { fatalStoreError } from './errors.js';
import { inboxOwner, inboxPath } from './inbox.js';
import { LogFill } from './log-fill.js';
import { OwnerLock, type OwnerNote, ownNote } from './owner-lock.js';
import { APPLICATION_ID, createStore, FORMAT_VERSION } from './schema.js';
import { formatOf, OLDEST_FORMAT, upgradeStore } from './schema-upgrade.js';
import { prepareLineIndex } from './waiting-lines.js';

/**
 * Of new stores; others keep what they have. States of 1 KiB stand three to a page, not one: with half of this their
 * messages took 12 % longer (measured; plain messages do not care).
 */
const PAGE_BYTES = 4096;
const CACHE_KIB = 16_384;
/** Links that are followed for a file that is not there yet; a circle of links ends here. */
const LINKS_MAX = 40;

export interface StoreIdentity {
  readonly clusterId: string;
  readonly shardCount: number;
}

export interface OpenedStore {
  readonly db: SqliteDatabase;
  readonly identity: StoreIdentity;
}

export interface OwnedStore extends OpenedStore {
  readonly lock: OwnerLock;
}

export interface OpenOptions {
  readonly driver: SqliteDriver;
  readonly path: string;
  /** Id of a store that is made now. */
  readonly newClusterId: () => string;
  /** The store must be this one. */
  readonly clusterId: string | undefined;
  readonly verifyLineOrder: boolean;
}

export function openAsOwner(options: OpenOptions): OwnedStore {
  const { driver, path } = options;
  checkFolder(path);
  if (!isThere(path) || isEmptyStore(options)) checkInbox(options);
  const lock = OwnerLock.acquire(driver, path, () => readNote(options));
  let db: SqliteDatabase | undefined;
  try {
    db = driver.open(path, { readOnly: false });
    db.exec(`PRAGMA busy_timeout = 0; PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -${CACHE_KIB};`);
    if (isEmpty(db)) {
      createStore(db, options.clusterId ?? options.newClusterId());
      flushFolder(dirname(path));
    } else upgradeStore(db);
    prepareLineIndex(db, options.verifyLineOrder);
    db.prepare("INSERT OR REPLACE INTO meta VALUES ('owner', ?)").run(JSON.stringify(ownNote()));
    return { db, lock, identity: readIdentity(db) };
  } catch (error) {
    db?.close();
    lock.release();
    throw error;
  }
}

/** Checks what is there; true when it is a database without anything in it. */
function isEmptyStore(options: OpenOptions): boolean {
  const db = checkStore(options, OLDEST_FORMAT);
  try {
    return isEmpty(db);
  } finally {
    db.close();
  }
}

/** A new store would have another identity than what was handed in beside it, which then nobody could take in. */
function checkInbox({ driver, path, clusterId }: OpenOptions): void {
  const inbox = inboxPath(path);
  const found = inboxOwner(driver, inbox);
  if (found === undefined || found === clusterId) return;
  throw fatalStoreError(
    `There is no store at ${path}, but ${inbox} belongs to another store (${found}) and may hold messages for it. Put that store back beside it, move the inbox away, or name another path.`,
  );
}

/**
 * The file itself where the path, or a folder in it, is a symbolic link: SQLite puts its files beside the link's target,
 * and two names of one store must have one lock. The file need not exist yet.
 */
export function realStorePath(path: string, links = LINKS_MAX): string {
  try {
    return realpathSync(path);
  } catch {
    // It is not there yet, or cannot be reached, which is told when it is opened.
  }
  const folder = dirname(path);
  if (folder === path || links === 0) return path;
  const named = join(realStorePath(folder, links - 1), basename(path));
  try {
    return realStorePath(resolve(dirname(named), readlinkSync(named)), links - 1);
  } catch {
    return named;
  }
}

export function openAsReader(options: OpenOptions): OpenedStore {
  const { path } = options;
  if (!isThere(path)) {
    throw fatalStoreError(
      `There is no store at ${path}. A reader cannot make one; start the application first, or name its path.`,
    );
  }
  const db = checkStore(options, FORMAT_VERSION);
  return { db, identity: readIdentity(db) };
}

/** Opens an existing file read-only and refuses what is not a whole store of a format that is known and of this identity. */
function checkStore(options: OpenOptions, oldestFormat: number): SqliteDatabase {
  const { driver, path, clusterId } = options;
  const db = driver.open(path, { readOnly: true });
  try {
    db.exec('PRAGMA busy_timeout = 1000; PRAGMA query_only = ON;');
    if (isEmpty(db)) return db;
    const applicationId = numberOf(db, 'PRAGMA application_id', 'application_id');
    if (applicationId !== APPLICATION_ID) {
      throw fatalStoreError(
        `The file ${path} is a SQLite database, but not an atomic-queues store. Name another path.`,
      );
    }
    const version = formatOf(db);
    if (version >= OLDEST_FORMAT && version < oldestFormat) {
      throw fatalStoreError(
        `The store ${path} has format ${version}. Start the application with this version of atomic-queues once: it brings the store to format ${FORMAT_VERSION}, which can be read then.`,
      );
    }
    if (!(version >= oldestFormat && version <= FORMAT_VERSION)) {
      throw fatalStoreError(
        `The store ${path} has format ${version}; this version of atomic-queues reads format ${FORMAT_VERSION}. Use the version that wrote it, or name another path.`,
      );
    }
    checkWhole(db, path);
    const found = readIdentity(db).clusterId;
    if (clusterId !== undefined && found !== clusterId) {
      throw fatalStoreError(
        `The store ${path} is ${found}, not the expected ${clusterId}. Name the path of the right store.`,
      );
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * SQLite itself notices a shortened file, except when there is a log beside it: then every page past the end of the file
 * must be in the log, which is impossible if the log has fewer pages than are missing.
 */
function checkWhole(db: SqliteDatabase, path: string): void {
  const pages = numberOf(db, 'PRAGMA page_count', 'page_count');
  const pageBytes = numberOf(db, 'PRAGMA page_size', 'page_size');
  const missing = pages - Math.floor(statSync(path).size / pageBytes);
  if (missing <= 0 || missing <= framesInLog(`${path}-wal`)) return;
  throw fatalStoreError(
    `The store ${path} is cut short: ${missing} of its ${pages} pages are missing. Keep a copy of the file and restore a backup.`,
  );
}

function framesInLog(path: string): number {
  if (!existsSync(path)) return 0;
  const fd = openSync(path, 'r');
  try {
    return new LogFill(fd).frames;
  } finally {
    closeSync(fd);
  }
}

function isEmpty(db: SqliteDatabase): boolean {
  return numberOf(db, 'SELECT count(*) AS tables FROM sqlite_schema', 'tables') === 0;
}

function numberOf(db: SqliteDatabase, sql: string, column: string): number {
  const row = db.prepare(sql).get() as Record<string, unknown> | undefined;
  return Number(row?.[column]);
}

function readIdentity(db: SqliteDatabase): StoreIdentity {
  const rows = db.prepare('SELECT key, value FROM meta').all() as { key: string; value: string }[];
  const meta = new Map(rows.map(({ key, value }) => [key, value]));
  return { clusterId: meta.get('cluster_id') ?? '', shardCount: Number(meta.get('shard_count')) };
}

function readNote(options: OpenOptions): OwnerNote | undefined {
  let db: SqliteDatabase | undefined;
  try {
    db = options.driver.open(options.path, { readOnly: true });
    const row = db.prepare("SELECT value FROM meta WHERE key = 'owner'").get() as { value: string } | undefined;
    return row === undefined ? undefined : (JSON.parse(row.value) as OwnerNote);
  } catch {
    // The other owner may be about to make the store; then its name is not known yet.
    return undefined;
  } finally {
    db?.close();
  }
}

function isThere(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory())
    throw fatalStoreError(`The store path ${path} is a folder. Name a file in it, e.g. ${path}/queues.db.`);
  return stats !== undefined && stats.size > 0;
}

function checkFolder(path: string): void {
  const folder = dirname(path);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw fatalStoreError(`The folder ${folder} of the store does not exist. Make it, or name another path.`);
  }
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) accessSync(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw fatalStoreError(
      `This process may not write to the store ${path} or its folder. Give it the rights, or name another path.`,
      cause,
    );
  }
}

/** Makes the names of new files durable. Not every system lets a folder be flushed; there they are durable anyway. */
function flushFolder(folder: string): void {
  try {
    const fd = openSync(folder, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Windows refuses to open a folder.
  }
}

/**
 * Notices, at most once a second, that a file was removed or replaced while the store is open: the store, what SQLite
 * keeps beside it (an accepted message may be in the log only), or the lock that keeps other owners out.
 */
export class FileWatch {
  readonly #files: readonly { readonly path: string; readonly stats: Stats }[];
  #nextAt: number;

  constructor(
    paths: readonly string[],
    private readonly monotonic: () => number,
  ) {
    this.#files = paths.flatMap((path) => {
      const stats = statSync(path, { throwIfNoEntry: false });
      return stats === undefined ? [] : [{ path, stats }];
    });
    this.#nextAt = monotonic() + 1_000;
  }

  /** The path that is no longer the file it was. `atOnce`: look also when the last look was just now. */
  lost(atOnce: boolean): string | undefined {
    const now = this.monotonic();
    if (now < this.#nextAt && !atOnce) return undefined;
    this.#nextAt = now + 1_000;
    return this.#files.find(({ path, stats }) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found === undefined || found.ino !== stats.ino || found.dev !== stats.dev;
    })?.path;
  }
}
