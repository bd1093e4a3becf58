import { describe, expect, it } from 'vitest';
import { LeaseBook } from '../../../src/testing/simulation/lease-book.js';
import type { SimulatedConnection } from '../../../src/testing/simulation/simulated-connection.js';
import type { SimulatedProcess } from '../../../src/testing/simulation/simulated-process.js';
import { SimulatedWal } from '../../../src/testing/simulation/simulated-wal.js';
import { MemoryStore, MemoryWal } from '../../../src/wal/memory/memory-wal.js';

describe('the simulation’s book of leases', () => {
  it('counts a commit that is tried again from its first try: the answer to a later one proves no more (M1, M7)', async () => {
    let now = 0;
    const clock = { now: () => now, monotonic: () => now };
    const process = { name: 'n1', clock } as unknown as SimulatedProcess;
    const connection = {
      process,
      call: (_name: string, act: () => unknown) => Promise.resolve(act()),
    } as unknown as SimulatedConnection;
    const book = new LeaseBook(2_000);
    const server = new MemoryWal({ clock, store: new MemoryStore({ shardCount: 1 }) });
    await server.start();
    const wal = new SimulatedWal(server, connection, connection, book, () => {});
    const { epoch } = await wal.open(0, 'one');
    const commit = { shard: 0, epoch, incarnation: 'one', number: 1, transitions: [] };
    now = 100;
    await wal.commit(commit);
    now = 900;
    await wal.commit(commit);
    expect(book.leftOfOwner(0)).toBe(1_200);
    expect(book.leftAsKnown(0, epoch)).toBe(1_200);
    await wal.commit({ ...commit, number: 2 });
    expect(book.leftOfOwner(0)).toBe(2_000);
  });
});
