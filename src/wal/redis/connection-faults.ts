/**
 * Faults of connecting that no waiting heals: a wrong password, a database that is not there, another kind of server. They
 * become `CONFIG_INVALID` with the option that is to blame. Nothing here repeats a password: servers do not, either.
 */
import { AtomicQueuesError } from '../../runtime/error.js';
import { tlsFault, tlsHint } from './tls-faults.js';

interface Explained {
  readonly pattern: RegExp;
  /** The rest of a sentence that begins with the server. */
  readonly says: string;
}

const REPLIES: readonly Explained[] = [
  {
    pattern: /^WRONGPASS|invalid password|invalid username-password/i,
    says: 'refuses the user name or password (redis.username, redis.password)',
  },
  { pattern: /^NOAUTH/, says: 'wants a password, and none is set (redis.password)' },
  { pattern: /DB index is out of range|invalid DB index/i, says: 'does not have the database (redis.db)' },
  {
    pattern: /SELECT is not allowed in cluster mode/i,
    says: 'is a Redis Cluster, which has only the database 0 (redis.db)',
  },
  { pattern: /^NOPERM/, says: 'does not let this user in (its ACL lacks a permission)' },
  { pattern: /cluster support disabled/i, says: 'is not a Redis Cluster (redis.cluster)' },
];

/** The error that says what to change, if `error` is of the kind that stays; else undefined. */
export function lastingFault(error: unknown, server: string): AtomicQueuesError | undefined {
  if (!(error instanceof Error)) return undefined;
  for (const each of chainOf(error)) {
    const known = REPLIES.find(({ pattern }) => pattern.test(each.message));
    if (known !== undefined) return fault(`${server} ${known.says}: ${each.message}`, each);
    const tls = tlsFault(each);
    if (tls !== undefined) return fault(`${server} ${tls}`, each);
  }
  return undefined;
}

/** An error and those that it was made of; a Cluster hides the real one. */
function chainOf(error: Error): Error[] {
  const { lastNodeError } = error as { readonly lastNodeError?: unknown };
  return [error, lastNodeError, error.cause].filter((each): each is Error => each instanceof Error);
}

/** How an error begins that is about Sentinels and not about the server itself. */
export const NO_SENTINEL = 'no Sentinel answers';

/** Why nothing came about that may still heal, with what to look at. */
export function passingFault(error: Error | undefined, usesTls: boolean): string {
  if (error === undefined) return `nothing answered.${tlsHint('ETIMEDOUT', usesTls)}`;
  if (error.message.startsWith(NO_SENTINEL)) return error.message;
  const said = [...new Set(chainOf(error).map(({ message }) => message.replace(/\.$/, '')))].join(': ');
  return `${said}.${tlsHint(said, usesTls)}`;
}

/** Whether the server refused the database: the client library would go on in database 0. */
export function isDatabaseRefusal(error: unknown): boolean {
  const { command } = error as { readonly command?: { readonly name?: string } };
  return command?.name === 'select';
}

export function fault(message: string, cause?: unknown): AtomicQueuesError {
  return new AtomicQueuesError('CONFIG_INVALID', message, { cause });
}
