/** Opens the database before anything needs it, and closes it last, when no handler can need it any more. */
import { type DynamicModule, Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Database } from './database.js';

const TABLES = `
  CREATE TABLE IF NOT EXISTS accounts (
    id            text   PRIMARY KEY,
    balance_cents bigint NOT NULL,
    movements     bigint NOT NULL
  )`;

@Global()
@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  /** `folder` undefined: in memory. */
  static forRoot(folder: string | undefined): DynamicModule {
    const open = async (): Promise<Database> => {
      const database = await Database.open(folder);
      await database.query(TABLES);
      return database;
    };
    return { module: DatabaseModule, providers: [{ provide: Database, useFactory: open }], exports: [Database] };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}
