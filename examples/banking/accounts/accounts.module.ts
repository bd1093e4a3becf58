/** Everything about accounts. The handlers are ordinary CQRS providers; atomic-queues finds them by itself. */
import { Module } from '@nestjs/common';
import { AccountsRepository } from './accounts.repository.js';
import { DepositHandler } from './deposit.js';
import { GetAccountHandler } from './get-account.js';
import { NaiveAccountsController } from './naive-accounts.controller.js';
import { OpenAccountHandler } from './open-account.js';
import { QueuedAccountsController } from './queued-accounts.controller.js';
import { TransferHandler } from './transfer.js';
import { WithdrawHandler } from './withdraw.js';

@Module({
  controllers: [NaiveAccountsController, QueuedAccountsController],
  providers: [
    AccountsRepository,
    OpenAccountHandler,
    DepositHandler,
    WithdrawHandler,
    TransferHandler,
    GetAccountHandler,
  ],
  exports: [AccountsRepository],
})
export class AccountsModule {}
