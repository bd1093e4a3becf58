/** Compares what was accepted with what is in the database. */
import type { Account } from './accounts/account.js';
import { emptyEntry, type LedgerEntry } from './ledger.js';

export interface Integrity {
  /** Accepted movements that left no trace, because another request overwrote them. */
  readonly lostUpdates: number;
  /** Accounts that paid out more than they ever had, or are below zero. */
  readonly overdrafts: number;
  /** By how much, over all accounts. */
  readonly overdrawnCents: number;
  /** What was there before, and what was paid in. */
  readonly moneyInCents: number;
  /** What was paid out, and what is there now. */
  readonly moneyOutCents: number;
  readonly moneyInEqualsMoneyOut: boolean;
  /** Nothing of the above is wrong, and no request ended in an error. */
  readonly kept: boolean;
}

export function checkIntegrity(
  before: readonly Account[],
  after: readonly Account[],
  ledger: Readonly<Record<string, LedgerEntry>>,
  errors: number,
): Integrity {
  const afterById = new Map(after.map((account) => [account.id, account]));
  const sum = { lostUpdates: 0, overdrafts: 0, overdrawnCents: 0, moneyInCents: 0, moneyOutCents: 0 };
  for (const { id, balanceCents, movements } of before) {
    const entry = ledger[id] ?? emptyEntry();
    const now = afterById.get(id) ?? { balanceCents: 0, movements: 0 };
    const rightCents =
      balanceCents + entry.depositedCents + entry.receivedCents - entry.withdrawnCents - entry.sentCents;
    sum.lostUpdates += movements + entry.movements - now.movements;
    if (rightCents < 0 || now.balanceCents < 0) sum.overdrafts += 1;
    sum.overdrawnCents += Math.max(0, -rightCents, -now.balanceCents);
    sum.moneyInCents += balanceCents + entry.depositedCents;
    sum.moneyOutCents += entry.withdrawnCents + now.balanceCents;
  }
  const moneyInEqualsMoneyOut = sum.moneyInCents === sum.moneyOutCents;
  const kept = sum.lostUpdates === 0 && sum.overdrafts === 0 && moneyInEqualsMoneyOut && errors === 0;
  return { ...sum, moneyInEqualsMoneyOut, kept };
}
