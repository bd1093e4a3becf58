/** Pays money into an account. */
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { EntityType, QueueEntityId } from 'atomic-queues';
import { type Account, moved } from './account.js';
import { AccountsRepository } from './accounts.repository.js';

@EntityType('account')
export class Deposit extends Command<Account> {
  constructor(
    @QueueEntityId() readonly accountId: string,
    readonly cents: number,
  ) {
    super();
  }
}

@CommandHandler(Deposit)
export class DepositHandler implements ICommandHandler<Deposit> {
  constructor(private readonly accounts: AccountsRepository) {}

  async execute({ accountId, cents }: Deposit): Promise<Account> {
    const account = moved(await this.accounts.get(accountId), cents);
    await this.accounts.save(account);
    return account;
  }
}
