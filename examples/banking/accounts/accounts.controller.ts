/**
 * The endpoints, once. Two controllers extend this one and differ in nothing but the bus that they send commands to:
 * see `naive-accounts.controller.ts` and `queued-accounts.controller.ts`.
 */
import { BadRequestException, Body, ConflictException, Get, HttpCode, Param, Post } from '@nestjs/common';
import type { Command, Query } from '@nestjs/cqrs';
import type { Account, Refusal } from './account.js';
import type { AccountsRepository } from './accounts.repository.js';
import { Deposit } from './deposit.js';
import { GetAccount } from './get-account.js';
import { OpenAccount } from './open-account.js';
import {
  type AmountBody,
  accountIdSchema,
  amountSchema,
  type OpenBody,
  openSchema,
  type TransferBody,
  transferSchema,
} from './request-schemas.js';
import { Transfer } from './transfer.js';
import { Withdraw } from './withdraw.js';

const idParameter = { schema: accountIdSchema };

export abstract class AccountsController {
  protected constructor(private readonly accounts: AccountsRepository) {}

  protected abstract send<R>(command: Command<R>): Promise<R>;
  protected abstract ask<R>(query: Query<R>): Promise<R>;

  /** Belongs to no single account, so there is no line to wait in. */
  @Get()
  list(): Promise<Account[]> {
    return this.accounts.list();
  }

  @Get(':id')
  get(@Param('id', idParameter) id: string): Promise<Account> {
    return this.ask(new GetAccount(id));
  }

  @Post()
  async open(@Body({ schema: openSchema }) { id, openingCents }: OpenBody): Promise<Account> {
    return accepted(await this.send(new OpenAccount(id, openingCents)));
  }

  @Post(':id/deposits')
  @HttpCode(200)
  deposit(@Param('id', idParameter) id: string, @Body({ schema: amountSchema }) body: AmountBody): Promise<Account> {
    return this.send(new Deposit(id, body.cents));
  }

  @Post(':id/withdrawals')
  @HttpCode(200)
  async withdraw(
    @Param('id', idParameter) id: string,
    @Body({ schema: amountSchema }) body: AmountBody,
  ): Promise<Account> {
    return accepted(await this.send(new Withdraw(id, body.cents)));
  }

  @Post(':id/transfers')
  @HttpCode(200)
  async transfer(
    @Param('id', idParameter) id: string,
    @Body({ schema: transferSchema }) body: TransferBody,
  ): Promise<Account> {
    if (body.to === id) throw new BadRequestException('to: must be another account');
    return accepted(await this.send(new Transfer(id, body.to, body.cents)));
  }
}

/** The account, or 409 with the bank's reason. */
function accepted(answer: Account | Refusal): Account {
  if (!('refused' in answer)) return answer;
  const { refused, ...rest } = answer;
  throw new ConflictException({ statusCode: 409, reason: refused, ...rest });
}
