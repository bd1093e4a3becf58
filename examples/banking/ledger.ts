/** What the service said yes to, per account: kept by the side that asked, and compared with the database afterwards. */
import type { Operation } from './operations.js';

export interface LedgerEntry {
  depositedCents: number;
  withdrawnCents: number;
  /** By transfers from other accounts. */
  receivedCents: number;
  /** By transfers to other accounts. */
  sentCents: number;
  movements: number;
}

export class Ledger {
  readonly entries: Record<string, LedgerEntry> = {};

  constructor(ids: readonly string[]) {
    for (const id of ids) this.entries[id] = emptyEntry();
  }

  /** Notes an operation that was accepted. */
  note(operation: Operation): void {
    const entry = this.of(operation.id);
    entry.movements += 1;
    switch (operation.kind) {
      case 'deposit':
        entry.depositedCents += operation.cents;
        break;
      case 'withdrawal':
        entry.withdrawnCents += operation.cents;
        break;
      case 'transfer': {
        entry.sentCents += operation.cents;
        const other = this.of(operation.to);
        other.movements += 1;
        other.receivedCents += operation.cents;
      }
    }
  }

  private of(id: string): LedgerEntry {
    this.entries[id] ??= emptyEntry();
    return this.entries[id];
  }
}

export function emptyEntry(): LedgerEntry {
  return { depositedCents: 0, withdrawnCents: 0, receivedCents: 0, sentCents: 0, movements: 0 };
}
