/** The memory adapter keeps the WAL contract. */
import { describe, it } from 'vitest';
import { runGeneratedSequence, type WalFactory, walContractCases } from '../../src/testing/wal-contract.js';
import { type SharedWalFactory, sharedWalContractCases } from '../../src/testing/wal-contract-shared.js';
import { MemoryStore, MemoryWal } from '../../src/wal/memory/memory-wal.js';

const factory: WalFactory = {
  async create({ clusterId, ...options }) {
    const store = new MemoryStore({ clusterId });
    const opened: MemoryWal[] = [];
    const open = async (): Promise<MemoryWal> => {
      const wal = new MemoryWal({ ...options, store });
      opened.push(wal);
      await wal.start();
      return wal;
    };
    return {
      wal: await open(),
      reopen: open,
      dispose: async () => {
        await Promise.all(opened.map((wal) => wal.stop()));
      },
    };
  },
};

const sharedFactory: SharedWalFactory = {
  async create({ clusterId, ...options }) {
    const store = new MemoryStore({ clusterId, shardCount: 2 });
    const make = (): MemoryWal => new MemoryWal({ ...options, store, defersAppends: true });
    const wals = [make(), make()] as const;
    for (const wal of wals) await wal.start();
    return {
      wals,
      dispose: async () => {
        for (const wal of wals) await wal.stop();
      },
    };
  },
};

const repeatCommand = (seed: number) =>
  `WAL_SEED=${seed} npx vitest run test/contract/wal-memory.test.ts -t 'generated'`;
const chosen = process.env['WAL_SEED'];
const seeds = chosen === undefined ? Array.from({ length: 2_000 }, (_, index) => index + 1) : [Number(chosen)];

describe('the WAL contract', () => {
  it.each(walContractCases())('$name', ({ run }) => run(factory));
});

describe('the contract of a store that nodes share', () => {
  it.each(sharedWalContractCases())('$name', ({ run }) => run(sharedFactory));
});

describe('generated sequences against the pure model', () => {
  it('answers and reads as the model does (I1-I7)', { timeout: 300_000 }, async () => {
    for (const seed of seeds) await runGeneratedSequence(seed, factory, { repliesTo: seed % 2 === 0, repeatCommand });
  });
});
