/** The embedded store keeps the WAL contract, on real files. */
import { afterAll, describe, it } from 'vitest';
import { runGeneratedSequence, walContractCases } from '../../src/testing/wal-contract.js';
import { removeStoreFolders, sqliteFactory } from '../integration/sqlite/store-folder.js';

const repeatCommand = (seed: number): string =>
  `WAL_SEED=${seed} npx vitest run test/contract/wal-sqlite.test.ts -t 'generated'`;
const chosen = process.env['WAL_SEED'];
const seeds = chosen === undefined ? Array.from({ length: 2_000 }, (_, index) => index + 1) : [Number(chosen)];

afterAll(removeStoreFolders);

describe('the WAL contract', () => {
  const flushing = sqliteFactory();
  it.each(walContractCases())('$name', (promise) => promise.run(flushing));
});

describe('generated sequences against the pure model', () => {
  it('answers and reads as the model does (I1-I7)', { timeout: 600_000 }, async () => {
    const factory = sqliteFactory({ flushes: false });
    for (const seed of seeds) await runGeneratedSequence(seed, factory, { commits: 12, repeatCommand });
  });
});
