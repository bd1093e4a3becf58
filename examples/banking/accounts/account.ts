/** An account and the two rules it has: money moves in whole cents, and nobody withdraws what is not there. */

export interface Account {
  readonly id: string;
  readonly balanceCents: number;
  /** How many deposits, withdrawals and transfers made this balance, as on a bank statement. */
  readonly movements: number;
}

/**
 * Why the bank said no. It is an answer and not an error: the handler did its work, and a command that ends with a
 * refusal is complete. Errors are for what should not happen; those end up among the dead letters.
 */
export interface Refusal {
  readonly refused: 'InsufficientFunds' | 'AccountExists';
  readonly message: string;
  readonly balanceCents: number;
}

export class AccountNotFound extends Error {
  override readonly name = 'AccountNotFound';

  constructor(readonly accountId: string) {
    super(`There is no account "${accountId}".`);
  }
}

/** The account after one more movement; `cents` is negative for money that leaves. */
export function moved(account: Account, cents: number): Account {
  return { ...account, balanceCents: account.balanceCents + cents, movements: account.movements + 1 };
}

export function insufficientFunds({ id, balanceCents }: Account, cents: number): Refusal {
  const message = `Account "${id}" holds ${balanceCents} cents, ${cents} were asked for.`;
  return { refused: 'InsufficientFunds', message, balanceCents };
}
