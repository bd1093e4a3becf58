/** What the server and the connection say when something fails, as the port's errors. */
import { LineFormatError, ShardFullError, ShardHeldError } from '../shared-wal.js';
import { CommitNumberError, IllegalTransitionError, StaleEpochError, StoreUnavailableError } from '../wal.js';

/** The server refused before it ran anything, and may do it later. The last two: WAIT, when the primary becomes a replica. */
const REFUSED_FOR_NOW =
  /\b(OOM|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|MISCONF|NOREPLICAS|TRYAGAIN|BUSY|MOVED|ASK|UNKILLABLE|UNBLOCKED)\b|WAIT cannot be used with replica/;
/** Someone must change a setting, a password or what is stored. */
const REFUSED_FOR_GOOD = /\b(WRONGPASS|NOAUTH|NOPERM|WRONGTYPE|NOPROTO)\b|unknown command|CROSSSLOT/i;
/** The client did not even write it to the connection. */
const NOT_SENT = /enableOfflineQueue|isn't writeable|Failed to refresh slots|ClusterAllFailed|None of startup nodes/i;

/** Any failure of a call as one of the port's errors. `writes`: whether the call might have changed something. */
export function redisError(error: unknown, writes: boolean): Error {
  if (isOurs(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  if (REFUSED_FOR_GOOD.test(message)) {
    return new StoreUnavailableError(
      `Redis refused: ${message}. ${adviceFor(message)}`,
      writes && !/NOAUTH|NOPERM|WRONGPASS/.test(message) ? 'unknown' : 'no',
      false,
      options,
    );
  }
  if (REFUSED_FOR_NOW.test(message))
    return new StoreUnavailableError(`Redis refuses for now: ${message}`, 'no', true, options);
  if (isReply(error)) {
    // An answer that nobody foresaw: nothing says that trying again would help, nor that nothing happened.
    return new StoreUnavailableError(`Redis failed: ${message}`, writes ? 'unknown' : 'no', false, options);
  }
  const applied = writes && !NOT_SENT.test(message) ? 'unknown' : 'no';
  return new StoreUnavailableError(`The connection to Redis failed: ${message}`, applied, true, options);
}

/** The store is not what it was, or not what this process can work with: nothing helps but someone's hand. */
export function fatalRedisError(message: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(message, 'no', false, cause === undefined ? undefined : { cause });
}

function isOurs(error: unknown): error is Error {
  return (
    error instanceof StoreUnavailableError ||
    error instanceof StaleEpochError ||
    error instanceof CommitNumberError ||
    error instanceof IllegalTransitionError ||
    error instanceof ShardHeldError ||
    error instanceof LineFormatError ||
    error instanceof ShardFullError ||
    error instanceof RangeError
  );
}

function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

function adviceFor(message: string): string {
  if (/WRONGTYPE/.test(message))
    return 'A key of the store holds something else: choose another `keyPrefix`, or remove what is there.';
  if (/WRONGPASS|NOAUTH/.test(message)) return 'Check user name and password of the connection.';
  if (/NOPERM/.test(message)) return 'The user needs more permissions; docs/redis.md shows a user that has them all.';
  return 'Check the server and its version (6.2 or newer is needed).';
}
