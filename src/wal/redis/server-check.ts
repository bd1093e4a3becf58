/** What the server itself must be like. Tolerates servers that do not let one look. */
import { fatalRedisError, redisError } from './errors.js';
import type { RedisClient } from './scripts.js';

const VERSION_MIN = [6, 2] as const;

/** @param warn gets what can be lived with. Throws `StoreUnavailableError` for what cannot. */
export async function checkServer(client: RedisClient, warn: (message: string) => void): Promise<void> {
  const info = await asked(() => client.info());
  if (info === undefined) {
    warn('Redis does not allow INFO, so its version and role could not be checked. Version 6.2 or newer is needed.');
  } else {
    checkVersion(info);
    if (/^role:slave/m.test(info) && !/^slave_read_only:0/m.test(info)) {
      throw fatalRedisError('This Redis is a read-only replica. Connect to the master, or through Sentinel.');
    }
  }
  const policy = policyOf(await asked(() => client.config('GET', 'maxmemory-policy')), info);
  if (policy !== undefined && policy !== 'noeviction') {
    throw fatalRedisError(
      `The server's maxmemory-policy is "${policy}": when its memory is full it would delete parts of the queues. Set it to "noeviction".`,
    );
  }
}

function checkVersion(info: string): void {
  const [, version = ''] = /^redis_version:(\S+)/m.exec(info) ?? [];
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (version === '' || major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1])) return;
  throw fatalRedisError(`The server is Redis ${version}; version ${VERSION_MIN.join('.')} or newer is needed.`);
}

/** Some servers allow INFO only. Undefined when neither tells. */
function policyOf(reply: unknown, info: string | undefined): string | undefined {
  if (Array.isArray(reply)) return typeof reply[1] === 'string' ? reply[1] : undefined;
  if (typeof reply === 'object' && reply !== null && 'maxmemory-policy' in reply)
    return String(reply['maxmemory-policy']);
  return /^maxmemory_policy:(\S+)/m.exec(info ?? '')?.[1];
}

/** Undefined when the server does not allow to ask. */
async function asked<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/NOPERM|unknown command|disabled|not allowed/i.test(message)) return undefined;
    throw redisError(error, false);
  }
}
