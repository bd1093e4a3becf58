/** The application: a database, CQRS, the queues, and the accounts. */
import { type DynamicModule, Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { AtomicQueuesModule } from 'atomic-queues';
import { AccountsModule } from './accounts/accounts.module.js';
import { DatabaseModule } from './database/database.module.js';

export interface AppOptions {
  /** The file of the queues' embedded store. */
  readonly storePath: string;
  /** The folder of the database; undefined: in memory. */
  readonly databaseFolder: string | undefined;
}

@Module({})
export class AppModule {
  static forRoot({ storePath, databaseFolder }: AppOptions): DynamicModule {
    return {
      module: AppModule,
      imports: [
        DatabaseModule.forRoot(databaseFolder),
        CqrsModule.forRoot(),
        AtomicQueuesModule.forRoot({
          store: { path: storePath },
          entities: {
            // A caller waits up to 30 s for its answer (504 after that), and an account has at most 1,000 requests in
            // line (429 beyond that). The deposit of a transfer goes out with the transfer's completion, or not at all.
            account: { replyTimeout: 30_000, workerMaxQueueDepth: 1_000, outbox: 'atomic' },
          },
        }),
        AccountsModule,
      ],
    };
  }
}
