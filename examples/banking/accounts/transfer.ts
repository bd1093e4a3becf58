/**
 * Moves money to another account: one command on the account that pays. Its handler withdraws, and with `outbox: 'atomic'`
 * the `Deposit` for the other account becomes durable together with the completion, exactly once, or not at all.
 *
 * The balance itself is in a database of the bank's own, which no commit of the queues reaches. So a process that dies
 * between the two leaves a transfer whose money has left and is on no way: an interrupted dead letter, which is where to
 * see it. An actor with its balance as state has no such gap; see docs/outbox.md.
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
   * The second half. In the queue it leaves when this handler has completed and waits for its turn on the other account.
   * On the naive side it runs at once.
   */
  private async payIn(deposit: Deposit): Promise<void> {
    const isQueued = currentMessage() !== undefined;
    await (isQueued ? this.queueBus.enqueue(deposit) : this.commandBus.execute(deposit));
  }
}
