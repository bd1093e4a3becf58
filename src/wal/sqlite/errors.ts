/**
 * What SQLite and the file system say, in words that tell what to do. Every failure of the embedded store leaves it as a
 * `StoreUnavailableError`.
 */
import { StoreUnavailableError } from '../wal.js';

interface SqliteFailure {
  readonly errcode?: number | undefined;
  readonly code?: string | undefined;
  readonly message?: unknown;
}

/** Primary result codes of SQLite that have their own words. */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

const SQLITE_ERROR = 1;
/** What `sqlite3_errstr` says of them: the driver of the package forgets the code when it fails between two rows. */
const CODES_BY_WORDS: ReadonlyMap<unknown, number> = new Map([
  ['database is locked', SQLITE_BUSY],
  ['database table is locked', SQLITE_LOCKED],
  ['disk I/O error', SQLITE_IOERR],
  ['database disk image is malformed', SQLITE_CORRUPT],
  ['file is not a database', SQLITE_NOTADB],
]);

/** SQLite's primary result code, or undefined when the error is not SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { errcode, code, message } = error as SqliteFailure;
  if (typeof errcode === 'number') return errcode & 0xff;
  return code === 'ERR_SQLITE_ERROR' ? (CODES_BY_WORDS.get(message) ?? SQLITE_ERROR) : undefined;
}

export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
}

/** The store's error for what went wrong at `path`. An error that is the store's own already is returned as it is. */
export function storeError(error: unknown, path: string, applied: 'no' | 'unknown' = 'no'): Error {
  if (error instanceof StoreUnavailableError) return error;
  const code = sqliteCode(error);
  if (code === undefined) return error instanceof Error ? error : new Error(String(error));
  const [words, recoverable] = wordsOf(code, path);
  const said = error instanceof Error ? error.message : String(error);
  return new StoreUnavailableError(`${words} (SQLite says: ${said})`, applied, recoverable, { cause: error });
}

/** A refusal at start, or the end of a running store: nobody can help but a person. */
export function fatalStoreError(
  message: string,
  cause?: unknown,
  applied: 'no' | 'unknown' = 'no',
): StoreUnavailableError {
  return new StoreUnavailableError(message, applied, false, cause === undefined ? undefined : { cause });
}

function wordsOf(code: number, path: string): readonly [words: string, recoverable: boolean] {
  switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return [
        `Another program holds a lock on the store ${path}. End its write transaction; this process tries again.`,
        true,
      ];
    case SQLITE_READONLY:
      return [`The store ${path} is read-only. Give this process write access to the file and its folder.`, true];
    case SQLITE_IOERR:
      return [`Reading or writing the store ${path} failed. Check the disk; this process tries again.`, true];
    case SQLITE_FULL:
      return [`No room left for the store ${path}. Free disk space; this process tries again.`, true];
    case SQLITE_CANTOPEN:
      return [
        `The store ${path} cannot be opened. Check that its folder exists and that this process may write to it.`,
        true,
      ];
    case SQLITE_CORRUPT:
      return [
        `The store ${path} is damaged. Stop the application, keep a copy of the file, and restore a backup.`,
        false,
      ];
    case SQLITE_NOTADB:
      return [`The file ${path} is not an atomic-queues store (not a SQLite database). Name another path.`, false];
    default:
      return [`The store ${path} failed.`, false];
  }
}
