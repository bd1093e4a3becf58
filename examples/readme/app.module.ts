/** `src/app.module.ts` of the quick start in the README. */
import { Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { AtomicQueuesModule } from 'atomic-queues';
import { Accounts, AccountsController, GetBalanceHandler, WithdrawHandler } from './accounts.js';

@Module({
  imports: [CqrsModule.forRoot(), AtomicQueuesModule.forRoot({ store: { path: 'accounts.db' } })],
  controllers: [AccountsController],
  providers: [Accounts, WithdrawHandler, GetBalanceHandler],
})
export class AppModule {}
