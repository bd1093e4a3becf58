/** The actors that are measured. They check the order of their messages, and count what they did in their states. */
import {
  Actor,
  type ActorOptions,
  type AtomicQueuesNode,
  EntityType,
  JobQuery,
  On,
  QueueEntityId,
  registerActor,
} from 'atomic-queues/core';
import { Deposit, ENTITY_TYPE, REFERENCE } from '../messages.js';
import { InvalidRow } from '../run.js';

/** Sees each message in its handler. */
export interface Judge {
  see(account: string, n: number): void;
}

@EntityType(ENTITY_TYPE, { name: 'Summary' })
@JobQuery()
export class Summary {
  @QueueEntityId()
  readonly account: string;

  constructor(account: string) {
    this.account = account;
  }
}

interface Entry {
  readonly amount: number;
  readonly currency: string;
  readonly reference: string;
  readonly n: number;
}

/** So many entries make a state of 1 KiB as JSON text. */
const ENTRIES = 10;

/** A state of 1 KiB, of which each message changes a tenth. */
function accountActor(options: ActorOptions) {
  @Actor(ENTITY_TYPE, options)
  class AccountActor {
    balance = 0;
    messages = 0;
    entries: Entry[] = Array.from({ length: ENTRIES }, () => ({
      amount: 125,
      currency: 'EUR',
      reference: REFERENCE,
      n: 1_000,
    }));

    constructor(protected readonly judge: Judge) {}

    @On(Deposit)
    deposit({ account, amount, currency, reference, n }: Deposit): void {
      this.judge.see(account, n);
      this.balance += amount;
      this.messages += 1;
      this.entries[n % ENTRIES] = { amount, currency, reference, n };
    }

    @On(Summary)
    summary(): object {
      return { balance: this.balance, messages: this.messages };
    }
  }
  return AccountActor;
}

/** A small state. */
function counterActor(options: ActorOptions) {
  @Actor(ENTITY_TYPE, options)
  class CounterActor {
    balance = 0;
    messages = 0;

    constructor(protected readonly judge: Judge) {}

    @On(Deposit)
    deposit({ account, amount, n }: Deposit): number {
      this.judge.see(account, n);
      this.balance += amount;
      this.messages += 1;
      return this.balance;
    }

    @On(Summary)
    summary(): object {
      return { balance: this.balance, messages: this.messages };
    }
  }
  return CounterActor;
}

export type BenchActor = 'account' | 'state-only';

export function registerBenchActor(node: AtomicQueuesNode, which: BenchActor, judge: Judge): void {
  if (which === 'account') registerActor(node, accountActor({}), judge);
  else registerActor(node, counterActor({ effects: 'state' }), judge);
}

/** @throws InvalidRow unless the states say what the judge has seen: every message changed its state once. */
export async function checkStates(node: AtomicQueuesNode, accounts: readonly string[], handled: number): Promise<void> {
  let messages = 0;
  let balance = 0;
  for (const account of accounts) {
    const seen = (await node.queueBus.enqueueAndWait(new Summary(account))) as { messages: number; balance: number };
    messages += seen.messages;
    balance += seen.balance;
  }
  if (messages !== handled || balance !== handled * 125) {
    throw new InvalidRow(`${handled} messages were handled; the states have ${messages}, with a balance of ${balance}`);
  }
}
