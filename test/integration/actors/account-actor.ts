/** The actor that the tests work on: an account with a history, and messages with and without `@EntityType`. */
import { Actor, type ActorOptions, EntityType, JobQuery, On, QueueEntityId, Reply } from 'atomic-queues/core';

@EntityType('account')
export class Deposit extends Reply<number> {
  @QueueEntityId() readonly accountId: string;
  readonly amount: number;

  constructor(accountId: string, amount: number) {
    super();
    this.accountId = accountId;
    this.amount = amount;
  }
}

/** Says neither its entity type nor its entity: for `ActorSystem` only. */
export class Withdraw extends Reply<number> {
  readonly amount: number;

  constructor(amount: number) {
    super();
    this.amount = amount;
  }
}

@EntityType('account')
@JobQuery()
export class Balance extends Reply<number> {
  @QueueEntityId() readonly accountId: string;

  constructor(accountId: string) {
    super();
    this.accountId = accountId;
  }
}

export class Ledger {
  readonly entries: string[] = [];
}

/** A class of its own for each test, so that options and counts are its own too. */
export function accountActor(options: ActorOptions = {}) {
  @Actor('account', options)
  class AccountActor {
    static made = 0;
    balance = 0;
    history: { readonly amount: number; readonly at: Date }[] = [];
    seen = new Set<string>();

    constructor(protected readonly ledger: Ledger) {
      AccountActor.made += 1;
    }

    @On(Deposit)
    async deposit({ amount }: Deposit, { id, entityId }: { id: string; entityId: string }): Promise<number> {
      this.balance += amount;
      await Promise.resolve();
      this.history.push({ amount, at: new Date(1_700_000_000_000) });
      this.seen.add(id);
      this.ledger.entries.push(`${entityId} ${amount}`);
      if (amount < 0) throw new Error(`cannot deposit ${amount}`);
      return this.balance;
    }

    @On(Withdraw)
    withdraw({ amount }: Withdraw): number {
      this.balance -= amount;
      if (this.balance < 0) throw new Error('not enough');
      return this.balance;
    }

    @On(Balance)
    read(): number {
      this.balance += 1_000_000;
      return this.balance - 1_000_000;
    }

    @On('spoil', { kind: 'command' })
    spoil(): void {
      this.history.push({ amount: 1, at: new URL('http://localhost') as never });
    }

    @On('describe', { kind: 'query' })
    describe(): object {
      return { balance: this.balance, entries: this.history.length, seen: this.seen.size };
    }
  }
  return AccountActor;
}
