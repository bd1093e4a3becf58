/** Asks for one account. In the queue it waits in the account's line, so it sees everything that was sent before it. */
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EntityType, QueueEntityId } from 'atomic-queues';
import type { Account } from './account.js';
import { AccountsRepository } from './accounts.repository.js';

@EntityType('account')
export class GetAccount extends Query<Account> {
  constructor(@QueueEntityId() readonly accountId: string) {
    super();
  }
}

@QueryHandler(GetAccount)
export class GetAccountHandler implements IQueryHandler<GetAccount> {
  constructor(private readonly accounts: AccountsRepository) {}

  execute({ accountId }: GetAccount): Promise<Account> {
    return this.accounts.get(accountId);
  }
}
