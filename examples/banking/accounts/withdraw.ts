/** Pays money out, if it is there. */
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { EntityType, QueueEntityId } from 'atomic-queues';
import { type Account, insufficientFunds, moved, type Refusal } from './account.js';
import { AccountsRepository } from './accounts.repository.js';

@EntityType('account')
export class Withdraw extends Command<Account | Refusal> {
  constructor(
    @QueueEntityId() readonly accountId: string,
    readonly cents: number,
  ) {
    super();
  }
}

@CommandHandler(Withdraw)
export class WithdrawHandler implements ICommandHandler<Withdraw> {
  constructor(private readonly accounts: AccountsRepository) {}

  async execute({ accountId, cents }: Withdraw): Promise<Account | Refusal> {
    const before = await this.accounts.get(accountId);
    if (before.balanceCents < cents) return insufficientFunds(before, cents);
    const after = moved(before, -cents);
    await this.accounts.save(after);
    return after;
  }
}
