/**
 * A bank whose accounts are actors: a transfer takes the money out and sends the deposit with its completion. This process
 * sends transfers until it is killed (`load`), or waits until all is done, counts the money and prints it (`audit`).
 *
 * Takes its plan as JSON in the first argument. Writes `.` to file descriptor 3 with every tenth transfer that was answered.
 */
import { writeSync } from 'node:fs';
import { Actor, createNode, currentMessage, On, registerActor } from 'atomic-queues/core';
import { Redis } from 'ioredis';

const { config, mode, accounts, cents, effects } = JSON.parse(process.argv[2]);
const node = createNode({ config });
const bus = node.queueBus;

class Account {
  balance = cents;
  received = 0;
  sent = 0;

  async transfer({ to, cents: amount }) {
    if (this.balance < amount) return false;
    this.balance -= amount;
    this.sent += 1;
    const { entityId } = currentMessage();
    if (to !== entityId) await bus.forEntity('account', to).enqueue('Deposit', { cents: amount });
    else this.balance += amount;
    // One that fails now has changed nothing and sent nothing.
    if (amount % 7 === 0) throw new Error('a transfer that does not go through');
    return true;
  }

  deposit({ cents: amount }) {
    this.balance += amount;
    this.received += 1;
  }

  told() {
    return { balance: this.balance, sent: this.sent, received: this.received };
  }
}

On('Transfer')(Account.prototype, 'transfer', Object.getOwnPropertyDescriptor(Account.prototype, 'transfer'));
On('Deposit')(Account.prototype, 'deposit', Object.getOwnPropertyDescriptor(Account.prototype, 'deposit'));
On('Told')(Account.prototype, 'told', Object.getOwnPropertyDescriptor(Account.prototype, 'told'));
Actor('account', { statePersistence: true, effects, outbox: 'atomic' })(Account);

registerActor(node, Account);
const redis = config.redis === undefined ? undefined : new Redis(config.redis);
const ids = Array.from({ length: accounts }, (_, index) => `a${index}`);
const pick = () => ids[Math.floor(Math.random() * ids.length)];

await node.start();
if (mode === 'audit') await audit();
else await Promise.all(Array.from({ length: 16 }, () => load()));

async function load() {
  for (let count = 1; ; count += 1) {
    const amount = 1 + Math.floor(Math.random() * 20);
    const { queueBus } = node;
    try {
      if (count % 3 === 0) await queueBus.enqueue('account', 'Transfer', pick(), { to: pick(), cents: amount });
      else await queueBus.enqueueAndWait('account', 'Transfer', pick(), { to: pick(), cents: amount });
    } catch (error) {
      // Another node may have been killed in the middle of it; what matters is the money.
      if (!['HANDLER_FAILED', 'REPLY_TIMEOUT', 'INTERRUPTED', 'INDETERMINATE', 'NOT_OWNER'].includes(error.code))
        throw error;
    }
    if (count % 10 === 0) writeSync(3, '.');
  }
}

async function audit() {
  // All shards are served and have nothing left, and nothing has moved between two looks.
  for (let before = ''; ; ) {
    await node.whenIdle();
    const { left, counts } = await lookAtAll();
    const seen = JSON.stringify(counts);
    if (left === 0 && seen === before) break;
    before = seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const told = await Promise.all(ids.map((id) => bus.enqueueAndWait('account', 'Told', id, {})));
  const sum = (field) => told.reduce((total, each) => total + each[field], 0);
  const { letters } = await node.deadLetters.list({ limit: 1_000 });
  const interrupted = letters.filter(({ reason }) => reason !== 'failed').length;
  const counted = { money: sum('balance'), sent: sum('sent'), received: sum('received'), interrupted };
  writeSync(1, JSON.stringify(counted));
  await node.stop();
  process.exit(0);
}

/** What is under way in the inboxes, the lines and the outboxes, and the counts of all that ever was. */
async function lookAtAll() {
  const shards = node.engine.shards();
  const offered =
    redis === undefined ? [] : await Promise.all(shards.map((shard) => redis.lrange(`{aq:${shard}}:inbox`, 0, -1)));
  const counts = await Promise.all(shards.map((shard) => node.wal.counts(shard)));
  const outboxes = await Promise.all(shards.map((shard) => node.wal.outbox(shard, 1)));
  const pending = counts.reduce((sum, each) => sum + each.pending, 0);
  // An empty text keeps the place of an empty inbox.
  const left = pending + outboxes.flat().length + offered.flat().filter((text) => text !== '').length;
  return { left, counts };
}
