/** Opens an account with its first money in it. */
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { EntityType, QueueEntityId } from 'atomic-queues';
import type { Account, Refusal } from './account.js';
import { AccountsRepository } from './accounts.repository.js';

@EntityType('account')
export class OpenAccount extends Command<Account | Refusal> {
  constructor(
    @QueueEntityId() readonly accountId: string,
    readonly openingCents: number,
  ) {
    super();
  }
}

@CommandHandler(OpenAccount)
export class OpenAccountHandler implements ICommandHandler<OpenAccount> {
  constructor(private readonly accounts: AccountsRepository) {}

  async execute({ accountId, openingCents }: OpenAccount): Promise<Account | Refusal> {
    const found = await this.accounts.find(accountId);
    if (found !== undefined) {
      const message = `There is an account "${accountId}" already.`;
      return { refused: 'AccountExists', message, balanceCents: found.balanceCents };
    }
    const opened: Account = { id: accountId, balanceCents: openingCents, movements: 0 };
    await this.accounts.add(opened);
    return opened;
  }
}
