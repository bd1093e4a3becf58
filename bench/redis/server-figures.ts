/** What Redis itself tells: calls of scripts, connections, memory; and what this process sent to it. */
import { Redis } from 'ioredis';
import { OWN_NAME } from './redis-server.js';

/** Commands that only a client can send: what scripts call inside is not among them. */
const SCRIPT_CALLS = ['evalsha', 'eval', 'evalsha_ro', 'eval_ro', 'fcall', 'fcall_ro'];

export async function scriptCalls(admin: Redis): Promise<number> {
  const text = await admin.info('commandstats');
  let calls = 0;
  for (const [, name, count] of text.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)) {
    if (SCRIPT_CALLS.includes((name as string).toLowerCase())) calls += Number(count);
  }
  return calls;
}

export interface Connections {
  readonly total: number;
  /** By the name that they gave themselves; `-` without one. */
  readonly byName: Readonly<Record<string, number>>;
}

/** All connections but the benchmark's own. */
export async function connections(admin: Redis): Promise<Connections> {
  const byName: Record<string, number> = {};
  let total = 0;
  for (const line of String(await admin.client('LIST')).split('\n')) {
    if (line.trim() === '') continue;
    const name = / name=(\S*)/.exec(line)?.[1] ?? '';
    if (name.startsWith(OWN_NAME)) continue;
    byName[name === '' ? '-' : name] = (byName[name === '' ? '-' : name] ?? 0) + 1;
    total += 1;
  }
  return { total, byName };
}

export async function usedMemoryBytes(admin: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1] ?? Number.NaN);
}

/**
 * Counts every command that any ioredis connection of this process sends. Redis' own statistics cannot be used for that:
 * they also count what scripts call inside.
 */
export class CommandCounter {
  #count = 0;

  constructor() {
    const send = Redis.prototype.sendCommand;
    const counted = (): void => {
      this.#count += 1;
    };
    Redis.prototype.sendCommand = function sendCounted(this: Redis, ...args: Parameters<typeof send>) {
      counted();
      return send.apply(this, args);
    };
  }

  get count(): number {
    return this.#count;
  }
}
