/**
 * The contract suite of the WAL, for any adapter and any test runner: `walContractCases` are the promises one by one,
 * `runGeneratedSequence` compares the adapter with the pure model over made-up lives of a shard. A case rejects when the
 * promise of its name is broken.
 *
 *     it.each(walContractCases())('$name', ({ run }) => run(factory));
 */

import { actorCases } from './wal-contract-actors.js';
import type { ContractCase } from './wal-contract-case.js';
import { earlyCases } from './wal-contract-early.js';
import { endingCases } from './wal-contract-endings.js';
import { lineCases } from './wal-contract-line.js';
import { offerCases } from './wal-contract-offers.js';
import { ownerCases } from './wal-contract-owner.js';
import { readCases } from './wal-contract-reads.js';
import { reminderCases } from './wal-contract-reminders.js';
import { ContractShard, type WalFactory } from './wal-contract-shard.js';

export { type GeneratedSequenceOptions, runGeneratedSequence } from './wal-contract-sequence.js';
export type { WalFactory, WalFactoryOptions, WalUnderTest } from './wal-contract-shard.js';
export { ContractClock } from './wal-contract-shard.js';

export interface WalContractCase {
  /** The promise, with the invariants it keeps. */
  readonly name: string;
  /** Makes its own store and disposes of it. */
  readonly run: (factory: WalFactory) => Promise<void>;
}

export function walContractCases(): readonly WalContractCase[] {
  const all: readonly ContractCase[] = [
    ...lineCases,
    ...endingCases,
    ...actorCases,
    ...earlyCases,
    ...reminderCases,
    ...ownerCases,
    ...offerCases,
    ...readCases,
  ];
  return all.map((promise) => ({
    name: promise.name,
    run: async (factory: WalFactory) => {
      const shard = await ContractShard.create(factory, promise.retention);
      try {
        if (promise.opened !== false) await shard.open();
        await promise.check(shard);
      } finally {
        await shard.dispose();
      }
    },
  }));
}
