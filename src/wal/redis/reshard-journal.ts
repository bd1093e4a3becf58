/** How far a reshard has come, as one hash on the server. */
import { journalKey } from './reshard-keys.js';
import type { RedisClient } from './scripts.js';

export type Phase = 'gather' | 'copy' | 'switch';

export interface Journal {
  readonly phase: Phase;
  readonly from: number;
  readonly to: number;
  readonly groups: number;
  /** Groups in which a shard's last owner did not release it. */
  readonly unclean: readonly number[];
  /** Whether nodes are kept from starting. */
  readonly closed: boolean;
}

export async function readJournal(client: RedisClient, key: string): Promise<Journal | undefined> {
  const { phase, from, to, groups, unclean, closed } = await client.hgetall(key);
  if (phase === undefined) return undefined;
  return {
    phase: phase as Phase,
    from: Number(from),
    to: Number(to),
    groups: Number(groups),
    unclean: JSON.parse(unclean ?? '[]') as number[],
    closed: closed === '1',
  };
}

export function journalFields({ phase, from, to, groups, unclean, closed }: Journal): Record<string, string> {
  return {
    phase,
    from: String(from),
    to: String(to),
    groups: String(groups),
    unclean: JSON.stringify(unclean),
    closed: closed ? '1' : '0',
  };
}

/** How many slices an interrupted reshard was to make, if there is one. */
export async function interruptedReshard(client: RedisClient, keyPrefix: string): Promise<number | undefined> {
  const to = await client.hget(journalKey(keyPrefix), 'to');
  return to === null ? undefined : Number(to);
}
