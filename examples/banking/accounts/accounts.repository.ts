/**
 * Accounts in the database, as most services do it: read a row, change it in memory, write it back. Each call is one
 * query. There is no lock, no transaction and no version check, so two requests that change one account at the same time
 * overwrite each other, unless something lets them in one by one.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { type Account, AccountNotFound } from './account.js';

interface Row {
  readonly id: string;
  readonly balance_cents: number;
  readonly movements: number;
}

@Injectable()
export class AccountsRepository {
  constructor(private readonly database: Database) {}

  async find(id: string): Promise<Account | undefined> {
    const rows = await this.database.query<Row>('SELECT * FROM accounts WHERE id = $1', [id]);
    return rows[0] === undefined ? undefined : account(rows[0]);
  }

  /** @throws AccountNotFound */
  async get(id: string): Promise<Account> {
    const found = await this.find(id);
    if (found === undefined) throw new AccountNotFound(id);
    return found;
  }

  async list(): Promise<Account[]> {
    const rows = await this.database.query<Row>('SELECT * FROM accounts ORDER BY id');
    return rows.map(account);
  }

  async add({ id, balanceCents, movements }: Account): Promise<void> {
    await this.database.query('INSERT INTO accounts (id, balance_cents, movements) VALUES ($1, $2, $3)', [
      id,
      balanceCents,
      movements,
    ]);
  }

  async save({ id, balanceCents, movements }: Account): Promise<void> {
    await this.database.query('UPDATE accounts SET balance_cents = $2, movements = $3 WHERE id = $1', [
      id,
      balanceCents,
      movements,
    ]);
  }
}

function account(row: Row): Account {
  return { id: row.id, balanceCents: row.balance_cents, movements: row.movements };
}
