import { describe, expect, it } from 'vitest';
import { shardKeys } from '../../../src/wal/redis/keys.js';
import { type FieldRef, StatusReads } from '../../../src/wal/redis/status-reads.js';
import { toField } from '../../../src/wal/redis/text.js';

const keys = shardKeys('aq', 0);

function verdict(id: string): string {
  return JSON.stringify({
    id,
    entityType: 'account',
    entityId: 'a',
    verdict: { state: 'completed', reply: id },
    at: 1e15,
  });
}

/** Every field of the first reads, and what the later ones find instead. */
function made(pointerOf: (id: string, moment: number) => string | null, recordOf: (number: string) => string | null) {
  const reads: (readonly FieldRef[])[] = [];
  const names = new Map<string, string>();
  const status = new StatusReads(keys, async (fields) => {
    reads.push(fields);
    return fields.map(([key, field]) => {
      if (keys.ids.includes(key)) return pointerOf(names.get(field) as string, reads.length);
      return key.includes(':verdict:') ? recordOf(field) : null;
    });
  });
  const find = (...ids: string[]) => {
    for (const id of ids) names.set(toField(id), id);
    return status.find(ids, 0);
  };
  return { reads, find };
}

describe('looking many messages up on Redis', () => {
  it('takes no verdict that is another message’s: a promoted server may have given its number again (I5, M8)', async () => {
    const lost = made(
      (_id, moment) => (moment === 1 ? 'v7' : null),
      () => verdict('other'),
    );
    expect(await lost.find('mine')).toEqual([undefined]);
    const moved = made(
      (_id, moment) => (moment === 1 ? 'v7' : 'v8'),
      (number) => verdict(number === '7' ? 'other' : 'mine'),
    );
    expect((await moved.find('mine'))[0]?.status.verdict).toEqual({ state: 'completed', reply: 'mine' });
  });

  it('reads at most 16 verdicts in one go, each for its own id (M3)', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => `m${index}`);
    const { reads, find } = made(
      (id) => `v${id.slice(1)}`,
      (number) => verdict(`m${number}`),
    );
    const found = await find(...ids);
    expect(found.map((each) => each?.status.verdict?.reply)).toEqual(ids);
    expect(reads.slice(1).map((fields) => fields.length)).toEqual([16, 16, 16, 2]);
  });
});
