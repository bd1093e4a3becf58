/**
 * A lock for tools that change a store beside or without its nodes, so that only one of them does at a time. It guards
 * nothing against a tool that was frozen for longer than the lock lives: what is done under it must be safe by itself. The
 * lock of a tool that was killed ends after `TTL_MS`.
 */
import type { Runtime } from '../../runtime/runtime.js';
import { clusterKeys } from './keys.js';
import type { RedisClient } from './scripts.js';

const TTL_MS = 5_000;
const RENEW_MS = 1_500;
const LOOK_MS = 100;

/** Renews or removes the lock, if it is still one's own. KEYS: 1 lock. ARGV: 1 token, 2 its new life in ms (0: none). */
const KEEP = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`;

export interface ToolLockOptions {
  readonly client: RedisClient;
  readonly keyPrefix: string;
  readonly runtime: Runtime;
  /** How long to wait for another tool, milliseconds. */
  readonly timeoutMs: number;
  /** Called once when another tool is at work. */
  readonly waiting?: (() => void) | undefined;
}

/** Another tool had the lock all the time. */
export class ToolLockedError extends Error {
  override readonly name = 'ToolLockedError';
}

/** Runs `work` while no other tool has the lock. @throws ToolLockedError */
export async function withToolLock<T>(options: ToolLockOptions, work: () => Promise<T>): Promise<T> {
  const { client, runtime } = options;
  const { clock, timers } = runtime;
  const key = toolLockKey(options.keyPrefix);
  const token = runtime.freshId();
  const pause = (delayMs: number): Promise<void> => new Promise((resolve) => void timers.set(resolve, delayMs));
  const giveUpAt = clock.monotonic() + options.timeoutMs;
  for (let told = false; (await client.set(key, token, 'PX', TTL_MS, 'NX')) === null; told = true) {
    if (clock.monotonic() >= giveUpAt) {
      throw new ToolLockedError(`Another tool has been changing this store for ${options.timeoutMs / 1000} s.`);
    }
    if (!told) options.waiting?.();
    await pause(LOOK_MS);
  }
  let isDone = false;
  let wake = (): void => {};
  const renewals = (async () => {
    while (!isDone) {
      await Promise.race([pause(RENEW_MS), new Promise<void>((resolve) => void (wake = resolve))]);
      // A renewal that fails is tried again; if the lock is lost meanwhile, the work is safe by itself.
      if (!isDone) await client.eval(KEEP, 1, key, token, TTL_MS).catch(() => {});
    }
  })();
  try {
    return await work();
  } finally {
    isDone = true;
    wake();
    await renewals;
    await client.eval(KEEP, 1, key, token, 0).catch(() => {});
  }
}

function toolLockKey(prefix: string): string {
  return `${clusterKeys(prefix).meta.slice(0, -'meta'.length)}tool`;
}
