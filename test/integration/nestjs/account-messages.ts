/** Messages of the accounts that the tests of the module work on. */
import { EntityType, JobQuery, QueueEntityId, Reply } from 'atomic-queues';

@EntityType('account')
export class Deposit extends Reply<number> {
  @QueueEntityId() readonly accountId: string;
  readonly amount: number;

  constructor(accountId: string, amount: number) {
    super();
    this.accountId = accountId;
    this.amount = amount;
  }

  get doubled(): number {
    return this.amount * 2;
  }
}

@EntityType('account')
export class Withdraw {
  @QueueEntityId() readonly accountId: string;
  readonly amount: number;

  constructor(accountId: string, amount: number) {
    this.accountId = accountId;
    this.amount = amount;
  }
}

@EntityType('account')
export class Balance extends Reply<number> {
  @QueueEntityId() readonly accountId: string;

  constructor(accountId: string) {
    super();
    this.accountId = accountId;
  }
}

@EntityType('account', { name: 'list-entries' })
@JobQuery()
export class Entries {
  @QueueEntityId() readonly accountId: string;

  constructor(accountId: string) {
    this.accountId = accountId;
  }
}

/** Not addressed to an entity: a matter of CQRS alone. */
export class Undecorated {}
