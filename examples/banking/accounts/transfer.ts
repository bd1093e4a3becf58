/**
 * Moves money to another account. The command belongs to the account that pays; the other one gets a `Deposit`.
 *
 * A crash between saving the debit and accepting the deposit leaves the second half of the transfer undone, and the
 * transfer as an interrupted dead letter, which is where to see it.
 */
import { Command, CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { currentMessage, EntityType, QueueBus, QueueEntityId } from 'atomic-queues';
import { type Account, insufficientFunds, moved, type Refusal } from './account.js';
import { AccountsRepository } from './accounts.repository.js';
import { Deposit } from './deposit.js';

@EntityType('account')
export class Transfer extends Command<Account | Refusal> {
  constructor(
    @QueueEntityId() readonly fromId: string,
    readonly toId: string,
    readonly cents: number,
  ) {
    super();
  }
}

@CommandHandler(Transfer)
export class TransferHandler implements ICommandHandler<Transfer> {
  constructor(
    private readonly accounts: AccountsRepository,
    private readonly commandBus: CommandBus,
    private readonly queueBus: QueueBus,
  ) {}

  async execute({ fromId, toId, cents }: Transfer): Promise<Account | Refusal> {
    // Looked at before any money leaves. Accounts are never closed, so what is there now is there later.
    await this.accounts.get(toId);
    const before = await this.accounts.get(fromId);
    if (before.balanceCents < cents) return insufficientFunds(before, cents);
    const after = moved(before, -cents);
    await this.accounts.save(after);
    await this.payIn(new Deposit(toId, cents));
    return after;
  }

  /**
   * The second half. In the queue it waits for its turn on the other account, and only its acceptance is awaited: two
   * accounts that pay each other at the same time would otherwise wait for each other.
   */
  private async payIn(deposit: Deposit): Promise<void> {
    const isQueued = currentMessage() !== undefined;
    await (isQueued ? this.queueBus.enqueue(deposit) : this.commandBus.execute(deposit));
  }
}
