/** `/queued/accounts`: the same commands and handlers, one at a time for each account, in the order of their arrival. */
import { Controller } from '@nestjs/common';
import type { Command, Query } from '@nestjs/cqrs';
import { QueueBus } from 'atomic-queues';
import { AccountsController } from './accounts.controller.js';
import { AccountsRepository } from './accounts.repository.js';

@Controller('queued/accounts')
export class QueuedAccountsController extends AccountsController {
  constructor(
    accounts: AccountsRepository,
    private readonly queueBus: QueueBus,
  ) {
    super(accounts);
  }

  protected override send<R>(command: Command<R>): Promise<R> {
    return this.queueBus.enqueueAndWait(command);
  }

  protected override ask<R>(query: Query<R>): Promise<R> {
    return this.queueBus.enqueueAndWait(query);
  }
}
