/** The messages that the benchmark sends: five fields, about 130 bytes as JSON text, and the raw row of one. */
import { EntityType, QueueEntityId } from 'atomic-queues/core';

export const ENTITY_TYPE = 'account';

export const REFERENCE = 'invoice 2024-001234, thank you for the order';

@EntityType(ENTITY_TYPE, { name: 'Deposit' })
export class Deposit {
  @QueueEntityId()
  readonly account: string;

  constructor(
    account: string,
    readonly amount: number,
    readonly currency: string,
    readonly reference: string,
    /** The how-manieth message of its account this is, from 0: what the handler checks the order by. */
    readonly n: number,
  ) {
    this.account = account;
  }
}

@EntityType(ENTITY_TYPE, { name: 'Balance' })
export class Balance {
  @QueueEntityId()
  readonly account: string;

  constructor(account: string) {
    this.account = account;
  }
}

/** Fails always: makes dead letters. */
@EntityType(ENTITY_TYPE, { name: 'Refused' })
export class Refused {
  @QueueEntityId()
  readonly account: string;

  constructor(
    account: string,
    readonly reference: string,
  ) {
    this.account = account;
  }
}

export function deposit(account: string, n: number): Deposit {
  return new Deposit(account, 125, 'EUR', REFERENCE, n);
}

/** The payload as it stands in the store. */
export function payloadOf(account: string, n: number): string {
  return JSON.stringify({ account, amount: 125, currency: 'EUR', reference: REFERENCE, n });
}
