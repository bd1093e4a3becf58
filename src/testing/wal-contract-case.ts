/** One promise of the WAL contract, checked on a fresh store. */
import type { RetentionOptions } from '../wal/wal.js';
import type { ContractShard } from './wal-contract-shard.js';

export interface ContractCase {
  readonly name: string;
  /** Default: a minute, 1,000 verdicts. */
  readonly retention?: RetentionOptions;
  /** Whether the shard is opened before `check`. Default true. */
  readonly opened?: boolean;
  check(shard: ContractShard): Promise<void>;
}
