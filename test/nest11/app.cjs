/**
 * A CommonJS application on NestJS 11 that uses the packed tarball, as such applications do: with `require`. It sends
 * commands to one entity at once, expects each to have been handled alone, and shuts down. `npm test` runs it in a
 * scratch project.
 */
require('reflect-metadata');
const assert = require('node:assert/strict');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { CommandHandler, CqrsModule } = require('@nestjs/cqrs');
const { AtomicQueuesModule, EntityType, QueueBus, QueueEntityId } = require('atomic-queues');

const deposits = 50;
let balance = 0;

class DepositCommand {
  constructor(accountId, amount) {
    this.accountId = accountId;
    this.amount = amount;
  }
}
Reflect.decorate([QueueEntityId()], DepositCommand.prototype, 'accountId');
Reflect.decorate([EntityType('account')], DepositCommand);

class DepositHandler {
  /** Reads, lets others run, writes: two at once would lose a deposit. */
  async execute(command) {
    const before = balance;
    await new Promise((resolve) => setImmediate(resolve));
    balance = before + command.amount;
    return { balance };
  }
}
Reflect.decorate([CommandHandler(DepositCommand)], DepositHandler);

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'atomic-queues-nest11-'));
  class AppModule {}
  const queues = AtomicQueuesModule.forRoot({ store: { path: join(folder, 'app.sqlite') } });
  Reflect.decorate([Module({ imports: [CqrsModule.forRoot(), queues], providers: [DepositHandler] })], AppModule);
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  try {
    const bus = app.get(QueueBus, { strict: false });
    const sent = Array.from({ length: deposits }, () => bus.enqueueAndWait(new DepositCommand('a-1', 1)));
    const replies = await Promise.all(sent);
    assert.deepEqual(
      replies.map((reply) => reply.balance),
      Array.from({ length: deposits }, (_, index) => index + 1),
    );
  } finally {
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  }
  const { version } = require('@nestjs/core/package.json');
  console.log(`  ${process.version}, NestJS ${version}: ${deposits} deposits, none lost`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
