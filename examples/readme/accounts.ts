/** `src/accounts.ts` of the quick start in the README: the messages, their handlers and the controller. */
import { Body, Controller, Get, Injectable, Param, Post } from '@nestjs/common';
import { Command, CommandHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EntityType, QueueBus, QueueEntityId } from 'atomic-queues';

// 1. The messages. The entity is the account: all that is sent to one account runs in one line.
@EntityType('account')
export class Withdraw extends Command<number> {
  constructor(
    @QueueEntityId() readonly accountId: string,
    readonly cents: number,
  ) {
    super();
  }
}

@EntityType('account')
export class GetBalance extends Query<number> {
  constructor(@QueueEntityId() readonly accountId: string) {
    super();
  }
}

// Stands for your database: reading and writing take time, and nothing is locked.
@Injectable()
export class Accounts {
  private readonly balances = new Map<string, number>();

  async read(id: string): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return this.balances.get(id) ?? 10_000;
  }

  async write(id: string, cents: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.balances.set(id, cents);
  }
}

// 2. The handlers: plain @nestjs/cqrs. One of them at a time runs for each account.
@CommandHandler(Withdraw)
export class WithdrawHandler {
  constructor(private readonly accounts: Accounts) {}

  async execute({ accountId, cents }: Withdraw): Promise<number> {
    const balance = await this.accounts.read(accountId);
    if (balance < cents) throw new Error(`There are only ${balance} cents in ${accountId}.`);
    await this.accounts.write(accountId, balance - cents);
    return balance - cents;
  }
}

@QueryHandler(GetBalance)
export class GetBalanceHandler {
  constructor(private readonly accounts: Accounts) {}

  execute({ accountId }: GetBalance): Promise<number> {
    return this.accounts.read(accountId);
  }
}

// 3. Send them with the QueueBus.
@Controller('accounts')
export class AccountsController {
  constructor(private readonly queueBus: QueueBus) {}

  @Post(':id/withdraw')
  async withdraw(@Param('id') id: string, @Body() body: { cents: number }) {
    // A number, because Withdraw extends Command<number>.
    const balance = await this.queueBus.enqueueAndWait(new Withdraw(id, body.cents));
    return { balance };
  }

  @Get(':id')
  async balance(@Param('id') id: string) {
    return { balance: await this.queueBus.enqueueAndWait(new GetBalance(id)) };
  }
}
