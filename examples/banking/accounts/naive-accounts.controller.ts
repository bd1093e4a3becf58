/** `/naive/accounts`: the plain buses of NestJS. Every request runs at once, beside all others. */
import { Controller } from '@nestjs/common';
import { type Command, CommandBus, type Query, QueryBus } from '@nestjs/cqrs';
import { AccountsController } from './accounts.controller.js';
import { AccountsRepository } from './accounts.repository.js';

@Controller('naive/accounts')
export class NaiveAccountsController extends AccountsController {
  constructor(
    accounts: AccountsRepository,
    private readonly commandBus: CommandBus,
    private readonly queryBus: QueryBus,
  ) {
    super(accounts);
  }

  protected override send<R>(command: Command<R>): Promise<R> {
    return this.commandBus.execute(command);
  }

  protected override ask<R>(query: Query<R>): Promise<R> {
    return this.queryBus.execute(query);
  }
}
